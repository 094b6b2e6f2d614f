"""A server from which nothing comes any more, and one that is only slow."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import aiohttp
import msgspec
import pytest
from aiohttp import web

from node.client import session as session_module
from node.client.errors import ConnectionLost
from node.client.rest_calls import call
from node.client.session import connect
from tests.unit.client.test_session import HELLO, echo, server_with, session_with
from tests.unit.client.test_session_books import until_connected_again

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def say_nothing(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def trickle(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.01)


async def tell_time(socket: web.WebSocketResponse) -> None:
    asked = msgspec.json.decode((await socket.receive()).data)
    await socket.send_json({"id": asked["id"], "result": {"time": 1}})


@pytest.mark.parametrize("behave", [say_nothing, trickle])
async def test_a_request_whose_answer_does_not_come_is_given_up(behave: Handler) -> None:
    application = web.Application()
    application.router.add_get("/markets", behave)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as http:
            with pytest.raises(ConnectionLost, match="waited_s") as late:
                await call(http, url, "/markets")
    finally:
        await runner.cleanup()
    assert late.value.values == {"path": "/markets", "waited_s": 0.2}


async def test_a_session_waits_ten_seconds_for_an_answer_or_as_long_as_it_is_told() -> None:
    async with server_with(echo) as url:
        async with connect(url) as session:
            assert session._http.timeout.total == 10.0
        async with connect(url, rest_s=60.0) as session:
            assert session._http.timeout.total == 60.0


async def test_a_connection_over_which_nothing_comes_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stall(socket: web.WebSocketResponse, _request: web.Request) -> None:
        await socket.send_str(HELLO)
        await tell_time(socket)
        # Whoever does not receive answers no ping either.
        await asyncio.Event().wait()

    monkeypatch.setattr(session_module, "HEARTBEAT_S", 0.2)
    async with session_with(stall, echo) as session:
        await session.ready()
        await session.request("ping", {})
        began = monotonic()
        await until_connected_again(session)
        assert monotonic() - began < 2


async def test_a_long_snapshot_over_a_slow_line_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pong waits behind it; but something comes all the while."""

    async def tell_slowly(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_str(HELLO)
        await tell_time(socket)
        assert request.transport is not None
        body = b'{"channel":"none","text":"' + b"x" * 3_000 + b'"}'
        frame = b"\x81\x7e" + len(body).to_bytes(2, "big") + body
        for start in range(0, len(frame), 200):
            request.transport.write(frame[start : start + 200])
            await asyncio.sleep(0.05)
        await tell_time(socket)
        await socket.receive()

    monkeypatch.setattr(session_module, "HEARTBEAT_S", 0.2)
    async with session_with(tell_slowly) as session:
        await session.ready()
        await session.request("ping", {})
        assert await session.request("ping", {}) == {"time": 1}
        assert session.connections == 1
