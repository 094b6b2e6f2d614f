"""A WebSocket client that costs next to nothing: it shares the machine with what it measures.

Frames go out as they were made beforehand, and of an answer only its id is read, and what refused
it. Only what the node of this project sends is understood: whole text frames without a mask.
"""

import asyncio
import base64
import secrets
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, cast

import msgspec

from node.types.errors import Unavailable

_TEXT: Final = 0x81
_MASKED: Final = 0x80
_MEDIUM: Final = Struct(">BBHI")
_LONG: Final = Struct(">BBQI")
_NO_MASK: Final = 0
"""A client has to mask what it sends; with this key the bytes stay what they are."""

_HEAD_END: Final = b"\r\n\r\n"
_ID: Final = b'{"id":'

AnswerTaker = Callable[[int, bytes], None]
"""What is called with the id of an answer and the text that follows the id's comma."""


class LinkBroken(Unavailable):
    """The node closed the generator's connection, or sent what the generator does not read."""

    code = 2122


def text_frame(body: dict[str, Any]) -> bytes:
    """Return the frame in which a client sends ``body``."""
    text = msgspec.json.encode(body)
    # What is shorter than 126 bytes would need another form; white space is free in JSON.
    text = text.ljust(126)
    if len(text) < 65_536:
        return _MEDIUM.pack(_TEXT, _MASKED | 126, len(text), _NO_MASK) + text
    return _LONG.pack(_TEXT, _MASKED | 127, len(text), _NO_MASK) + text


class SocketLink(asyncio.Protocol):
    """One connection. ``greeted`` is done when the node has said hello, or fails."""

    def __init__(self, take: AnswerTaker) -> None:
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False
        self._take = take
        self._unread = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(secrets.token_bytes(16))
        self._transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that no more answers come."""
        self.lost = True
        if not self.greeted.done():
            self.greeted.set_exception(LinkBroken(detail=str(exc)))

    def data_received(self, data: bytes) -> None:
        """Hand on the answers in ``data``."""
        data = self._unread + data
        begin = 0
        if not self._upgraded:
            head = data.find(_HEAD_END)
            if head < 0:
                self._unread = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                self._transport.abort()
                return
            self._upgraded = True
            begin = head + len(_HEAD_END)
        while (frame := frame_at(data, begin)) is not None:
            start, begin = frame
            if data.startswith(_ID, start):
                comma = data.index(b",", start)
                self._take(int(data[start + len(_ID) : comma]), data[comma + 1 : begin])
            elif not self.greeted.done():
                self.greeted.set_result(None)
        self._unread = data[begin:]

    def write(self, frames: bytes) -> None:
        """Send whole frames."""
        self._transport.write(frames)

    def close(self) -> None:
        """Be gone."""
        self._transport.abort()


def frame_at(data: bytes, begin: int) -> tuple[int, int] | None:
    """Return where the text of the frame at ``begin`` starts and ends, once it is whole.

    A ping or a close has a text as well, which is no answer.
    """
    if len(data) < begin + 2:
        return None
    length, start = data[begin + 1], begin + 2
    if length >= 126:
        start += 2 if length == 126 else 8
        if len(data) < start:
            return None
        length = int.from_bytes(data[begin + 2 : start])
    end = start + length
    return (start, end) if end <= len(data) else None
