"""A session against servers that go away at the worst moments."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from node.client import channels, hello
from node.client.errors import ConnectionLost
from node.client.fee_limit import FeeLimit
from node.client.session import Session, connect
from node.types.errors import (
    CommandRejected,
    ConfigInvalid,
    FeeAboveMax,
    WrongChain,
    WrongSigner,
)
from node.types.fees import FeeRules
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
WRONG_SIGNER = {"code": WrongSigner.code, "name": "WrongSigner", "values": {}}
PRICE = 500_000
DEAR_VALUES = {"price": "0.5", "max_fee": "0.000001"}
DEAR = {"code": FeeAboveMax.code, "name": "FeeAboveMax", "values": DEAR_VALUES}
IMPOSTOR = {"sequencer": "0x" + "66" * 20}
LOOKALIKE = {"rollup": "0x" + "66" * 20}
ELSEWHERE = {"chain_id": DOMAIN.chain_id + 1}

Body = dict[str, Any]
Page = Callable[[web.Request], Awaitable[web.StreamResponse]]
Behaviour = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@asynccontextmanager
async def server_with(*behaviours: Behaviour, stats: Page | None = None) -> AsyncIterator[str]:
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
    if stats is not None:
        application.router.add_get("/stats", stats)
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


async def test_a_log_in_that_is_refused_anew_ends_nothing_else() -> None:
    asked: list[str] = []

    async def let_in(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_str(HELLO)
        for _ in range(3):
            one = msgspec.json.decode((await socket.receive()).data)
            await socket.send_json({"id": one["id"], "result": {"resumed": True}})
        await vanish(socket, request)

    async def refuse(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for message in socket:
            one = msgspec.json.decode(message.data)
            asked.append(one["params"].get("channel", one["method"]))
            if one["method"] == "login":
                # As where an agent's time is over.
                await socket.send_json({"id": one["id"], "error": WRONG_SIGNER})
            else:
                await socket.send_json({"id": one["id"], "result": {"resumed": True}})

    async with session_with(let_in, refuse) as session:
        await session.ready()
        await session.login(session.wallet(b"\x07" * 32))
        await session.subscribe("account", lambda _: None)
        await session.subscribe("marks", lambda _: None)
        while session.connections == 1:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)
        await session.ready()
        assert asked == ["login", "marks"]
        await session.request("ping", {})
        await session._socket.close()  # type: ignore[union-attr]
        while session.connections == 2:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)
        await session.ready()
        assert asked == ["login", "marks", "ping", "marks"]


@pytest.mark.parametrize(
    "answer",
    [
        {"error": DEAR},
        {"error": {"code": 1214, "name": "EveryItemRejected", "values": {"errors": [DEAR, DEAR]}}},
        {"result": {"results": [{"status": "cancelled", "order_id": 1}, {"error": DEAR}]}},
    ],
)
async def test_the_next_action_may_cost_what_the_last_one_was_refused_for(answer: Body) -> None:
    async def refuse(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        asked = msgspec.json.decode((await socket.receive()).data)
        await socket.send_json({"id": asked["id"]} | answer)
        await socket.receive()

    async with session_with(refuse) as session:
        await session.ready()
        session.fee_limit = FeeLimit(FeeRules())
        assert session.fee_limit() < PRICE
        with suppress(CommandRejected):
            await session.request("action", {})
        assert session.fee_limit() >= PRICE


async def test_a_price_that_is_no_decimal_costs_no_connection() -> None:
    odd = {"code": FeeAboveMax.code, "name": "FeeAboveMax", "values": {"price": PRICE}}

    async def refuse(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        for answer in ({"error": odd}, {"result": {"time": 1}}):
            asked = msgspec.json.decode((await socket.receive()).data)
            await socket.send_json({"id": asked["id"]} | answer)
        await socket.receive()

    async with session_with(refuse) as session:
        await session.ready()
        with pytest.raises(FeeAboveMax):
            await session.request("action", {})
        assert await session.request("ping", {}) == {"time": 1}


async def test_a_log_in_that_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def say_nothing(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        async for _ in socket:
            pass

    monkeypatch.setattr(channels, "ANSWER_S", 0.2)
    async with session_with(say_nothing) as session:
        await session.ready()
        with pytest.raises(ConnectionLost) as lost:
            await session.login(session.wallet(b"\x07" * 32))
        assert lost.value.values == {"method": "login", "waited_s": 0.2}


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


@pytest.mark.parametrize(
    ("change", "values"),
    [
        (IMPOSTOR, ("sequencer", SEQUENCER, b"\x66" * 20)),
        (ELSEWHERE, ("chain_id", DOMAIN.chain_id, DOMAIN.chain_id + 1)),
        (LOOKALIKE, ("rollup", DOMAIN.rollup, b"\x66" * 20)),
    ],
)
async def test_another_sequencer_or_chain_ends_the_session(
    change: Body, values: tuple[str, Any, Any]
) -> None:
    async def impersonate(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_json(GREETING | change)
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
    assert tuple(wrong.value.values.values()) == values


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:8480", "", "ftp://there", "http://", "http://h:port", "http://h:99999", "ws://h:1"],
)
async def test_what_is_no_address_of_a_node_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape("http://host:port allowed")):
        await connect(url).__aenter__()


async def test_a_slash_behind_the_address_changes_nothing() -> None:
    async with server_with(echo) as url, connect(url + "/") as session:
        assert await session.request("ping", {}) == {"method": "ping"}


async def test_a_node_that_takes_connections_and_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stay_silent(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.receive()

    monkeypatch.setattr(hello, "ANSWER_S", 0.05)
    # Silent to the introduction, or only afterwards.
    for behaviours in ((stay_silent,), (echo, stay_silent)):
        async with server_with(*behaviours) as url:
            with pytest.raises(ConnectionLost, match="does not answer") as silence:
                await connect(url).__aenter__()
            assert silence.value.values["node"] == url


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, "<html>Bad Gateway</html>"),
        (200, "<html>Welcome</html>"),
        (200, "7"),
        (404, '{"error": "Not Found"}'),
        (404, '{"error": {}}'),
        (200, "{}"),
    ],
)
async def test_what_answers_and_is_no_node_is_a_lost_connection(status: int, body: str) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body)

    application = web.Application()
    application.router.add_get("/rules", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(ConnectionLost):
            await connect(f"http://127.0.0.1:{runner.addresses[0][1]}").__aenter__()
    finally:
        await runner.cleanup()


async def test_a_page_of_a_proxys_own_is_no_answer_of_the_node() -> None:
    async with session_with(echo) as session:
        await session.ready()
        with pytest.raises(ConnectionLost, match="status 404"):
            await session.get("/health")
