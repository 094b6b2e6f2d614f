"""One connection from its first byte to its last: its place, and how long it may keep us waiting.

    connect ─▶ a public place ─▶ idle ⇄ at work ─▶ WebSocket (a place among those), or closed
         └───▶ none left: a place of the reserve, for one request

*The reserve.* While the public has no place left, ``OPERATORS`` are answered still: who has to mend
it must see. Anything else is told there which limit it was (``Overloaded``), and the connection
closed. Where the reserve is full as well, of connections that are at work, it is hung up at once.

*Readers.* An answer waits in memory until its reader takes it. So the next request of a connection
waits for that, and a reader who takes less than ``LEAST_BYTES`` in ``write_timeout_s`` is cut; also
one whose connection we have closed, which would otherwise stay for as long as he likes.
"""

import asyncio
from logging import Logger
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Middleware

from node.adapters.http.config import HttpConfig
from node.adapters.http.connection_limit import ConnectionLimit
from node.adapters.http.rest import Handler
from node.types.errors import Overloaded
from node.types.networks import network_of

RESERVED: Final = 32
"""Places beside the public's, a quarter of them for one address at most."""

OPERATORS: Final = frozenset(("/health", "/stats", "/metrics", "/load", "/telemetry"))
"""What is answered from the reserve."""

LEAST_BYTES: Final = 65_536
"""What a reader takes in ``write_timeout_s``, if so much waits for it."""


class Crowd:
    """Everyone who is connected."""

    __slots__ = ("_turned_away", "config", "plain", "reserve", "sockets")

    def __init__(self, config: HttpConfig) -> None:
        each = config.origin_connections
        self.config = config
        self.plain = ConnectionLimit("plain_connections", config.plain_connections, each)
        self.sockets = ConnectionLimit("connections", config.connections, each)
        self.reserve = ConnectionLimit("reserve", RESERVED, RESERVED // 4)
        self._turned_away = {"refused": 0, "hung_up": 0, "slow_reader": 0}

    @property
    def turned_away(self) -> dict[str, int]:
        """Return by cause how many were refused or cut, or idled and had to make room."""
        made_room = self.plain.made_room + self.reserve.made_room
        return {"made_room": made_room, **self._turned_away}

    def turn_away(self, cause: str) -> None:
        """Count one."""
        self._turned_away[cause] += 1


class Connection(web.RequestHandler):
    """aiohttp's side of a connection, with a place in the crowd and an eye on its reader."""

    __slots__ = ("_crowd", "_place", "_stalled", "_watched", "_wire", "address", "refusal")

    def __init__(self, crowd: Crowd, server: web.Server, logger: Logger) -> None:
        """``server`` makes requests of what comes in, and has them answered."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=crowd.config.keepalive_s,
            # What of a body comes after the answer is thrown away, and not waited for any longer.
            lingering_time=crowd.config.close_timeout_s,
            logger=logger,
            access_log=None,  # type: ignore[arg-type]  # None: there is none.
        )
        self._crowd = crowd
        self._place = crowd.plain
        self.address = ""
        self._wire: asyncio.Transport | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._watched = True
        self.refusal: Overloaded | None = None

    # --- its place -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, or hang up."""
        wire = self._wire = cast("asyncio.Transport", transport)
        peer = wire.get_extra_info("peername")
        self.address = network_of(str(peer[0])) if peer else ""
        if not self._enter():
            self._crowd.turn_away("hung_up")
            wire.abort()
            return
        # So that we hear as soon as anything waits for the reader, and once nothing does.
        wire.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._place.rest(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the place back."""
        self._place.leave(self)
        self._stop_watching()
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Hang up; see ``Guest``."""
        self.force_close()

    def begin(self) -> None:
        """Note that a request is being worked on."""
        self._place.work(self)

    def become_socket(self) -> None:
        """Move to a place among the WebSockets. Raises ``Overloaded``."""
        sockets = self._crowd.sockets
        sockets.enter(self, self.address)
        self._place.leave(self)
        self._place = sockets
        # Its wire sees to that: it knows what it has written.
        self._watched = False

    def end_socket(self) -> None:
        """Note that nobody sees to the reader any more; what waits for him he must still take."""
        self._watched = True
        # It holds the WebSocket, which holds us.
        self._data_received_cb = None
        if self._wire is not None and self._wire.get_write_buffer_size():
            self._watch(self._wire)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, and wait until the reader has taken it."""
        if self.refusal is not None:
            resp.force_close()
        sent, reset = await super().finish_response(request, resp, start_time)
        if isinstance(resp, web.WebSocketResponse) and (broken := resp.exception()) is not None:
            # Its frames hold the WebSocket, which holds it: it would be left for the collector.
            broken.with_traceback(None).__context__ = None
        try:
            await request.writer.drain()
        except ConnectionError:
            reset = True
        self._place.rest(self)
        return sent, reset

    def _enter(self) -> bool:
        crowd = self._crowd
        try:
            crowd.plain.enter(self, self.address)
        except Overloaded as refusal:
            self.refusal = refusal
            self._place = crowd.reserve
            try:
                crowd.reserve.enter(self, self.address)
            except Overloaded:
                return False
        return True

    # --- its reader ------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Note that something waits for the reader."""
        super().pause_writing()
        if self._watched and self._wire is not None:
            self._watch(self._wire)

    def resume_writing(self) -> None:
        """Note that nothing does."""
        super().resume_writing()
        self._stop_watching()

    def _watch(self, wire: asyncio.Transport) -> None:
        self._stop_watching()
        left, timeout_s = wire.get_write_buffer_size(), self._crowd.config.write_timeout_s
        loop = asyncio.get_running_loop()
        self._stalled = loop.call_later(timeout_s, self._look, wire, left)

    def _look(self, wire: asyncio.Transport, before: int) -> None:
        if before - wire.get_write_buffer_size() < LEAST_BYTES:
            self._crowd.turn_away("slow_reader")
            wire.abort()
        else:
            self._watch(wire)

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def seated(crowd: Crowd) -> Middleware:
    """Return the middleware that raises ``Overloaded`` for whom the public has no place."""

    @web.middleware
    async def in_its_place(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connection_of(request)
        # A body could take its time, in a place that others need.
        served = request.path in OPERATORS and not request.can_read_body
        if connection.refusal is not None and not served:
            crowd.turn_away("refused")
            raise connection.refusal
        return await handler(request)

    return in_its_place


@web.middleware
async def at_work(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Begin, once all of the request is in: who waits for its body may have to make room."""
    connection_of(request).begin()
    return await handler(request)


def connection_of(request: web.BaseRequest) -> Connection:
    """Return the connection that ``request`` came by."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    return connection
