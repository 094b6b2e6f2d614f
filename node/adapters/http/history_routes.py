"""The REST routes of the history: pages of rows, the newest first or the oldest.

====================================  ==========================================================
GET /history/fills                    ?account= &market= &since= &until= &order= &limit= &cursor=
GET /history/orders                   likewise, ?status= &order_id= &client_id=: each order's fate
GET /history/funding                  payments to positions; /history/funding_moves: of the index
GET /history/liquidations             and /history/deleveragings
GET /history/transfers                deposits and withdrawals, ?kind=; /history/work: its cost
GET /history/batches                  ?number=: of the log, with where they stand on L1
====================================  ==========================================================

Nothing here is private, as nothing is in ``/account`` and ``/orders``: all of it can be rebuilt
from what stands on L1. Answers are made by a process of their own; the loop only passes them on.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from node.adapters.http.query import refuse_unknown
from node.codec.history_cursor import key_of
from node.ports.history import HistoryReader
from node.types.errors import MalformedMessage, UnknownMarket
from node.types.history import TABLES, Question, Table
from node.types.ids import address_from_hex, hex_from_address
from node.types.networks import network_of
from node.types.rules import Rules
from node.types.units import UINT64_MAX

LIMIT: Final = 100
"""Rows of an answer where nobody asks for another number."""

TOLD: Final = tuple(table for table in TABLES.values() if table.name != "positions")
"""The tables that are asked for here; what positions stand now is told by ``/account``."""

OLDEST, NEWEST = "oldest", "newest"
"""Which end ``order`` begins at."""

_INT64_MAX: Final = 2**63 - 1

Handler = Callable[[web.Request], Awaitable[web.Response]]


class HistoryAsked:
    """Reads questions and has them answered."""

    def __init__(self, reader: HistoryReader, rules: Rules, rows_max: int) -> None:
        """``reader`` answers; ``rows_max`` bounds each answer."""
        self._reader = reader
        self._rows_max = rows_max
        self._markets = {market.symbol: place for place, market in enumerate(rules.markets, 1)}

    def add_to(self, application: web.Application) -> None:
        """Add every route to ``application``."""
        for table in TOLD:
            application.router.add_get(f"/history/{table.name}", self._handler(table))

    def _handler(self, table: Table) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            question = self.question(table, request.query)
            body = await self._reader.page(question, network_of(request.remote or ""))
            return web.Response(body=body, content_type="application/json")

        return handle

    def question(self, table: Table, asked: Mapping[str, str]) -> Question:
        """Return what is asked.

        Raises ``MalformedMessage``, ``MalformedAddress``, ``UnknownMarket``.
        """
        refuse_unknown(asked, allowed(table))
        account, market = asked.get("account"), asked.get("market")
        if market is not None and market not in self._markets:
            raise UnknownMarket(market=market[:64])
        cursor = asked.get("cursor")
        return Question(
            table=table.name,
            limit=self._limit(asked.get("limit")),
            account=None if account is None else hex_from_address(address_from_hex(account)),
            market=None if market is None else self._markets[market],
            behind=None if cursor is None else key_of(table, cursor),
            oldest_first=_one_of((NEWEST, OLDEST), "order", asked) == OLDEST,
            since=_integer("since", asked),
            until=_integer("until", asked),
            word=_one_of(table.words, table.told_apart_by, asked),
            number=None if table.number is None else _integer(table.number, asked),
            client_id=_client_id(asked),
        )

    def _limit(self, text: str | None) -> int:
        if text is None:
            return min(LIMIT, self._rows_max)
        if text.isascii() and text.isdecimal() and len(text) <= 6:
            limit = int(text)
            if 1 <= limit <= self._rows_max:
                return limit
        detail = f"limit is an integer from 1 to {self._rows_max}"
        raise MalformedMessage(detail=detail, text=text[:40])


def allowed(table: Table) -> set[str]:
    """Return the parameters that mean something for ``table``."""
    known = {"limit", "cursor", "order"}
    known |= {"account"} if table.accounts else set()
    known |= {"market"} if table.by_market else set()
    known |= {"since", "until"} if table.timed else set()
    known |= {table.told_apart_by} if table.told_apart_by else set()
    known |= {table.number} if table.number else set()
    known |= {"client_id"} if table.by_client_id else set()
    return known


def _one_of(words: tuple[str, ...], name: str, asked: Mapping[str, str]) -> str | None:
    text = asked.get(name)
    if text is None or text in words:
        return text
    raise MalformedMessage(detail=f"{name} is one of {', '.join(words)}", text=text[:40])


def _integer(name: str, asked: Mapping[str, str]) -> int | None:
    text = asked.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < _INT64_MAX:
        return int(text)
    raise MalformedMessage(detail=f"{name} is an integer below 2^63 - 1", text=text[:40])


def _client_id(asked: Mapping[str, str]) -> str | None:
    """Return the number that an account gave an order, as the history has it."""
    text = asked.get("client_id")
    if text is None:
        return None
    if "account" not in asked:
        raise MalformedMessage(detail="client_id needs the account that gave it", text=text[:40])
    if text.isascii() and text.isdecimal() and len(text) <= 20 and 0 < int(text) <= UINT64_MAX:
        return str(int(text))
    raise MalformedMessage(detail="client_id is an integer from 1 to 2^64 - 1", text=text[:40])
