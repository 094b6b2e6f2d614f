"""LOBSTER message files: what happened to the orders of a NASDAQ book, one message a row.

Columns: seconds after midnight, type, order id, shares, USD x 10,000, direction. No header.

An execution (type 4) tells who was hit, not who hit. It becomes an immediate order of the other
side with the execution's price and size, numbered minus its line; a faithful book then trades with
exactly the order that the message names. Hidden executions (5) and halts (7) leave the book alone.
"""

from collections.abc import Iterator
from pathlib import Path

from node.simulation.tape.event import OrderNames, Tape, TapeEvent, TapeOp, account_of
from node.simulation.tape.formats.rows import Row, read_rows
from node.types.commands import OrderType, Side
from node.types.ids import OrderId
from node.types.units import Lots, Ticks

COLUMNS = ("time", "type", "order_id", "size", "price", "direction")
TIME, KIND, ORDER_ID, SIZE, PRICE, DIRECTION = range(len(COLUMNS))
TICK_DECIMALS = 4

ADD, PARTIAL_CANCEL, DELETE, EXECUTION, HIDDEN, AUCTION, HALT = range(1, 8)
KINDS = {str(kind): kind for kind in range(1, 8)}
SIDES = {"1": Side.BUY, "-1": Side.SELL}
OUTSIDE_THE_BOOK = {HIDDEN, AUCTION, HALT}


def read_lobster(file: Path) -> Tape:
    """Open a LOBSTER message file; sizes are shares, ticks are 1/10,000 USD."""
    return Tape(_events(file), TICK_DECIMALS, 0, OrderNames())


def _events(file: Path) -> Iterator[TapeEvent]:
    for row in read_rows(file, COLUMNS, ",", header=False):
        kind = row.choice(KIND, KINDS)
        if kind not in OUTSIDE_THE_BOOK:
            yield _event(row, kind, OrderId(row.units(ORDER_ID, 0)))


def _event(row: Row, kind: int, order_id: OrderId) -> TapeEvent:
    time_ns = _time_ns(row)
    size = Lots(row.units(SIZE, 0, least=1))
    if kind == PARTIAL_CANCEL:
        return TapeEvent(time_ns, TapeOp.REDUCE, order_id, row.line, size=size)
    if kind == DELETE:
        return TapeEvent(time_ns, TapeOp.CANCEL, order_id, row.line)
    price = Ticks(row.units(PRICE, 0, least=1))
    side = row.choice(DIRECTION, SIDES)
    if kind == ADD:
        account = account_of(row.fields[ORDER_ID])
        return TapeEvent(
            time_ns, TapeOp.NEW, order_id, row.line, side, price, size, account=account
        )
    return TapeEvent(
        time_ns,
        TapeOp.NEW,
        OrderId(-row.line),
        row.line,
        side.opposite,
        price,
        size,
        type=OrderType.IOC,
        account=account_of(f"line {row.line}"),
        maker=order_id,
    )


def _time_ns(row: Row) -> int:
    """Return the time, cut after the ninth digit: some rows carry the noise of a float beyond."""
    whole, _, fraction = row.fields[TIME].partition(".")
    digits = whole + fraction[:9].ljust(9, "0")
    if not (whole and digits.isascii() and digits.isdecimal()):
        raise row.fault(TIME, "not a number of seconds")
    return int(digits)
