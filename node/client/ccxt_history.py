"""The node's history as CCXT's methods ask for it: since, until, a limit, and pages behind pages.

``GET /history/…`` tells what is written so far, and up to which command that is (``sequence``).
What a connection has heard and the history not yet lies behind it: whoever joins the two takes from
the connection only what is newer, and has nothing twice.
"""

import asyncio
from decimal import Decimal
from typing import Any, Final, Self

import msgspec

from node.client.ccxt_errors import BadRequest, ExchangeNotAvailable, NotSupported, translated
from node.client.local_account import Fill, Order, trade_name
from node.client.rest_calls import Get, history_page
from node.client.subscription import Message
from node.types.errors import HistoryUnavailable, NotFound

ROWS: Final = 100
"""Rows of a page, and of an answer where nobody asks for another number."""

CALLS: Final = 10
CALL_ROWS: Final = 1_000
"""``paginate`` reads up to so many calls of so many rows, unless ``paginationCalls`` says else."""

BEHIND_S: Final = 5.0
PAUSE_S: Final = 0.1
"""How long the history may take to reach what is needed of it, and when it is asked again."""

Params = dict[str, Any]


class Span(msgspec.Struct, frozen=True):
    """What is asked for of a time: both ends belong to it, None is no end.

    As CCXT has it, ``limit`` counts from ``since`` on where that is told, else back from the end.
    """

    since: int | None
    until: int | None
    limit: int

    def holds(self, time: int) -> bool:
        """Return whether ``time`` lies within."""
        begun = self.since is None or time >= self.since
        return begun and (self.until is None or time <= self.until)

    def cut(self, items: list[Any]) -> list[Any]:
        """Return those that ``limit`` leaves of ``items``, the oldest of which come first."""
        return items[-self.limit :] if self.since is None else items[: self.limit]


class Past(msgspec.Struct, frozen=True):
    """Rows, the oldest first; everything up to command ``sequence`` is among what they are of."""

    rows: list[Message]
    sequence: int


def span_of(since: int | None, limit: int | None, params: Params | None) -> Span:
    """Return what is asked for. Params: until, paginate, paginationCalls.

    Raises ``BadRequest`` for other params, and for what is no time or no number of rows.
    """
    asked = dict(params or {})
    until, paginate = asked.pop("until", None), asked.pop("paginate", False)
    calls = asked.pop("paginationCalls", CALLS)
    if asked:
        raise BadRequest(f"plimsoll: unknown params {sorted(asked)}")
    for name, number, least in (
        ("since", since, 0), ("until", until, 0), ("limit", limit, 1), ("paginationCalls", calls, 1)
    ):  # fmt: skip
        if number is not None and (type(number) is not int or number < least):
            raise BadRequest(f"plimsoll: {name} is an integer from {least}")
    most = calls * CALL_ROWS if paginate else ROWS
    return Span(since, until, most if limit is None else limit)


async def read(get: Get, table: str, span: Span, *, reached: int = 0, **asked: object) -> Past:
    """Return the rows of ``table`` that are asked for, as ``Pages`` has them."""
    pages = await Pages.begin(get, table, span, reached=reached, **asked)
    rows = await pages.first(span.limit)
    return Past(rows[::-1] if span.since is None else rows, pages.sequence)


class Pages:
    """The rows of a table that are asked for, page behind page as they are needed.

    They come oldest first where the span has a beginning, else newest first. All rows up to command
    ``sequence`` are among them; of later ones only some may be.
    """

    def __init__(self, get: Get, table: str, query: dict[str, object], page: Message) -> None:
        """Begin with the first ``page`` that ``query`` brought."""
        self.sequence: int = page["sequence"]
        self._get, self._table, self._query = get, table, query
        self._rows: list[Message] = page["rows"]
        self._next: str | None = page["next"]
        self._taken = 0

    @classmethod
    async def begin(
        cls, get: Get, table: str, span: Span, *, reached: int, **asked: object
    ) -> Self:
        """Ask for the first page, of a history that has come to ``reached``.

        Raises ``NotSupported`` where the node keeps no history, ``ExchangeNotAvailable`` where it
        does not answer or is behind for long.
        """
        named = {
            "since": span.since,
            "until": span.until,
            "order": "newest" if span.since is None else "oldest",
            "limit": min(span.limit, ROWS),
            **asked,
        }
        query = {name: value for name, value in named.items() if value is not None}
        return cls(get, table, query, await _reaching(get, table, query, reached))

    async def first(self, count: int) -> list[Message]:
        """Return the first ``count`` rows, fewer where there are no more."""
        await self._load(count)
        return self._rows[:count]

    async def head(self) -> int | None:
        """Return the command of the next row that nobody took, None where there is none."""
        # Not by ``first``, which copies: this is asked once for every row.
        await self._load(self._taken + 1)
        return self._rows[self._taken]["sequence"] if len(self._rows) > self._taken else None

    async def take(self, sequence: int) -> list[Message]:
        """Return the next rows, as long as they are of the command ``sequence``."""
        begin = self._taken
        while await self.head() == sequence:
            self._taken += 1
        return self._rows[begin : self._taken]

    async def _load(self, count: int) -> None:
        """Ask for pages until ``count`` rows are here, or there are no more."""
        while len(self._rows) < count and self._next is not None:
            page = await _page(self._get, self._table, self._query | {"cursor": self._next})
            self._rows += page["rows"]
            self._next = page["next"]


async def _reaching(get: Get, table: str, query: dict[str, object], reached: int) -> Message:
    """Return the first page, once the history is written up to ``reached``."""
    waited = 0.0
    while (page := await _page(get, table, query))["sequence"] < reached:
        if waited >= BEHIND_S:
            values = {"sequence": page["sequence"], "needed": reached}
            told = f"plimsoll: the history is behind: {values}"
            raise ExchangeNotAvailable(told, HistoryUnavailable.code, values)
        await asyncio.sleep(PAUSE_S)
        waited += PAUSE_S
    return page


async def _page(get: Get, table: str, query: dict[str, object]) -> Message:
    with translated():
        try:
            return await history_page(get, table, query)
        except NotFound as error:
            told = "plimsoll: this node keeps no history"
            raise NotSupported(told, error.code, error.values) from error


def fill_of_row(row: Message, account: str) -> Fill:
    """Return a fill as ``account`` sees it, which is its maker or its taker."""
    making = row["maker"] == account
    role = "maker" if making else "taker"
    taker_order = row["taker_order"] or 0
    side = row["taker_side"] if not making else "sell" if row["taker_side"] == "buy" else "buy"
    return Fill(
        trade_name(row["sequence"], taker_order, row["maker_order"]), row["sequence"],
        row["maker_order"] if making else taker_order, row["market"], side, role,
        Decimal(row["price"]), Decimal(row["size"]), Decimal(row[f"{role}_fee"]), row["time"], row,
    )  # fmt: skip


def order_of_row(row: Message) -> Order:
    """Return an order as the history tells of it; only of a filled one it tells the last trade."""
    closed, filled = row["closed_time"] or 0, row["status"] == "filled"
    return Order(
        row["order_id"], row["client_id"] or 0, row["market"], row["side"], row["type"],
        Decimal(row["price"]), Decimal(row["remaining"]), Decimal(row["size"]),
        Decimal(row["filled"]),
        cost=Decimal(row["value"]), fee=Decimal(row["fees"]), time=row["time"],
        traded=closed if filled else 0, changed=closed or row["triggered_time"] or 0,
        reduce_only=row["reduce_only"], ended="filled" if filled else row["reason"],
        trigger=row["trigger"] or "", trigger_price=Decimal(row["trigger_price"] or 0), told=row,
    )  # fmt: skip
