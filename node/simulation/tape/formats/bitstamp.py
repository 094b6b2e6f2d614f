"""Bitstamp's public order events: ``created``, ``changed`` and ``deleted``, with real order ids.

The feed tells outcomes. A taker is ``created`` with its limit and whole volume; the rows after it
tell, maker by maker, what our own matching has done by then, so they only cap what is left. In
those rows a taker's price is that of its last fill, so a price is read from ``created`` alone.

An order that the very next row deletes untouched, as post-only orders that would take are, is
played as post-only. Rows of the first timestamp are a snapshot: they rest as they are. After it a
price of 0 is a market order. An order created with volume 0 was sized in dollars: how much it would
take cannot be known from the feed, so its rows are passed over.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from node.simulation.tape.event import OrderNames, Tape, TapeEvent, TapeOp, account_of
from node.simulation.tape.formats.rows import Row, read_rows, with_next
from node.types.commands import OrderType, Side
from node.types.units import NS_PER_MS, Lots, Ticks

COLUMNS = ("id", "timestamp", "exchange_timestamp", "price", "volume", "action", "direction")
ID, RECEIVED, TIMESTAMP, PRICE, VOLUME, ACTION, DIRECTION = range(len(COLUMNS))
TICK_DECIMALS = 2
LOT_DECIMALS = 8

CREATED, CHANGED, DELETED = range(3)
ACTIONS = {"created": CREATED, "changed": CHANGED, "deleted": DELETED}
SIDES = {"bid": Side.BUY, "ask": Side.SELL}

STALE_IDS = frozenset({"2002347646152704", "2002347642003458"})
"""Asks of the snapshot of 2 May 2026 that were gone already: later trades went through them.

The venue never gives an id twice, so naming them here can hide no other order.
"""


def read_bitstamp(file: Path) -> Tape:
    """Open a file of Bitstamp order events; ticks are cents, lots are 10**-8 of a coin."""
    names = OrderNames()
    return Tape(_events(file, names), TICK_DECIMALS, LOT_DECIMALS, names)


def _events(file: Path, names: OrderNames) -> Iterator[TapeEvent]:
    snapshot_time = None
    passed_over = set(STALE_IDS)
    for row, following in with_next(read_rows(file, COLUMNS, ",", header=True)):
        snapshot_time = snapshot_time or row.fields[RECEIVED]
        time_ns = row.units(TIMESTAMP, 0) * NS_PER_MS
        order_id = names.number(row.fields[ID])
        action = row.choice(ACTION, ACTIONS)
        size = Lots(_lots(row))
        if action == CREATED and not size:
            passed_over.add(row.fields[ID])
        if row.fields[ID] in passed_over:
            continue
        if action != CREATED:
            left = size if action == CHANGED else Lots(0)
            yield TapeEvent(time_ns, TapeOp.REMAIN, order_id, row.line, size=left)
        else:
            yield TapeEvent(
                time_ns,
                TapeOp.NEW,
                order_id,
                row.line,
                side=row.choice(DIRECTION, SIDES),
                price=Ticks(row.units(PRICE, TICK_DECIMALS)),
                size=size,
                type=_type(row, following, snapshot_time),
                account=account_of(row.fields[ID]),
            )


def _type(row: Row, following: Row | None, snapshot_time: str) -> OrderType:
    if row.fields[RECEIVED] == snapshot_time:
        return OrderType.GTC
    if not row.units(PRICE, TICK_DECIMALS):
        return OrderType.MARKET
    untouched = (
        following is not None
        and following.fields[ID] == row.fields[ID]
        and following.fields[ACTION] == "deleted"
        and following.fields[VOLUME] == row.fields[VOLUME]
    )
    return OrderType.POST_ONLY if untouched else OrderType.GTC


def _lots(row: Row) -> int:
    """Return the volume in lots; the recorder writes the smallest with an exponent (2.6e-06)."""
    text = row.fields[VOLUME]
    if "e" not in text:
        return row.units(VOLUME, LOT_DECIMALS)
    try:
        lots = Decimal(text).scaleb(LOT_DECIMALS)
        if lots == int(lots) >= 0:
            return int(lots)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise row.fault(VOLUME, f"not a number with at most {LOT_DECIMALS} digits after the point")
