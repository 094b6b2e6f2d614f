"""A proxy between client and node that treats WebSocket messages as a bad line would.

It drops, doubles and swaps whole text messages, in both directions, and hangs up; everything is
drawn from one seed. What is no WebSocket passes untouched. The ``weather`` may change at any time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from random import Random

import msgspec

_TEXT = 1
_LIMIT = 1 << 16

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Weather(msgspec.Struct, frozen=True):
    """The chances that a message is dropped, doubled, swapped with the next, or the last one."""

    drop: float = 0.0
    double: float = 0.0
    swap: float = 0.0
    hang_up: float = 0.0


CALM = Weather()
STORM = Weather(drop=0.01, double=0.01, swap=0.01, hang_up=0.0005)


class LossyProxy:
    """Stands before the server at ``port``; ``delivered`` counts text messages to clients."""

    def __init__(self, port: int, seed: int, weather: Weather) -> None:
        self.weather = weather
        self.delivered = 0
        self.dropped = 0
        self.doubled = 0
        self.swapped = 0
        self.hung_up = 0
        self._port = port
        self._random = Random(seed)
        self._links: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Give the URL to connect to."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LIMIT)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for writer in tuple(self._links):
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = (reader, writer)
        far = await asyncio.open_connection("127.0.0.1", self._port, limit=_LIMIT)
        self._links |= {writer, far[1]}
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            far[1].write(head)
            if b"upgrade: websocket" in head.lower():
                writer.write(await far[0].readuntil(b"\r\n\r\n"))
                # The first message greets: without it there is no conversation to disturb.
                writer.write(await read_frame(far[0]))
                await self._both(self._disturb(far, near, to_client=True), self._disturb(near, far))
            else:
                await self._both(_copy(far, near), _copy(near, far))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._links -= {writer, far[1]}
            for each in (writer, far[1]):
                each.transport.abort()

    @staticmethod
    async def _both(one: Awaitable[None], other: Awaitable[None]) -> None:
        """Run until one of the two ends; then there is nothing left to pass on."""
        tasks = [asyncio.ensure_future(one), asyncio.ensure_future(other)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _disturb(self, source: Link, sink: Link, *, to_client: bool = False) -> None:
        held: bytes | None = None
        chance, writer = self._random.random, sink[1]
        while True:
            frame = await read_frame(source[0])
            weather = self.weather
            frames = [frame]
            if frame[0] & 0x0F == _TEXT and weather is not CALM:
                if chance() < weather.hang_up:
                    self.hung_up += 1
                    return
                if chance() < weather.drop:
                    self.dropped += 1
                    continue
                if chance() < weather.double:
                    self.doubled += 1
                    frames.append(frame)
                if held is None and chance() < weather.swap:
                    self.swapped += 1
                    held = frame
                    continue
            if held is not None:
                frames.append(held)
                held = None
            writer.write(b"".join(frames))
            if to_client:
                self.delivered += sum(each[0] & 0x0F == _TEXT for each in frames)
            await writer.drain()


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next WebSocket frame as it is, head and mask included (RFC 6455, section 5.2)."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length > 125:
        extended = await reader.readexactly(2 if length == 126 else 8)
        head, length = head + extended, int.from_bytes(extended)
    mask = 4 if head[1] & 0x80 else 0
    return head + await reader.readexactly(length + mask)


async def _copy(source: Link, sink: Link) -> None:
    with suppress(OSError):
        while data := await source[0].read(65_536):
            sink[1].write(data)
            await sink[1].drain()
