"""What the tests of the API do with sockets."""

import asyncio
from collections.abc import Callable

import aiohttp
import msgspec

from tests.integration.api_node import WAIT_S, ApiNode, Body
from tests.integration.conformance import responses

MADE_UP = ("/stats", "/load", "/telemetry", "/fee")
"""What the node of these tests answers to operators is no more than a word."""


async def settled(node: ApiNode) -> None:
    """Wait until the publisher has told of everything."""
    await until(lambda: node.publisher.last_sequence == node.state.sequence)


async def gone(node: ApiNode, connections: int) -> None:
    """Wait until so many connections are left."""
    await until(lambda: node.server.connections == connections)


async def until(reached: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(WAIT_S):
        while not reached():  # noqa: ASYNC110 - it happens inside of the node
            await asyncio.sleep(0.001)


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert b" 101 " in await reader.readline()
    await reader.readuntil(b'"hello"')


def masked(body: bytes) -> bytes:
    """Return a client's text frame; the mask is zeros, so the body stays as it is."""
    assert len(body) < 126
    return bytes((0x81, 0x80 | len(body))) + bytes(4) + body


async def get(url: str, path: str) -> Body:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert response.status == 200, await response.text()
        body: Body = msgspec.json.decode(await response.read())
        if path not in MADE_UP:
            responses().check("get", path, response.status, body)
        return body


async def post(url: str, path: str, body: Body) -> tuple[int, Body]:
    data = msgspec.json.encode(body)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, data=data) as response,
    ):
        answer = msgspec.json.decode(await response.read())
        responses().check("post", path, response.status, answer)
        return response.status, answer
