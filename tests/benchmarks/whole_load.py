"""The load generator: a process of its own that writes ready-made frames and times the answers.

A ``Plan`` comes in on stdin, an ``Outcome`` goes out on stdout, both as MessagePack. Whatever can
be done beforehand is in the plan, and of an answer only its id and the word "error" are looked for:
the generator shares the machine with what it measures.
"""

import asyncio
import gc
import sys
from collections.abc import Sequence
from functools import partial
from time import perf_counter, process_time
from typing import Final, cast

import msgspec
import uvloop

WITHIN_S: Final = 60.0
TICK_S: Final = 0.001
"""How often an open loop looks for what is due; uvloop would take less for no pause at all."""

_UPGRADE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: cGxpbXNvbGwgYmVuY2htYQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_HEAD_END: Final = b"\r\n\r\n"
_ID_AT: Final = len(b'{"id":')


class Plan(msgspec.Struct, frozen=True):
    """``frames``, the ids of their requests being their places.

    With ``times_s``, each goes out at its time after the start, answered or not (open loop). With
    none, each connection keeps requests unanswered until all are sent (closed loop): ``window`` of
    them at first, half as many after a refusal, one more for each window that was answered.
    """

    port: int
    frames: list[bytes]
    connections: int = 4
    window: int = 64
    times_s: list[float] = []


class Outcome(msgspec.Struct, frozen=True):
    """``faulty`` answers tell of an error somewhere; ``cpu_s`` is the generator's own time.

    ``ack_s`` is the time from when a request was meant to be sent to its answer, in order of size.
    """

    answered: int
    faulty: int
    seconds: float
    cpu_s: float
    ack_s: list[float]


class Tally:
    """What was sent, or was meant to be, and when its answer came."""

    def __init__(self, requests: int) -> None:
        self.sent_at = [0.0] * requests
        self.answered_at = [0.0] * requests
        self.left = requests
        self.faulty = 0
        self.complete = asyncio.Event()

    def note(self, request: int, *, faulty: bool) -> None:
        """Count an answer."""
        assert not self.answered_at[request], "a request was answered twice"
        self.answered_at[request] = perf_counter()
        self.faulty += faulty
        self.left -= 1
        if not self.left:
            self.complete.set()


class Connection(asyncio.Protocol):
    """One WebSocket, which sends the requests of ``queue``, if any, as answers come in."""

    def __init__(
        self, tally: Tally, queue: Sequence[int], frames: Sequence[bytes], window: int
    ) -> None:
        self.greeted = asyncio.Event()
        self._tally = tally
        self._queue = queue
        self._frames = frames
        self._window = float(window)
        self._unanswered = 0
        self._next = 0
        # The last request of those that were under way when the window was halved.
        self._halved_at = -1
        self._unread = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_UPGRADE)

    def data_received(self, data: bytes) -> None:
        """Count the answers in ``data`` and go on."""
        data = self._unread + data
        begin = 0
        if not self._upgraded:
            head = data.find(_HEAD_END)
            if head < 0:
                self._unread = data
                return
            assert data.startswith(b"HTTP/1.1 101 "), data[:head]
            self._upgraded = True
            begin = head + len(_HEAD_END)
        answers = 0
        while (frame := _frame_at(data, begin)) is not None:
            start, begin = frame
            answers += self._take(data, start, begin)
        self._unread = data[begin:]
        self._unanswered -= answers
        if answers:
            self.fill_window()

    def fill_window(self) -> None:
        """Send what the window has room for, in one write."""
        room = int(self._window) - self._unanswered
        requests = self._queue[self._next : self._next + room] if room > 0 else ()
        if requests:
            self._next += len(requests)
            self._unanswered += len(requests)
            now, sent_at = perf_counter(), self._tally.sent_at
            for request in requests:
                sent_at[request] = now
            self.write(requests)

    def write(self, requests: Sequence[int]) -> None:
        """Send these requests in one write."""
        frames = self._frames
        self._transport.write(b"".join([frames[request] for request in requests]))

    def close(self) -> None:
        """Be gone."""
        self._transport.abort()

    def _take(self, data: bytes, start: int, end: int) -> bool:
        if not self.greeted.is_set():
            self.greeted.set()
            return False
        comma = data.index(b",", start)
        request = int(data[start + _ID_AT : comma])
        faulty = data.find(b'"error"', comma, end) >= 0
        self._tally.note(request, faulty=faulty)
        if not faulty:
            self._window += 1 / self._window
        elif request > self._halved_at:
            self._window = max(1.0, self._window / 2)
            self._halved_at = self._queue[self._next - 1] if self._next else request
        return True


def _frame_at(data: bytes, begin: int) -> tuple[int, int] | None:
    """Return where the text of the frame at ``begin`` starts and ends, once it is whole."""
    if len(data) < begin + 4:
        return None
    assert data[begin] == 0x81, "only whole text frames are expected"
    length, start = data[begin + 1], begin + 2
    if length == 126:
        start += 2
        length = int.from_bytes(data[begin + 2 : start])
    elif length == 127:
        start += 8
        length = int.from_bytes(data[begin + 2 : start])
    end = start + length
    return (start, end) if end <= len(data) else None


async def run(plan: Plan) -> Outcome:
    """Carry out ``plan``. Raises ``TimeoutError`` when an answer is missing after a minute."""
    tally = Tally(len(plan.frames))
    links = await _connect(plan, tally)
    started, cpu_started = perf_counter(), process_time()
    async with asyncio.timeout(WITHIN_S):
        if plan.times_s:
            await _keep_time(plan, tally, links, started)
        else:
            for link in links:
                link.fill_window()
        await tally.complete.wait()
    cpu_s = process_time() - cpu_started
    for link in links:
        link.close()
    return Outcome(
        answered=len(plan.frames) - tally.left,
        faulty=tally.faulty,
        seconds=max(tally.answered_at) - started,
        cpu_s=cpu_s,
        ack_s=sorted(
            answered - sent for sent, answered in zip(tally.sent_at, tally.answered_at, strict=True)
        ),
    )


async def _connect(plan: Plan, tally: Tally) -> list[Connection]:
    loop = asyncio.get_running_loop()
    places = range(len(plan.frames))
    links = []
    for number in range(plan.connections):
        queue = () if plan.times_s else places[number :: plan.connections]
        make = partial(Connection, tally, queue, plan.frames, plan.window)
        _, link = await loop.create_connection(make, "127.0.0.1", plan.port)
        await link.greeted.wait()
        links.append(link)
    return links


async def _keep_time(plan: Plan, tally: Tally, links: Sequence[Connection], started: float) -> None:
    """Send each request as soon as it is due; its time counts from when it was due."""
    times, count = plan.times_s, len(plan.frames)
    tally.sent_at = [started + time for time in times]
    sent = 0
    while sent < count:
        now = perf_counter() - started
        due = sent
        while due < count and times[due] <= now:
            due += 1
        for number, link in enumerate(links):
            requests = range(sent, due)[number :: len(links)]
            if requests:
                link.write(requests)
        sent = due
        await asyncio.sleep(TICK_S)


def main() -> None:
    """Carry out the plan on stdin."""
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(run(plan))
    sys.stdout.buffer.write(msgspec.msgpack.encode(outcome))


if __name__ == "__main__":
    main()
