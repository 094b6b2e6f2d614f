"""A session against servers that go away at the worst moments."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from node.client.local_book import BookUnknown, LocalBook
from node.client.session import ConnectionLost, Session, connect
from node.codec.checksums import book_checksum, level_entry
from node.types.errors import CommandRejected, SinceAhead, WrongChain
from tests.examples import DOMAIN, RULES
from tests.unit.sequencer.surroundings import TestKey

SEQUENCER = TestKey().address
GREETING = {
    "channel": "hello",
    "challenge": "0x" + "11" * 32,
    "chain_id": DOMAIN.chain_id,
    "rollup": "0x" + DOMAIN.rollup.hex(),
    "sequencer": "0x" + SEQUENCER.hex(),
}
HELLO = msgspec.json.encode(GREETING).decode()
IMPOSTOR = msgspec.json.encode(GREETING | {"sequencer": "0x" + "66" * 20}).decode()

Behaviour = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@asynccontextmanager
async def server_with(*behaviours: Behaviour) -> AsyncIterator[str]:
    """Give the URL of a server that treats its connections so, the last one ever after."""
    left = list(behaviours)

    async def serve(request: web.Request) -> web.StreamResponse:
        behave = left.pop(0) if len(left) > 1 else left[0]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await behave(socket, request)
        return socket

    async def tell_rules(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"canonical": RULES.encode().decode()})

    application = web.Application()
    application.router.add_get("/ws", serve)
    application.router.add_get("/rules", tell_rules)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with asyncio.timeout(20):
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def session_with(*behaviours: Behaviour) -> AsyncIterator[Session]:
    """Give a session at such a server. What ends its ``run`` is raised at the end."""
    async with server_with(*behaviours) as url, aiohttp.ClientSession() as http:
        session = Session(http, url, RULES, DOMAIN, SEQUENCER)
        running = asyncio.ensure_future(session.run())
        try:
            yield session
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def vanish(_socket: web.WebSocketResponse, request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def say_goodbye(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.close()


async def echo(socket: web.WebSocketResponse, _request: web.Request) -> None:
    await socket.send_str(HELLO)
    async for message in socket:
        asked = msgspec.json.decode(message.data)
        await socket.send_json({"id": asked["id"], "result": {"method": asked["method"]}})


async def greet_and_vanish(socket: web.WebSocketResponse, request: web.Request) -> None:
    await socket.send_str(HELLO)
    await socket.receive()
    await vanish(socket, request)


async def test_a_server_that_goes_before_its_hello_is_tried_again() -> None:
    async with session_with(vanish, say_goodbye, echo) as session:
        await session.ready()
        assert await session.request("ping", {}) == {"method": "ping"}


async def test_writing_into_a_connection_that_is_gone_is_a_lost_connection() -> None:
    async with session_with(greet_and_vanish, echo) as session:
        await session.ready()
        asked = [session.start("ping", {})]
        with suppress(ConnectionLost):
            while True:
                # Nobody has told this end yet, so it goes on writing.
                asked.append(session.start("ping", {}))
                await asyncio.sleep(0)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {ConnectionLost}
        await session.ready()
        assert session.connections == 2
        assert await session.request("ping", {}) == {"method": "ping"}


async def test_a_frame_that_cannot_be_written_closes_the_connection() -> None:
    async with session_with(echo) as session:
        await session.ready()
        socket = session._socket
        assert socket is not None
        # The transport is closed already, and the reader has not had its turn.
        transport = socket._response.connection
        assert transport is not None
        assert transport.transport is not None
        transport.transport.abort()
        lost = session.start("ping", {})
        assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], ConnectionLost)
        await session.ready()
        assert session.connections == 2


async def test_waiting_for_a_connection_does_not_spin_while_the_last_one_closes() -> None:
    async with session_with(echo) as session:
        await session.ready()
        socket = session._socket
        assert socket is not None
        # Closed already, but its reader has not had its turn: the loop below may not take that one.
        closing = asyncio.ensure_future(socket.close())
        while not socket.closed:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0)
        tries = 0
        answer = None
        while answer is None and tries < 100:
            tries += 1
            try:
                answer = await session.request("ping", {})
            except ConnectionLost:
                await session.ready()
        await closing
        assert (tries, session.connections) == (2, 2)


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
        assert session._waiting == {}


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


async def test_an_answer_that_cannot_be_read_is_a_lost_connection() -> None:
    async def mumble(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"], "error": {"name": "without a code"}})
        await socket.receive()

    async with session_with(mumble, echo) as session:
        await session.ready()
        with pytest.raises(ConnectionLost):
            await session.request("ping", {})
        await session.ready()
        assert await session.request("ping", {}) == {"method": "ping"}


@pytest.mark.parametrize(
    "greeting", ["{", "[]", "{}", HELLO.replace("1111", ""), HELLO.replace("0x", "0y")]
)
async def test_a_hello_that_is_none_is_tried_again(greeting: str) -> None:
    async def mumble(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(greeting)
        await socket.receive()

    async with session_with(mumble, echo) as session:
        await session.ready()
        assert session.connections == 1


async def test_another_sequencer_ends_the_session() -> None:
    async def impersonate(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(IMPOSTOR)
        await socket.receive()

    async def stay(url: str) -> None:
        async with connect(url) as session:
            assert session.sequencer == SEQUENCER
            with suppress(ConnectionLost):
                await session.request("ping", {})
            await asyncio.Event().wait()

    async with server_with(echo, greet_and_vanish, impersonate) as url:
        with pytest.raises(WrongChain) as wrong:
            await stay(url)
    assert wrong.value.values == {"expected": SEQUENCER, "found": b"\x66" * 20}
