"""The gate's worker processes: bounded, batched, replaced when they die.

Recovering a signature holds the interpreter's lock for 40 µs, so it happens in processes of their
own. Messages collect while the workers are busy and leave in batches: one write and one read for
up to 64 of them, so that the cost of crossing is shared by more the higher the load is.

    submit ─▶ pending ─▶ worker (at most two batches each, so that none waits for us) ─▶ answer
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

import node
from node.capacity.stage import Stage
from node.codec.json_actions import MESSAGE_BYTES_MAX
from node.ports.admission import Admission, Admitted, Refused
from node.ports.clock import Clock
from node.types.blocks import Domain
from node.types.errors import (
    Overloaded,
    OversizedMessage,
    PlimsollError,
    ShuttingDown,
    Unavailable,
)
from node.types.rules import Rules

BATCH_MAX: Final = 64
BATCHES_IN_FLIGHT: Final = 2
"""Of one worker: it finds the next batch waiting when it has answered the last."""

_RESTART_SECONDS: Final = 0.05
_RESTART_SECONDS_MAX: Final = 5.0
_SETTLED_NS: Final = 10_000_000_000
"""A worker that has lived so long starts again without delay."""

Answer = Callable[[Admitted | PlimsollError], None]

_answers: Final = msgspec.msgpack.Decoder(tuple[int, list[Admission]])


class _Message(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message, whom to answer, and when it came in."""

    raw: bytes
    answer: Answer
    arrived_ns: int


class _Worker:
    """A live worker process and the batches that it owes answers for."""

    __slots__ = ("owed", "process", "reader", "writer")

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.writer = process.stdin
        self.reader = process.stdout
        self.owed: deque[list[_Message]] = deque()

    def write(self, body: bytes) -> None:
        self.writer.write(len(body).to_bytes(4) + body)

    async def read(self) -> bytes:
        """Return the next frame. Raises ``IncompleteReadError`` once the process is gone."""
        length = int.from_bytes(await self.reader.readexactly(4))
        return await self.reader.readexactly(length)


class AdmissionPool:
    """Admits messages in ``workers`` processes; holds at most ``limit`` messages at a time.

    ``run`` must be running. The module ``worker_module`` is what the processes execute: it speaks
    the frames of ``node.ingress.admission_process``.
    """

    def __init__(
        self,
        domain: Domain,
        rules: Rules,
        clock: Clock,
        *,
        worker_module: str,
        workers: int,
        limit: int = 4_096,
    ) -> None:
        self._setup = msgspec.msgpack.encode((domain.chain_id, domain.rollup, rules.encode()))
        self._clock = clock
        self._module = worker_module
        self._limit = limit
        self._pending: deque[_Message] = deque()
        self._workers: list[_Worker] = []
        self._in_flight = 0
        self._scheduled = False
        self._closed = False
        self._ready = asyncio.Event()
        self._wanted = workers
        self.restarts = 0
        self.stage = Stage(
            "verification",
            capacity=limit,
            held=lambda: len(self._pending) + self._in_flight,
            waiting_items=lambda: len(self._pending),
            servers=workers,
        )

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Return the process ids of the live workers."""
        return tuple(worker.process.pid for worker in self._workers)

    async def run(self) -> None:
        """Keep the workers alive until cancelled; then every message still held is answered."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._wanted):
                    group.create_task(self._keep_worker())
        finally:
            self._closed = True
            self._fail(list(self._pending), ShuttingDown(), "shutting_down")
            self._pending.clear()

    async def ready(self) -> None:
        """Return as soon as every worker has been started."""
        await self._ready.wait()

    def submit(self, raw: bytes, answer: Answer) -> None:
        """Take on ``raw``; ``answer`` is called once, from the event loop, with what became of it.

        A lost worker answers ``Unavailable`` for what it held. Raises ``OversizedMessage``,
        ``Overloaded`` or ``ShuttingDown``; then ``answer`` is never called.
        """
        if len(raw) > MESSAGE_BYTES_MAX:
            self.stage.turn_away("oversized")
            raise OversizedMessage(limit=MESSAGE_BYTES_MAX, length=len(raw))
        if self._closed:
            self.stage.turn_away("shutting_down")
            raise ShuttingDown
        if len(self._pending) + self._in_flight >= self._limit:
            self.stage.turn_away("overloaded")
            raise Overloaded(queue=self.stage.name, limit=self._limit)
        self.stage.enter()
        self._pending.append(_Message(raw, answer, self._clock.now_ns()))
        if not self._scheduled:
            # Whatever else arrives in this turn of the loop joins the same batch.
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    async def admit(self, raw: bytes) -> Admitted:
        """Return the action in ``raw``. Raises what refused it, or what ``submit`` raises."""
        future: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self.submit(raw, partial(_settle, future))
        return await future

    def _dispatch(self) -> None:
        """Hand pending messages to the workers that have room, the least burdened first."""
        self._scheduled = False
        while self._pending:
            free = [worker for worker in self._workers if len(worker.owed) < BATCHES_IN_FLIGHT]
            if not free:
                return
            share = -(-len(self._pending) // len(free))
            worker = min(free, key=lambda candidate: len(candidate.owed))
            self._send(worker, min(share, BATCH_MAX))

    def _send(self, worker: _Worker, count: int) -> None:
        batch = [self._pending.popleft() for _ in range(count)]
        now = self._clock.now_ns()
        for message in batch:
            self.stage.waited(now - message.arrived_ns)
        self._in_flight += count
        worker.owed.append(batch)
        worker.write(msgspec.msgpack.encode([message.raw for message in batch]))

    async def _keep_worker(self) -> None:
        """Start a worker, serve it until it is gone, and start over: later and later if need be."""
        delay = 0.0
        while True:
            started = self._clock.now_ns()
            worker = await self._start()
            try:
                await self._collect(worker)
            finally:
                await self._bury(worker)
            self.restarts += 1
            settled = self._clock.now_ns() - started > _SETTLED_NS
            delay = 0.0 if settled else min(2 * delay + _RESTART_SECONDS, _RESTART_SECONDS_MAX)
            await asyncio.sleep(delay)

    async def _start(self) -> _Worker:
        worker = _Worker(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=_environment(),
                start_new_session=True,
            )
        )
        worker.write(self._setup)
        self._workers.append(worker)
        if len(self._workers) == self._wanted:
            self._ready.set()
        self._dispatch()
        return worker

    async def _collect(self, worker: _Worker) -> None:
        """Pass on the answers of ``worker`` until it is gone."""
        while True:
            try:
                busy_ns, answers = _answers.decode(await worker.read())
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            batch = worker.owed.popleft()
            self._in_flight -= len(batch)
            self.stage.busy(0, busy_ns, len(batch))
            for message, answer in zip(batch, answers, strict=True):
                self._pass_on(message, answer)
            self._dispatch()

    def _pass_on(self, message: _Message, answer: Admission) -> None:
        if isinstance(answer, Refused):
            self.stage.refuse("rejected")
            message.answer(answer.error())
        else:
            self.stage.leave()
            message.answer(answer)

    async def _bury(self, worker: _Worker) -> None:
        """Take ``worker`` off the list, answer for what it owed, and wait for its end."""
        self._workers.remove(worker)
        owed = [message for batch in worker.owed for message in batch]
        worker.owed.clear()
        self._in_flight -= len(owed)
        self._fail(owed, Unavailable(cause="verification worker lost"), "worker_lost")
        worker.writer.close()
        if worker.process.returncode is None:
            # It ends at the end of its input; a worker that hangs must not hold up the node.
            try:
                await asyncio.wait_for(worker.process.wait(), timeout=1)
            except TimeoutError:
                worker.process.kill()
                await worker.process.wait()

    def _fail(self, messages: list[_Message], error: Unavailable, cause: str) -> None:
        for message in messages:
            self.stage.refuse(cause)
            message.answer(error)


def _environment() -> dict[str, str]:
    """Return an environment in which a worker finds this very package, however we were started."""
    top = str(Path(node.__file__).resolve().parent.parent)
    paths = [top, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _settle(future: asyncio.Future[Admitted], answer: Admitted | PlimsollError) -> None:
    """Hand ``answer`` to whoever awaits ``future``, if anyone still does."""
    if future.done():
        return
    if isinstance(answer, Admitted):
        future.set_result(answer)
    else:
        future.set_exception(answer)
