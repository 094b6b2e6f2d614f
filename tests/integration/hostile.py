"""Messages that no honest client sends, drawn from a seed.

Each starts from a message of the protocol and is broken in one or two ways: in its bytes, or in one
of its values. What it starts from must never apply as it is (its nonce is used, its signer is a
stranger), because some ways of breaking a text leave its meaning as it was.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**53, 2**63, 2**64 - 1, 2**64, -(2**63), 1.5, -0.0, 1e308, "",
    "0", "-1", "+1", "1e9", "0x10", "1_000", " 1", "1 ", ".5", "5.", "00.10", "-0", "NaN",
    "Infinity", "\u0661\u0662", "\uff11", "9" * 41, "9" * 4_000, "0." + "0" * 60 + "1",
    "\u0000", "\ud7ff\ue000", "\U0001f6a2", "a" * 70_000, "0x", "0x" + "g" * 40, "0x" + "0" * 40,
    "0x" + "f" * 40, "0x" + "0" * 130, "0x" + "f" * 130, [], {}, [[]], [None], {"": None},
    [0] * 5_000, {"id": 1}, "place_orders", "cancel_all", "BTC-PERP", "btc-perp", "gtc",
)  # fmt: skip
"""What a value may become. None of it is long enough to be refused by its length alone, but one."""

RAW_VALUES = (
    b"1" * 5_000, b"-1" + b"0" * 400, b"1e400", b"-1e-400", b"NaN", b"Infinity", b"-", b"01", b"1.",
    b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"',
    b'"\\udc00x"', b'"\\u12"', b'"\\x41"', b'"\n"', b'"', b"'a'", b"tru", b"nul", b"//x", b"/**/1",
    b"[1,]",
    b'{"a":1,}', b"{'a':1}", b"[" * 60_000, b'{"a":' * 12_000, b"[" * 900 + b"]" * 900,
    b"\xef\xbb\xbf1", b"\x00",
)  # fmt: skip
"""Tokens that are no JSON, or more of it than a reader should follow."""

PATHS = (
    "/action", "/oracle_round", "/markets", "/rules", "/book/BTC-PERP", "/book/x", "/book/%00",
    "/book/%ff%fe", "/book/..%2f..%2fetc", "/account/0x", "/account/0x" + "0" * 40,
    "/account/0x" + "z" * 40, "/orders/0x" + "1" * 40, "/receipts/0", "/receipts/1",
    "/receipts/-1", "/receipts/99999999999999999999", "/receipts/1e3", "/blocks/1", "/blocks/x",
    "/finality/1", "/finality/" + "9" * 30, "/withdrawals/1", "/withdrawals/0x1", "/health",
    "/stats", "/load", "/telemetry", "/fee", "/nothing", "//", "/../rules", "/ws",
    "/" + "a" * 7_000,
)  # fmt: skip
QUERIES = (
    "", "", "?deadline_ms=1", "?deadline_ms=0", "?deadline_ms=x", "?deadline_ms=" + "9" * 50,
    "?depth=1", "?depth=-1", "?depth=" + "9" * 30, "?depth=%00", "?" + "a=1&" * 500,
)  # fmt: skip
METHODS = (
    "POST",
    "POST",
    "POST",
    "POST",
    "GET",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
)
HEADERS = (
    b"", b"", b"", b"Content-Type: text/plain\r\n", b"X: " + b"y" * 7_000 + b"\r\n",
    b"Expect: 100-continue\r\n", b"Origin: https://evil.example\r\n",
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Upgrade: websocket\r\n",
    b"Cookie: " + b"a=b; " * 200 + b"\r\n", b"Range: bytes=0-\r\n",
)  # fmt: skip


class Hostile:
    """Draws broken messages. ``seeds`` are JSON values of the protocol, none of which applies."""

    def __init__(self, seed: int, seeds: Sequence[Any]) -> None:
        assert seeds
        self.random = Random(seed)
        self._seeds = [msgspec.json.encode(one) for one in seeds]
        self._of_bytes: tuple[Callable[[bytes], bytes], ...] = (
            self._flipped, self._cut, self._doubled, self._stuffed, self._swapped_token,
            self._with_a_key_twice, self._as_it_was,
        )  # fmt: skip

    def body(self) -> bytes:
        """Return a message with one or two things wrong."""
        seed = self.random.choice(self._seeds)
        if self.random.random() < 0.5:
            seed = self._with_another_value(seed)
        if self.random.random() < 0.6:
            seed = self.random.choice(self._of_bytes)(seed)
        return seed

    def request(self) -> bytes:
        """Return an HTTP request that a server can read to its end, whatever it thinks of it."""
        choice = self.random.choice
        method = choice(METHODS)
        path = choice(PATHS[:2]) if method == "POST" and self._chance(0.9) else choice(PATHS)
        body = self.body() if method in {"POST", "PUT", "PATCH"} else b""
        head = f"{method} {path}{choice(QUERIES)} HTTP/1.1\r\nHost: localhost\r\n"
        headers = choice(HEADERS) if self._chance(0.1) else b""
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return head.encode("latin-1") + headers + length + body

    def broken_request(self) -> bytes:
        """Return what is no HTTP request, or one whose end nobody can tell."""
        random, body = self.random, self.body()[:200]
        post = b"POST /action HTTP/1.1\r\nHost: localhost\r\n"
        return random.choice(
            (
                random.randbytes(random.randint(1, 400)),
                body + b"\r\n\r\n",
                post + b"Content-Length: -1\r\n\r\n" + body,
                post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + body,
                post + b"Content-Length: %d\r\n\r\n" % 10**30 + body,
                post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + body,
                post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + body,
                post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
                post + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 400,
                b"GET /rules?\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"GET /% HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"BREW /rules HTTP/1.1\r\nHost: localhost\r\n\r\n",
                post + b"No colon here\r\n\r\n",
                post + b"\x00: x\r\n\r\n",
                b"GET /rules HTTP/9.9\r\n\r\n",
                b"GET  /rules\r\n\r\n",
                b"GET /rules HTTP/1.1\r\n\r\n",
                b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
                b"GET /rules HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 3_000 + b"\r\n",
                b"GET /rules HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(300),
            )
        )

    # --- one thing wrong ---------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _place(self, data: bytes) -> int:
        return self.random.randrange(len(data) + 1)

    def _as_it_was(self, data: bytes) -> bytes:
        return data

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 8))):
            if changed:
                changed[self.random.randrange(len(changed))] = self.random.randrange(256)
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        start, end = sorted((self._place(data), self._place(data)))
        return data[:start] if self._chance(0.5) else data[:start] + data[end:]

    def _doubled(self, data: bytes) -> bytes:
        start, end = sorted((self._place(data), self._place(data)))
        return data[:end] + data[start:end] * self.random.choice((1, 1, 2, 20)) + data[end:]

    def _stuffed(self, data: bytes) -> bytes:
        place = self._place(data)
        return data[:place] + self.random.choice(RAW_VALUES) + data[place:]

    def _swapped_token(self, data: bytes) -> bytes:
        """Put something that is no JSON in the place of one value."""
        colons = [place for place, byte in enumerate(data) if byte == 0x3A]
        if not colons:
            return data
        start = self.random.choice(colons) + 1
        end = next((p for p in range(start, len(data)) if data[p] in b",}"), len(data))
        return data[:start] + self.random.choice(RAW_VALUES) + data[end:]

    def _with_a_key_twice(self, data: bytes) -> bytes:
        """Say one key again, with another value."""
        keys = data.split(b'"')[1::2]
        start = data.find(b"{")
        if start < 0 or not keys:
            return data
        value = msgspec.json.encode(self.random.choice(VALUES[:40]))
        return (
            data[: start + 1] + b'"%b":%b,' % (self.random.choice(keys), value) + data[start + 1 :]
        )

    def _with_another_value(self, data: bytes) -> bytes:
        """Walk into the message, and change, drop or add what is found there."""
        top = [msgspec.json.decode(data)]
        parent: Any = top
        key: Any = 0
        while isinstance(parent[key], dict | list) and parent[key] and self._chance(0.85):
            parent = parent[key]
            key = self.random.choice(
                list(parent) if isinstance(parent, dict) else range(len(parent))
            )
        way = self.random.random()
        if way < 0.7 or parent is top:
            parent[key] = self.random.choice(VALUES)
        elif way < 0.85:
            del parent[key]
        elif isinstance(parent, dict):
            parent[self.random.choice(("x", "", "id", "type", "\u0000"))] = 1
        else:
            parent.extend(parent * self.random.choice((1, 3, 120)))
        return msgspec.json.encode(top[0])
