"""The way back: one write a turn, bounded, and cut when nobody reads."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from node.adapters.http.config import HttpConfig, check_http_config
from node.adapters.http.connection import LEAST_BYTES
from node.adapters.http.framing import close_frame, pong_frame, text_frame
from node.adapters.http.rest import status_of
from node.adapters.http.wire import WebSocketWire
from node.capacity.traffic import Traffic
from node.types.errors import (
    ConfigInvalid,
    IntegrityError,
    NotFound,
    Overloaded,
    OversizedMessage,
    PlimsollError,
    RateLimited,
    ShuttingDown,
    SlowReader,
    UnknownMarket,
)


class Socket:
    """A transport whose peer reads when it is told to."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.unread = 0
        self.aborted = False
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.aborted = True


def wire_to(socket: Socket, **config: Any) -> WebSocketWire:
    return WebSocketWire(cast("asyncio.Transport", socket), HttpConfig(**config), Traffic())


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_has_the_head_that_its_length_asks_for(length: int, head: bytes) -> None:
    assert text_frame(b"x" * length) == head + b"x" * length


def test_a_close_frame_bears_code_and_reason() -> None:
    assert close_frame(1013, "2005 SlowReader") == b"\x88\x11\x03\xf52005 SlowReader"
    assert len(close_frame(1000, "x" * 500)) == 2 + 125


async def test_what_is_queued_in_one_turn_leaves_in_one_write() -> None:
    socket = Socket()
    wire = wire_to(socket)
    wire.send(b"1")
    wire.push(text_frame(b"2"))
    wire.send(b"3")
    assert socket.writes == []
    await asyncio.sleep(0)
    assert socket.writes == [text_frame(b"1") + text_frame(b"2") + text_frame(b"3")]
    wire.send(b"4")
    await asyncio.sleep(0)
    assert len(socket.writes) == 2


async def test_a_reader_past_its_outbox_is_told_and_cut() -> None:
    socket = Socket()
    wire = wire_to(socket, outbox_bytes=65_536, close_timeout_s=0.05)
    socket.unread = 60_000
    wire.push(text_frame(b"x" * 5_000))
    with pytest.raises(SlowReader):
        wire.push(text_frame(b"x" * 5_000))
    with pytest.raises(SlowReader):
        wire.push(text_frame(b"late"))
    wire.send(b"late")
    await asyncio.sleep(0.1)
    assert b"".join(socket.writes).endswith(close_frame(1013, "2005 SlowReader"))
    assert b"late" not in b"".join(socket.writes)
    assert socket.aborted


@pytest.mark.parametrize(("waits", "least"), [(1_000, 1_000), (4 * LEAST_BYTES, LEAST_BYTES)])
async def test_a_reader_takes_all_that_waits_or_the_least_that_one_takes(
    waits: int, least: int
) -> None:
    socket = Socket()
    wire = wire_to(socket)
    wire.push(bytes(waits))
    await asyncio.sleep(0)
    wire.check_progress()
    socket.unread -= least
    wire.push(bytes(waits))
    await asyncio.sleep(0)
    wire.check_progress()
    assert not wire.closing
    socket.unread -= least - 1
    wire.check_progress()
    assert wire.closing
    wire.gone()


async def test_who_pings_and_reads_nothing_is_cut() -> None:
    socket = Socket()
    wire = wire_to(socket)
    wire.send(b"x" * 1_000)
    for _ in range(2):
        wire.pong(b"?")
        await asyncio.sleep(0)
        assert socket.writes[-1].endswith(pong_frame(b"?"))
        assert not wire.closing
        wire.check_progress()
    assert wire.closing
    wire.gone()


async def test_pongs_fill_the_outbox_like_anything_else() -> None:
    socket = Socket()
    wire = wire_to(socket, outbox_bytes=65_536)
    for _ in range(1 + 65_536 // 127):
        wire.pong(bytes(125))
        await asyncio.sleep(0)
    assert wire.closing
    wire.gone()


async def test_a_reader_with_nothing_to_read_is_not_cut() -> None:
    socket = Socket()
    wire = wire_to(socket)
    for _ in range(3):
        wire.check_progress()
    assert not wire.closing


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ShuttingDown(), 1001),
        (RateLimited(limit=1), 1008),
        (SlowReader(limit=1), 1013),
        (IntegrityError(), 1011),
    ],
)
async def test_a_goodbye_says_why(error: PlimsollError, code: int) -> None:
    socket = Socket()
    wire = wire_to(socket)
    wire.close(error)
    wire.close(error)
    (data,) = socket.writes
    goodbye = close_frame(code, f"{error.code} {type(error).__name__}")
    assert data.endswith(goodbye)
    body = msgspec.json.decode(data.removesuffix(goodbye)[2:])
    assert (body["id"], body["error"]["code"]) == (None, error.code)
    wire.gone()


async def test_who_has_gone_is_written_nothing() -> None:
    socket = Socket()
    wire = wire_to(socket)
    wire.send(b"1")
    wire.gone()
    await asyncio.sleep(0)
    wire.send(b"2")
    await asyncio.sleep(0)
    assert socket.writes == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownMarket, 400),
        (OversizedMessage, 413),
        (NotFound, 404),
        (RateLimited, 429),
        (Overloaded, 503),
        (IntegrityError, 500),
    ],
)
def test_an_error_has_its_http_status(error: type[PlimsollError], status: int) -> None:
    assert status_of(error.code) == status


def test_the_config_tells_all_its_faults() -> None:
    check_http_config(HttpConfig())
    with pytest.raises(ConfigInvalid) as refused:
        check_http_config(HttpConfig(host="", port=70_000, write_timeout_s=float("nan")))
    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "port",
        "write_timeout_s",
        "host",
    ]
