"""A session whose books have gaps, come out wrong, or cannot be read at all."""

import asyncio
import gc
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from node.client.local_book import BookUnknown, LocalBook
from node.client.session import Session
from node.codec.checksums import book_checksum, level_entry
from node.types.errors import CommandRejected, SinceAhead
from tests.unit.client.test_session import HELLO, Behaviour, session_with

BOOK = {"channel": "book", "market": "BTC-PERP", "asks": []}


def told(kind: str, seq: int, prev_seq: int, size: str) -> dict[str, Any]:
    """Return a message that leaves one bid of ``size``."""
    checksum = book_checksum([level_entry("10", size)], [])
    head = {"type": kind, "seq": seq, "prev_seq": prev_seq, "checksum": checksum}
    return BOOK | head | {"bids": [["10", size]]}


SNAPSHOT = told("snapshot", 5, 5, "1")
MISSED = told("diff", 7, 5, "4")
LATE = told("diff", 9, 7, "2")
NEWER = told("snapshot", 9, 9, "3")
WRONG = told("diff", 7, 5, "4") | {"checksum": 1}
CROSSED = told("diff", 7, 5, "4") | {"asks": [["10", "1"]]}

GARBLED: dict[str, str] = {
    "no json": "{",
    "no object": "7",
    "no type": msgspec.json.encode(BOOK).decode(),
    "no levels": msgspec.json.encode(NEWER | {"bids": 7}).decode(),
    "no price": msgspec.json.encode(NEWER | {"bids": [["ten", "1"]]}).decode(),
    "no values": '{"id": 2, "error": {"code": 1001, "values": 7}}',
    "no code": '{"id": 2, "error": {}}',
    "no result": '{"id": 2}',
    "too deep": "[" * 5_000,
}


def book_server(
    *after: dict[str, Any] | str,
    asked_for: list[Any] | None = None,
    refuse: bool = False,
    resumed: tuple[dict[str, Any], ...] = (),
) -> Behaviour:
    """Tell each subscriber of a book a snapshot, the first one ``after`` as well.

    With ``refuse`` the server has no time for a second subscription; with ``resumed`` it goes on
    with these. ``asked_for`` gets each method, or where a subscription is to go on.
    """

    async def behave(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        pushes, told = iter([SNAPSHOT, NEWER]), list(after)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            if asked_for is not None:
                asked_for.append(asked.get("params", {}).get("since", asked["method"]))
            push = next(pushes, None) if asked["method"] == "subscribe" else None
            if refuse and push is NEWER:
                await socket.send_json({"id": asked["id"], "error": {"code": 2001}})
                continue
            if resumed and push is NEWER:
                await socket.send_json({"id": asked["id"], "result": {"resumed": True}})
                for missed in resumed:
                    await socket.send_json(missed)
                continue
            await socket.send_json({"id": asked["id"], "result": {}})
            if push is not None:
                await socket.send_json(push)
            while push is not None and told:
                late = told.pop(0)
                await socket.send_str(late if isinstance(late, str) else text_of(late))

    return behave


def text_of(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode()


async def until_seq(book: LocalBook, seq: int) -> None:
    for _ in range(1_000):
        if book.seq == seq:
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


async def until_connected_again(session: Session) -> None:
    for _ in range(1_000):
        if session.connections == 2:
            return await session.ready()
        await asyncio.sleep(0.005)
    raise TimeoutError


async def test_a_gap_starts_the_book_over_on_the_same_connection() -> None:
    asked: list[Any] = []
    async with session_with(book_server(LATE, LATE, asked_for=asked)) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await until_seq(book, 9)
        assert book.bids() == [("10", "3")]
        await session.request("ping", {})
        assert asked == ["subscribe", 5, "ping"]
        assert session.connections == 1
        assert len(session._requests) == 0


async def test_what_was_missed_is_asked_for_once_and_told_in_turn() -> None:
    asked: list[Any] = []
    # What it has already comes once more, and is dropped.
    server = book_server(LATE, LATE, asked_for=asked, resumed=(SNAPSHOT, MISSED, LATE))
    async with session_with(server) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await until_seq(book, 9)
        await session.request("ping", {})
        assert book.bids() == [("10", "2")]
        assert asked == ["subscribe", 5, "ping"]


@pytest.mark.parametrize("again", ["resumed", "the same", "anew"])
async def test_a_book_that_nobody_tells_is_unknown_until_somebody_does(again: str) -> None:
    """However the server goes on: without news, with the same snapshot, or with a newer one."""
    back = asyncio.Event()

    async def leave(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"], "result": {}})
        await socket.send_json(SNAPSHOT)
        await socket.receive()

    async def go_on(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await back.wait()
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"], "result": {"resumed": again == "resumed"}})
        if again != "resumed":
            await socket.send_json(SNAPSHOT if again == "the same" else NEWER)
        await socket.receive()

    async with session_with(leave, go_on) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        assert book.bids() == [("10", "1")]
        assert session.connected
        await session._socket.close()  # type: ignore[union-attr]
        while session.connected:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        assert not book.known
        with pytest.raises(BookUnknown):
            book.bids()
        back.set()
        while not book.known:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        assert book.bids() == [("10", "3" if again == "anew" else "1")]


@pytest.mark.parametrize("unfit", [WRONG, CROSSED], ids=["checksum", "crossed"])
async def test_a_book_that_came_out_wrong_is_not_shown_and_starts_over(
    unfit: dict[str, Any],
) -> None:
    asked: list[Any] = []
    async with session_with(book_server(unfit, asked_for=asked)) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        seen = set[str]()
        while book.seq != 9:
            with suppress(BookUnknown):
                seen |= {size for _, size in book.bids()}
            await asyncio.sleep(0)
        assert book.bids() == [("10", "3")]
        assert seen <= {"1", "3"}
        assert asked == ["subscribe", "subscribe"]


async def test_a_channel_that_is_refused_is_not_asked_for_again() -> None:
    async def refuse(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        error = {"code": 1207, "values": {"market": "DOGE"}}
        await socket.send_json({"id": asked["id"], "error": error})

    asked: list[Any] = []
    async with session_with(refuse, book_server(asked_for=asked)) as session:
        await session.ready()
        with pytest.raises(CommandRejected):
            await session.follow_book("DOGE")
        await until_connected_again(session)
        await session.request("ping", {})
        assert asked == ["ping"]


async def test_another_past_than_the_one_followed_is_started_over() -> None:
    async def younger(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            asked = msgspec.json.decode(message.data)
            if "since" in asked["params"]:
                error = {"code": SinceAhead.code, "values": {"since": 5, "last": 3}}
                await socket.send_json({"id": asked["id"], "error": error})
            else:
                await socket.send_json({"id": asked["id"], "result": {"resumed": False}})
                await socket.send_json(told("snapshot", 3, 3, "8"))

    async def tell_and_go(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"], "result": {}})
        await socket.send_json(SNAPSHOT)
        await socket.close()

    async with session_with(tell_and_go, younger) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await until_seq(book, 3)
        assert book.bids() == [("10", "8")]


async def test_a_book_that_may_not_start_over_does_so_on_a_new_connection() -> None:
    async with session_with(book_server(LATE, refuse=True), book_server()) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await until_connected_again(session)
        await until_seq(book, 5)
        assert book.bids() == [("10", "1")]
        assert await session.request("ping", {}) == {}


async def test_a_gap_in_the_last_words_of_a_connection_ends_nothing() -> None:
    async def tell_and_go(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"], "result": {}})
        await socket.send_json(SNAPSHOT)
        await socket.send_json(LATE)
        await socket.close()

    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with session_with(tell_and_go, book_server()) as session:
        await session.ready()
        book = await session.follow_book("BTC-PERP")
        await until_connected_again(session)
        assert await session.request("ping", {}) == {}
        assert (book.seq, book.bids()) == (5, [("10", "1")])
        gc.collect()
        assert unhandled == []


@pytest.mark.parametrize("garbled", GARBLED.values(), ids=GARBLED.keys())
async def test_what_cannot_be_read_is_logged_once_and_the_connection_renewed(garbled: str) -> None:
    with capture_logs() as logged:
        async with session_with(book_server(garbled), book_server()) as session:
            await session.ready()
            book = await session.follow_book("BTC-PERP")
            await until_connected_again(session)
            assert await session.request("ping", {}) == {}
            assert book.bids() == [("10", "1")]
    assert [entry["event"] for entry in logged] == ["server_unreadable"]
