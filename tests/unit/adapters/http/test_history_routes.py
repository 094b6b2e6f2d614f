"""What is asked for over HTTP, and how a slip is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from node.adapters.http.history_routes import HistoryAsked
from node.adapters.http.rest import errors_as_json
from node.codec.history_cursor import cursor_of
from node.types.errors import MalformedAddress, MalformedMessage, Overloaded, UnknownMarket
from node.types.history import (
    BATCHES,
    FILLS,
    FUNDING_MOVES,
    ORDERS,
    TABLES,
    TRANSFERS,
    Question,
)
from tests.examples import ALICE, RULES

ADDRESS = "0x" + ALICE.address.hex()


class Reader:
    """Notes the questions and answers all of them the same."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.addresses: list[str] = []
        self.full = False

    async def page(self, question: Question, address: str) -> bytes:
        self.asked.append(question)
        self.addresses.append(address)
        if self.full:
            raise Overloaded(queue="history_queries", limit=1)
        return b'{"rows":[]}'


def asked(rows_max: int = 500) -> HistoryAsked:
    return HistoryAsked(Reader(), RULES, rows_max)


def test_without_parameters_the_newest_hundred_are_asked_for() -> None:
    assert asked().question(FILLS, {}) == Question("fills", 100)
    assert asked(rows_max=20).question(FILLS, {}) == Question("fills", 20)


def test_every_parameter_finds_its_place() -> None:
    cursor = cursor_of(FILLS, {"sequence": 9, "place": 2})
    query = {"account": ADDRESS.upper(), "market": "ETH-PERP", "limit": "500", "cursor": cursor}
    assert asked().question(FILLS, query) == Question("fills", 500, ADDRESS, 2, (9, 2))
    times = {"since": "5", "until": "9", "order": "oldest"}
    assert asked().question(FILLS, times) == Question(
        "fills", 100, oldest_first=True, since=5, until=9
    )
    assert asked().question(FILLS, {"order": "newest"}) == Question("fills", 100)
    one = {"status": "filled", "order_id": "7"}
    assert asked().question(ORDERS, one) == Question("orders", 100, word="filled", number=7)
    named = {"account": ADDRESS, "client_id": str(2**64 - 1)}
    assert asked().question(ORDERS, named) == Question(
        "orders", 100, ADDRESS, client_id=str(2**64 - 1)
    )
    assert asked().question(ORDERS, {**named, "client_id": "007"}).client_id == "7"
    assert asked().question(TRANSFERS, {"kind": "deposit"}).word == "deposit"
    assert asked().question(BATCHES, {"number": "3"}).number == 3


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "", "9" * 30, "١"])
def test_a_limit_lies_within_its_bounds(limit: str) -> None:
    with pytest.raises(MalformedMessage):
        asked().question(FILLS, {"limit": limit})


@pytest.mark.parametrize(
    ("table", "query"),
    [
        (BATCHES, {"account": ADDRESS}),
        (BATCHES, {"market": "BTC-PERP"}),
        (FUNDING_MOVES, {"account": ADDRESS}),
        (BATCHES, {"since": "1"}),
        (BATCHES, {"until": "1"}),
        (FILLS, {"number": "1"}),
        (FILLS, {"status": "filled"}),
        (ORDERS, {"cursor": "00"}),
        (ORDERS, {"order": "oldest first"}),
        (ORDERS, {"status": "gone"}),
        (ORDERS, {"order_id": "-1"}),
        (ORDERS, {"since": "yesterday"}),
        (ORDERS, {"until": str(2**63 - 1)}),
        (TRANSFERS, {"kind": ""}),
        (ORDERS, {"client_id": "7"}),
        (ORDERS, {"client_id": "0", "account": ADDRESS}),
        (ORDERS, {"client_id": str(2**64), "account": ADDRESS}),
        (FILLS, {"client_id": "7", "account": ADDRESS}),
    ],
)
def test_what_a_table_cannot_be_asked_is_refused(table: object, query: dict[str, str]) -> None:
    assert isinstance(table, type(BATCHES))
    with pytest.raises(MalformedMessage):
        asked().question(table, query)


def test_an_unknown_market_or_address_is_told() -> None:
    with pytest.raises(UnknownMarket):
        asked().question(FILLS, {"market": "DOGE-PERP"})
    with pytest.raises(MalformedAddress):
        asked().question(FILLS, {"account": "alice"})


@asynccontextmanager
async def serving(reader: Reader) -> AsyncIterator[ClientSession]:
    application = web.Application(middlewares=[errors_as_json])
    HistoryAsked(reader, RULES, 500).add_to(application)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with ClientSession(f"http://127.0.0.1:{port}") as session:
            yield session
    finally:
        await runner.cleanup()


async def test_every_table_has_a_route_but_the_positions() -> None:
    reader = Reader()
    async with serving(reader) as session:
        for name in TABLES:
            async with session.get(f"/history/{name}") as response:
                assert response.status == (404 if name == "positions" else 200)
        reader.full = True
        async with session.get("/history/fills") as response:
            assert (response.status, (await response.json())["error"]["name"]) == (
                503, "Overloaded"
            )  # fmt: skip
    assert [question.table for question in reader.asked] == [
        *(name for name in TABLES if name != "positions"), "fills"
    ]  # fmt: skip


async def test_who_asks_is_told_to_whoever_answers() -> None:
    reader = Reader()
    async with serving(reader) as session, session.get("/history/fills") as response:
        assert response.status == 200
    assert reader.addresses == ["127.0.0.1"]
