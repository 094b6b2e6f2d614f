"""WebSocket frames as no honest client makes them (RFC 6455, section 5), drawn from a seed."""

from random import Random

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN, MASKED = 0x80, 0x80
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(body: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True) -> bytes:
    """Return a frame; the mask is zeros, so that the body stays as it is."""
    first, mask = (FIN if fin else 0) | opcode, MASKED if masked else 0
    head = bytes((first,))
    if len(body) < 126:
        head += bytes((mask | len(body),))
    elif len(body) < 1 << 16:
        head += bytes((mask | 126,)) + len(body).to_bytes(2, "big")
    else:
        head += bytes((mask | 127,)) + len(body).to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + body


def broken_frames(random: Random, body: bytes) -> bytes:
    """Return frames of which at least one breaks the rules; the server may hang up on any."""
    small = body[:100]
    ways = (
        frame(body, masked=False),
        frame(small, random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))),
        bytes((FIN | 0x70 | TEXT, MASKED | 4)) + bytes(8),
        frame(small, PING, fin=False),
        frame(b"x" * 126, random.choice((PING, PONG, CLOSE))),
        frame(small, 0),
        frame(small, fin=False) + frame(small, TEXT),
        b"".join(frame(b"a", 0 if n else TEXT, fin=False) for n in range(300)),
        frame(small, fin=False) + frame(b"", PING) + frame(small, 0),
        frame(b"\xff\xfe\xfd"),
        frame(b"\xed\xa0\x80", fin=False) + frame(b"\x80", 0),
        frame(b"\x03", CLOSE),
        frame((999).to_bytes(2, "big"), CLOSE),
        frame((1000).to_bytes(2, "big") + b"\xff", CLOSE),
        frame(b"", CLOSE) + frame(small),
        bytes((FIN | TEXT, MASKED | 127)) + (2**63).to_bytes(8, "big") + bytes(4),
        bytes((FIN | TEXT, MASKED | 127)) + (2**31).to_bytes(8, "big") + bytes(4) + small,
        bytes((FIN | TEXT, MASKED | 126)) + (5).to_bytes(2, "big") + bytes(9),
        frame(b"z" * 300_000),
        frame(b"z" * 100_000),
        frame(body, BINARY),
        frame(body)[: random.randrange(1, len(body) + 6)],
        random.randbytes(random.randint(1, 300)),
        b"GET / HTTP/1.1\r\n\r\n",
    )
    return random.choice(ways)


def split_frames(random: Random, body: bytes) -> bytes:
    """Return one message in several frames, with a control frame in between: which is allowed."""
    places = sorted(random.randrange(len(body) + 1) for _ in range(random.randint(1, 4)))
    parts = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
    last = len(parts) - 1
    sent = [frame(part, 0 if n else TEXT, fin=n == last) for n, part in enumerate(parts)]
    return frame(b"", PING).join(sent)
