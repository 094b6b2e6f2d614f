"""Our own CSV: ``time_ns,op,id,side,price,size,tif,account``, one command a row.

``op`` is new, reduce or cancel. ``id`` is any text without a comma. Prices and sizes are decimal
numbers, whole ones included. ``side``, ``price`` and ``tif`` (gtc, ioc, fok, post_only, market;
nothing means gtc) matter for new alone; ``size`` for new and reduce. An order without ``account``
is an account of its own. What does not matter may be empty.
"""

from collections.abc import Iterator
from pathlib import Path

from node.simulation.tape.event import OrderNames, Tape, TapeEvent, TapeOp, account_of
from node.simulation.tape.formats.rows import Row, read_rows
from node.types.commands import OrderType, Side
from node.types.ids import OrderId
from node.types.units import Lots, Ticks

COLUMNS = ("time_ns", "op", "id", "side", "price", "size", "tif", "account")
TIME, OP, ID, SIDE, PRICE, SIZE, TIF, ACCOUNT = range(len(COLUMNS))
DECIMALS = 9
"""Digits after the point that prices and sizes may have, alike."""

OPS = {"new": TapeOp.NEW, "reduce": TapeOp.REDUCE, "cancel": TapeOp.CANCEL}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TYPES = {"": OrderType.GTC} | {type_.name.lower(): type_ for type_ in OrderType}


def read_csv(file: Path) -> Tape:
    """Open a tape in our own format."""
    names = OrderNames()
    return Tape(_events(file, names), DECIMALS, DECIMALS, names)


def _events(file: Path, names: OrderNames) -> Iterator[TapeEvent]:
    for row in read_rows(file, COLUMNS, ",", header=True):
        if not row.fields[ID]:
            raise row.fault(ID, "an order must have an id")
        yield _event(row, row.choice(OP, OPS), names.number(row.fields[ID]))


def _event(row: Row, op: TapeOp, order_id: OrderId) -> TapeEvent:
    time_ns = row.units(TIME, 0)
    if op is TapeOp.CANCEL:
        return TapeEvent(time_ns, op, order_id, row.line)
    size = Lots(row.units(SIZE, DECIMALS, least=1))
    if op is TapeOp.REDUCE:
        return TapeEvent(time_ns, op, order_id, row.line, size=size)
    kind = row.choice(TIF, TYPES)
    unpriced = kind is OrderType.MARKET and not row.fields[PRICE]
    owner = row.fields[ACCOUNT]
    return TapeEvent(
        time_ns,
        op,
        order_id,
        row.line,
        side=row.choice(SIDE, SIDES),
        price=Ticks(0 if unpriced else row.units(PRICE, DECIMALS, least=1)),
        size=size,
        type=kind,
        account=account_of(f"account {owner}" if owner else f"order {row.fields[ID]}"),
    )
