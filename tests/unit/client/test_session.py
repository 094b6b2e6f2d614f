"""A session against servers that go away at the worst moments."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import msgspec
from aiohttp import web

from node.client.session import ConnectionLost, Session
from tests.examples import DOMAIN, RULES

HELLO = msgspec.json.encode(
    {
        "channel": "hello",
        "challenge": "0x" + "11" * 32,
        "chain_id": DOMAIN.chain_id,
        "rollup": "0x" + DOMAIN.rollup.hex(),
    }
).decode()

Behaviour = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


@asynccontextmanager
async def session_with(*behaviours: Behaviour) -> AsyncIterator[Session]:
    """Give a session at a server that treats its connections so, the last one ever after."""
    left = list(behaviours)

    async def serve(request: web.Request) -> web.StreamResponse:
        behave = left.pop(0) if len(left) > 1 else left[0]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await behave(socket, request)
        return socket

    application = web.Application()
    application.router.add_get("/ws", serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        session = Session(http, url, RULES, DOMAIN)
        running = asyncio.ensure_future(session.run())
        try:
            yield session
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await runner.cleanup()


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
