"""A node among clients that send whatever they like: it serves the others, and nothing changes.

``PLIMSOLL_HOSTILE`` and ``PLIMSOLL_SEED`` size and place the thorough runs; ``pytest -s`` shows
what each siege was like. A failure names the seed; the same seed sends the same messages. What
counts as sent is what the node has read: a connection that it hangs up on counts no further.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

from node.adapters.http.config import HttpConfig
from node.types.commands import Side
from tests.examples import ALICE
from tests.integration.api_node import PRICE, ApiNode, running_node, talking_to
from tests.integration.api_sockets import gone
from tests.integration.hostile import Hostile
from tests.integration.hostile_frames import HANDSHAKE, broken_frames, frame, split_frames
from tests.integration.siege import (
    MARKER,
    MARKER_ID,
    PATIENCE_S,
    WIDE_OPEN,
    Assault,
    besiege,
    enveloped,
    hostile_seeds,
    send_and_wait,
)

MESSAGES = int(os.environ.get("PLIMSOLL_HOSTILE", "1000000"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "1"))
CONNECTION_MESSAGES = 250
REQUESTS_AT_ONCE = 50
BROKEN_SILENCE_S = 0.05
"""How long whoever promised a body and sent none waits before he goes."""
GROWTH_MIB_MAX = 64
STATUS_LINE = b"HTTP/1.1 "
MARKER_FRAME = frame(msgspec.json.encode({"id": MARKER_ID, "method": "ping"}))
FINAL_REQUEST = b"GET /fee HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def over_a_socket(node: ApiNode, hostile: Hostile) -> int:
    """Talk over one WebSocket until all is answered, or the node has had enough."""
    random, parts, before = hostile.random, [HANDSHAKE], node.traffic.incoming
    for _ in range(CONNECTION_MESSAGES):
        body = hostile.body()
        if random.random() < 0.999:
            # One bad byte ends the connection; most messages are to get past that.
            body = body.decode(errors="replace").encode()
        parts.append(split_frames(random, body) if random.random() < 0.05 else frame(body))
    broken = random.random() < 0.25
    if broken:
        parts.insert(random.randrange(1, len(parts)), broken_frames(random, hostile.body()))
    data = b"".join([*parts, MARKER_FRAME])
    # A frame that promises more than comes leaves the node waiting, and so do its rules.
    silence_s = BROKEN_SILENCE_S if broken else PATIENCE_S
    listener = await send_and_wait(node, data, MARKER, 1, silence_s)
    assert broken or listener.markers or listener.ended
    return node.traffic.incoming - before


async def over_http(node: ApiNode, hostile: Hostile) -> int:
    """Send requests one behind the other, and at times something that is none."""
    parts = [hostile.request() for _ in range(REQUESTS_AT_ONCE)]
    broken = hostile.random.random() < 0.1
    if broken:
        parts.insert(hostile.random.randrange(len(parts)), hostile.broken_request())
    data = b"".join([*parts, FINAL_REQUEST])
    silence_s = BROKEN_SILENCE_S if broken else PATIENCE_S
    listener = await send_and_wait(node, data, STATUS_LINE, len(parts) + 1, silence_s)
    assert broken or listener.ended or listener.markers > len(parts)
    return listener.markers


async def run_siege(assault: Assault, messages: int, seed: int, *, growth_mib: float) -> None:
    config = HttpConfig(outbox_bytes=16 << 20)
    async with running_node(config, ingress=WIDE_OPEN) as node:
        bodies = await hostile_seeds(node)
        seeds = enveloped(bodies) if assault is over_a_socket else bodies
        # What is built once, whoever asks, is no growth.
        warm = Hostile(seed + 1, seeds)
        for _ in range(4):
            await assault(node, warm)
        report = await besiege(node, assault, Hostile(seed, seeds), messages)
        print(msgspec.json.encode(report).decode())
        assert report.honest_asked == report.honest_served > 0, f"seed {seed}"
        assert report.rss_after - report.rss_before < growth_mib
        await gone(node, 0)
        async with talking_to(node) as talker:
            answer = await talker.call("action", node.order(ALICE, Side.BUY, PRICE - 700))
            assert answer["result"]["results"][0]["status"] == "resting"


@pytest.mark.parametrize("assault", [over_a_socket, over_http])
async def test_hostile_clients_change_nothing_and_hinder_nobody(assault: Assault) -> None:
    await run_siege(assault, 2_000, 7, growth_mib=GROWTH_MIB_MAX)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"POST /action HTTP/1.1\r\nHost: loc", b""),
        (b"POST /action HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{", b" 408 "),
    ],
)
async def test_who_sends_a_part_and_then_nothing_is_let_go(sent: bytes, answered: bytes) -> None:
    async with running_node(HttpConfig(keepalive_s=1.0, close_timeout_s=0.1)) as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        assert answered in answer
        writer.close()


async def test_a_body_that_is_not_packed_as_it_says_is_the_senders_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = b"POST /action HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
    async with running_node() as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
        writer.write(head + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"name":"MalformedMessage"' in answer
        writer.close()
    assert not caplog.records


async def test_sixty_thousand_brackets_from_a_client_do_not_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a process of its own, under the recursion limit that py_ecc sets in a real node."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    program = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from node.codec.json_actions import ActionReader\n"
        "from node.ingress.envelope import find_id, read_envelope\n"
        "from node.types.errors import MalformedMessage\n"
        "from tests.examples import RULES\n"
        "refused = 0\n"
        'starts = "", \'{"id":1,"params":\', \'{"zz":\', \'{"type":"cancel_all","orders":\'\n'
        "for start in starts:\n"
        "    text = start + '[' * 60_000\n"
        "    assert find_id(text) is None\n"
        "    for read in (read_envelope, lambda text: ActionReader(RULES).read(text.encode())):\n"
        "        try: read(text)\n"
        "        except MalformedMessage: refused += 1\n"
        "print(refused)\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate()
    assert (child.returncode, told) == (0, b"8\n")


async def test_what_is_no_http_is_answered_and_leaves_no_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_node() as node:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.server.port)
        writer.write(b"BREW /rules HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 400 " in (await reader.read())[:16]
        writer.close()
    assert not caplog.records


@pytest.mark.thorough
# A million messages, each read, refused and answered.
@pytest.mark.timeout(4 * 3_600)
@pytest.mark.parametrize("assault", [over_a_socket, over_http])
async def test_a_million_hostile_messages_change_nothing_and_hinder_nobody(
    assault: Assault,
) -> None:
    await run_siege(assault, MESSAGES, SEED, growth_mib=GROWTH_MIB_MAX)
