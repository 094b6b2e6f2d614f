"""WebSocket frames from a server: whole messages, unmasked (RFC 6455, section 5.2).

A frame looks the same to every reader, so a message that goes to a thousand of them is framed once.
"""

from struct import Struct

_TEXT = 0x81
_CLOSE = 0x88
_PONG = 0x8A
_SHORT = Struct(">BB")
_MEDIUM = Struct(">BBH")
_LONG = Struct(">BBQ")
_CODE = Struct(">H")

_REASON_BYTES_MAX = 123
"""What a control frame leaves beside the code."""


def text_frame(body: bytes) -> bytes:
    """Return the frame of the text message ``body``, which is UTF-8."""
    length = len(body)
    if length < 126:
        return _SHORT.pack(_TEXT, length) + body
    if length < 65_536:
        return _MEDIUM.pack(_TEXT, 126, length) + body
    return _LONG.pack(_TEXT, 127, length) + body


def pong_frame(body: bytes) -> bytes:
    """Return the frame that answers a ping which bore ``body``: at most 125 bytes, as all have."""
    return _SHORT.pack(_PONG, len(body)) + body


def close_frame(code: int, reason: str) -> bytes:
    """Return the frame that closes a connection, with a status code and a short ASCII reason."""
    body = _CODE.pack(code) + reason.encode("ascii")[:_REASON_BYTES_MAX]
    return _SHORT.pack(_CLOSE, len(body)) + body
