"""The REST endpoints of the history, made of its tables: one entry for each that is told."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from node.adapters.http.history_routes import NEWEST, OLDEST, TOLD
from node.app.contract.endpoint import ADDRESS, SYMBOL, Endpoint, Parameter
from node.app.contract.errors import Errors
from node.codec.answers import Account, Decimal, Hash
from node.history.config import HistoryConfig
from node.types import errors as tree
from node.types.history import Table, Unit
from node.types.units import UINT64_MAX

_TYPES: Final[dict[Unit, Any]] = {
    Unit.COUNT: int,
    Unit.TIME: int,
    Unit.MARKET: str,
    Unit.PRICE: Decimal,
    Unit.SIZE: Decimal,
    Unit.MONEY: Decimal,
    Unit.FLAG: bool,
    Unit.WORD: str,
    Unit.NUMBER: int,
    Unit.ADDRESS: Account,
    Unit.HASH: Hash,
}
"""What ``node.types.history_units.readable`` makes of a value of each unit."""

_WHOLE: Final = (0, 2**63 - 2)

_ERRORS: Final[Errors] = (
    tree.MalformedMessage,
    tree.MalformedAddress,
    tree.UnknownMarket,
    tree.Overloaded,
    tree.DeadlineExceeded,
    tree.HistoryUnavailable,
    tree.NotFound,
)
"""``NotFound``: of a node that keeps no history."""


def _endpoint(table: Table) -> Endpoint:
    asked = [
        Parameter(
            "limit",
            "query",
            Annotated[int, Meta(ge=1, le=HistoryConfig().page_rows_max)],
            "rows of the page; the operator may have set another bound",
        ),
        Parameter("cursor", "query", str, "`next` of the page before, asked with the same `order`"),
        Parameter("order", "query", Literal[NEWEST, OLDEST], "which end to begin at; else newest"),
    ]
    if table.accounts:
        asked.append(Parameter("account", "query", ADDRESS, "only rows that name this account"))
    if table.by_market:
        asked.append(Parameter("market", "query", SYMBOL, "only rows of this market"))
    if table.timed:
        asked.append(
            Parameter("since", "query", int, "only rows of this millisecond or later", _WHOLE)
        )
        asked.append(
            Parameter("until", "query", int, "only rows of this millisecond or earlier", _WHOLE)
        )
    if table.told_apart_by:
        asked.append(
            Parameter(
                table.told_apart_by, "query", Literal[table.words], "only rows with this word"
            )
        )
    if table.number:
        asked.append(Parameter(table.number, "query", int, "only the row with this number", _WHOLE))
    if table.by_client_id:
        about = "only rows to which `account` gave this number"
        asked.append(Parameter("client_id", "query", int, about, (1, UINT64_MAX)))
    return Endpoint(
        "get",
        f"/history/{table.name}",
        table.about,
        _page_of(table),
        parameters=tuple(asked),
        errors=_ERRORS,
    )


def _page_of(table: Table) -> Any:
    """Return the type of a page: its rows, where to go on, and up to where history is written."""
    words = table.name.title().replace("_", "")
    columns = [
        (column.name, _TYPES[column.unit] | None if column.optional else _TYPES[column.unit])
        for column in table.columns
    ]
    row = msgspec.defstruct(f"{words}Row", columns, frozen=True, namespace={"__doc__": table.about})
    return msgspec.defstruct(
        f"{words}Page",
        [("rows", tuple[row, ...]), ("next", str | None), ("sequence", int)],  # type: ignore[valid-type]
        frozen=True,
        namespace={
            "__doc__": "Rows, in the order asked for; `next` is the cursor of the page behind them,"
            " null on the last one; history is written up to command `sequence`."
        },
    )


HISTORY: Final[tuple[Endpoint, ...]] = tuple(_endpoint(table) for table in TOLD)
