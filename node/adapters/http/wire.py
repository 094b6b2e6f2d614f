"""The way back to one WebSocket client: a bounded outbox that empties itself once a turn.

What is queued in one turn of the event loop leaves in one write, so the answers that come out of
one block cost one system call for each connection and not one each. aiohttp sends message by
message, and each costs a coroutine and a write; so frames are made here and go straight to the
transport, which aiohttp hands out (``BaseRequest.transport``). Only whole frames are written, so
aiohttp's own (its pings, its close) never end up inside of one. Pongs are ours: what a client asks
for must count as what waits for it. There is no compression to keep in step with.
"""

import asyncio

from node.adapters.http.config import HttpConfig
from node.adapters.http.connection import LEAST_BYTES
from node.adapters.http.framing import close_frame, pong_frame, text_frame
from node.capacity.traffic import Traffic
from node.codec.json_errors import encode_error
from node.types.errors import (
    OversizedMessage,
    PlimsollError,
    RateLimited,
    ShuttingDown,
    SlowReader,
)

_CLOSE_CODES: dict[type[PlimsollError], int] = {
    ShuttingDown: 1001,
    RateLimited: 1008,
    OversizedMessage: 1009,
    SlowReader: 1013,
}
"""RFC 6455, section 7.4, and its registry. The reason bears the error's own code."""
_CLOSE_CODE_OTHERWISE = 1011


_BEHIND_PART = 8
"""One whose outbox is full to this part is behind: the rest is for what it must be told."""


class WebSocketWire:
    """Frames for one client; see ``node.ports.api.Wire``."""

    __slots__ = (
        "_abort",
        "_config",
        "_due",
        "_frames",
        "_loop",
        "_queued",
        "_traffic",
        "_transport",
        "_unread",
        "_written",
        "closing",
    )

    def __init__(self, transport: asyncio.Transport, config: HttpConfig, traffic: Traffic) -> None:
        self._transport = transport
        self._traffic = traffic
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._queued = 0
        self._unread = 0
        self._written = 0
        self._due: int | None = None
        self._abort: asyncio.TimerHandle | None = None
        self.closing = False

    @property
    def behind(self) -> bool:
        """Return whether so much waits that feeds should tell no more than they must."""
        unread = self._unread if self._frames else self._transport.get_write_buffer_size()
        return _BEHIND_PART * (self._queued + unread) > self._config.outbox_bytes

    def send(self, body: bytes) -> None:
        """Queue the JSON text ``body``."""
        if not self.closing:
            self._queue(text_frame(body))

    def push(self, frame: bytes) -> None:
        """Queue a frame. Raises ``SlowReader`` when the client does not read."""
        if not self.closing:
            self._queue(frame)
        if self.closing:
            raise SlowReader(limit=self._config.outbox_bytes)

    def pong(self, body: bytes) -> None:
        """Queue the answer to a ping that bore ``body``."""
        if not self.closing:
            self._queue(pong_frame(body))

    def close(self, error: PlimsollError) -> None:
        """Tell the client ``error`` and close; drop the connection if it does not answer that."""
        if self.closing:
            return
        self.closing = True
        self._frames.append(text_frame(b'{"id":null,"error":%b}' % encode_error(error)))
        code = _CLOSE_CODES.get(type(error), _CLOSE_CODE_OTHERWISE)
        self._frames.append(close_frame(code, f"{error.code} {type(error).__name__}"))
        self._flush()
        self._abort = self._loop.call_later(self._config.close_timeout_s, self._transport.abort)

    def gone(self) -> None:
        """Forget what is queued: nobody is there any more."""
        self.closing = True
        self._frames.clear()
        if self._abort is not None:
            self._abort.cancel()

    def check_progress(self) -> None:
        """Cut the client if it took neither what waited at the last check nor ``LEAST_BYTES``."""
        unread = self._transport.get_write_buffer_size()
        taken = self._written - unread
        if unread and self._due is not None and taken < self._due and not self.closing:
            self.close(SlowReader(timeout_s=self._config.write_timeout_s))
        self._due = taken + min(unread, LEAST_BYTES) if unread else None

    def _queue(self, frame: bytes) -> None:
        frames = self._frames
        if not frames:
            self._loop.call_soon(self._flush)
            self._unread = self._transport.get_write_buffer_size()
        frames.append(frame)
        self._traffic.went(len(frame))
        self._queued += len(frame)
        if self._queued + self._unread > self._config.outbox_bytes:
            self.close(SlowReader(limit=self._config.outbox_bytes))

    def _flush(self) -> None:
        if self._frames:
            data = b"".join(self._frames)
            self._frames.clear()
            self._queued = 0
            if not self._transport.is_closing():
                self._transport.write(data)
                self._written += len(data)
