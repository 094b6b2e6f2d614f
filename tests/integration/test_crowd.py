"""Who opens connections and says little, or asks and does not read: bounded, and told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.adapters.http.connection import RESERVED
from node.types.commands import Side
from tests.examples import ALICE
from tests.integration.api_node import WAIT_S, ApiNode, running_node, talking_to
from tests.integration.api_sockets import get, shake_hands, until

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNREAD = HttpConfig(write_timeout_s=0.1, close_timeout_s=0.1)

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def lines(node: ApiNode, count: int) -> AsyncIterator[list[Line]]:
    """Open so many connections, one behind the other."""
    opened: list[Line] = []
    try:
        for _ in range(count):
            opened.append(
                await asyncio.open_connection("127.0.0.1", node.server.port, limit=16_384)
            )
            await asyncio.sleep(0)
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def ask(line: Line, path: str) -> bytes:
    """Ask for ``path`` and return the first line of the answer."""
    line[1].write(GET % path.encode())
    async with asyncio.timeout(WAIT_S):
        return await line[0].readline()


async def works(node: ApiNode, line: Line) -> None:
    """Let ``line`` send an action whose answer does not come."""
    if node.gate.held is None:
        node.gate.held = []
    waiting = len(node.gate.held)
    body = msgspec.json.encode(node.order(ALICE, Side.BUY, 400_000 + waiting))
    head = b"POST /action HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    line[1].write(head % len(body) + body)
    await until(lambda: len(node.gate.held or ()) > waiting)


async def test_who_has_idled_longest_makes_room_for_who_comes() -> None:
    config = HttpConfig(plain_connections=3, origin_connections=3)
    async with running_node(config) as node, lines(node, 3) as (first, second, third):
        for line in (second, first, third):
            assert b" 200 " in await ask(line, "/rules")
        async with lines(node, 1) as (newcomer,):
            assert b" 200 " in await ask(newcomer, "/rules")
            async with asyncio.timeout(WAIT_S):
                await second[0].read()
            assert second[0].at_eof()
            assert not first[0].at_eof()
            assert len(node.server.crowd.plain) == 3
            assert node.server.crowd.turned_away["made_room"] == 1


@pytest.mark.parametrize(
    ("config", "queue"),
    [
        (HttpConfig(plain_connections=2, origin_connections=9), "plain_connections"),
        (HttpConfig(plain_connections=9, origin_connections=2), "plain_connections_of_an_address"),
    ],
)
async def test_who_finds_no_room_is_told_so_and_operators_are_answered(
    config: HttpConfig, queue: str
) -> None:
    async with running_node(config) as node, lines(node, 2) as busy:
        for line in busy:
            await works(node, line)
        async with lines(node, 1) as (late,):
            assert b" 503 " in await ask(late, "/rules")
            assert b'"queue":"%b"' % queue.encode() in await late[0].read()
        assert (await get(node.url, "/health"))["status"] == "ok"
        # Whoever waits in the reserve without a word makes room there as well.
        async with lines(node, 2 * RESERVED):
            assert (await get(node.url, "/health"))["status"] == "ok"
            assert len(node.server.crowd.reserve) <= RESERVED // 4
        assert node.server.crowd.turned_away["refused"] == 1
        node.gate.release()
        for line in busy:
            assert b" 200 " in await line[0].readline()


async def test_a_head_that_comes_byte_by_byte_is_not_waited_for() -> None:
    async with running_node(HttpConfig(keepalive_s=1.0)) as node, lines(node, 1) as (line,):
        async with asyncio.timeout(WAIT_S):
            while not line[0].at_eof():
                line[1].write(b"x")
                try:
                    async with asyncio.timeout(0.05):
                        await line[0].read(1)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
        assert len(node.server.crowd.plain) == 0


async def test_a_handshake_that_is_none_takes_no_place() -> None:
    async with running_node(HttpConfig(origin_connections=2)) as node, lines(node, 1) as (line,):
        for _ in range(3):
            assert b" 400 " in await ask(line, "/ws")
            await line[0].readuntil(b"}}")
        assert (len(node.server.crowd.sockets), len(node.server.crowd.plain)) == (0, 1)
        async with talking_to(node):
            assert len(node.server.crowd.sockets) == 1


async def test_the_reserve_waits_for_no_body() -> None:
    config = HttpConfig(plain_connections=1)
    async with running_node(config) as node, lines(node, 1) as (busy,):
        await works(node, busy)
        async with lines(node, 1) as (late,):
            head = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
            late[1].write(head)
            async with asyncio.timeout(WAIT_S):
                assert b" 503 " in await late[0].readline()
        node.gate.release()


async def test_who_waits_for_its_own_body_makes_room() -> None:
    config = HttpConfig(plain_connections=2)
    head = b"POST /action HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    async with running_node(config) as node, lines(node, 2) as silent:
        for line in silent:
            line[1].write(head)
        served = node.server._runner.server
        assert served is not None
        await until(lambda: served.requests_count == 2)
        async with lines(node, 1) as (late,):
            assert b" 200 " in await ask(late, "/rules")
            assert node.server.crowd.turned_away["made_room"] == 1


async def test_sockets_of_one_address_are_bounded() -> None:
    config = HttpConfig(origin_connections=1)
    async with running_node(config) as node, talking_to(node), aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{node.url}/ws")
        assert refused.value.status == 503


@pytest.mark.parametrize("asked", [200, 1])
async def test_who_does_not_read_his_answers_is_cut(asked: int) -> None:
    """With one request the connection is closed by us, and still waits for its reader."""
    async with running_node(UNREAD) as node, lines(node, 1) as (line,):
        line[1].transport.pause_reading()  # type: ignore[attr-defined]
        head = b"GET /page/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n"
        end = b"Connection: close\r\n\r\n" if asked == 1 else b"\r\n"
        line[1].write((head + end) * asked)
        await until(lambda: len(node.server.crowd.plain) == 1)
        await until(lambda: node.server.crowd.turned_away["slow_reader"] == 1)
        await until(lambda: len(node.server.crowd.plain) == 0)


async def test_the_next_request_waits_until_the_answer_before_it_was_taken() -> None:
    async with running_node() as node, lines(node, 1) as (line,):
        line[1].transport.pause_reading()  # type: ignore[attr-defined]
        line[1].write(GET % b"/page/plotly.min.js" * 30)
        served, before = node.server._runner.server, -1
        assert served is not None
        # What the system's own buffers take is answered; the rest waits here, unbegun.
        while served.requests_count != before:
            before = served.requests_count
            await asyncio.sleep(0.1)
        assert 0 < before < 30


async def test_a_socket_that_says_goodbye_and_reads_nothing_is_cut() -> None:
    config = HttpConfig(write_timeout_s=0.1, close_timeout_s=5, outbox_bytes=64 << 20)
    async with running_node(config) as node, lines(node, 1) as (line,):
        await shake_hands(*line)
        line[1].transport.pause_reading()  # type: ignore[attr-defined]
        (wire,) = node.server._conversations
        wire.push(b"\x81\x7f" + (16 << 20).to_bytes(8) + bytes(16 << 20))
        await asyncio.sleep(0)
        line[1].write(b"\x88\x82\0\0\0\0\x03\xe8")
        await until(lambda: len(node.server.crowd.sockets) == 0)
