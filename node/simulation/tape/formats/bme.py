"""Commands sent to the Spanish exchange BME: ``ordtype;uid;is_buy;qty;price;timestamp``.

A modification takes its quantity off the order, which keeps its place. A cancel names what is left.
Times are the exchange's wall clock; they are read as if they were UTC.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from node.simulation.tape.event import OrderNames, Tape, TapeEvent, TapeOp, account_of
from node.simulation.tape.formats.rows import Row, read_rows
from node.types.commands import Side
from node.types.units import Lots, Ticks

COLUMNS = ("ordtype", "uid", "is_buy", "qty", "price", "timestamp")
KIND, UID, IS_BUY, QUANTITY, PRICE, TIMESTAMP = range(len(COLUMNS))
TICK_DECIMALS = 4

OPS = {"new": TapeOp.NEW, "modif": TapeOp.REDUCE, "cancel": TapeOp.CANCEL}
SIDES = {"True": Side.BUY, "False": Side.SELL}


def read_bme(file: Path) -> Tape:
    """Open a file of BME commands; sizes are shares."""
    names = OrderNames()
    return Tape(_events(file, names), TICK_DECIMALS, 0, names)


def _events(file: Path, names: OrderNames) -> Iterator[TapeEvent]:
    for row in read_rows(file, COLUMNS, ";", header=True):
        op = row.choice(KIND, OPS)
        uid = names.number(row.fields[UID])
        size = Lots(row.units(QUANTITY, 0, least=1))
        if op is not TapeOp.NEW:
            yield TapeEvent(_time_ns(row), op, uid, row.line, size=size)
            continue
        yield TapeEvent(
            _time_ns(row),
            op,
            uid,
            row.line,
            side=row.choice(IS_BUY, SIDES),
            price=Ticks(row.units(PRICE, TICK_DECIMALS, least=1)),
            size=size,
            account=account_of(row.fields[UID]),
        )


def _time_ns(row: Row) -> int:
    try:
        time = datetime.fromisoformat(row.fields[TIMESTAMP]).replace(tzinfo=UTC)
    except ValueError:
        raise row.fault(TIMESTAMP, "not a time like 2019-05-23 09:00:30.216") from None
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
