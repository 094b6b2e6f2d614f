"""The gate's worker processes: bounded, batched, replaced when they die or no longer answer.

Recovering a signature holds the interpreter's lock for 40 µs, so it happens in processes of their
own. Messages collect while the workers are busy and leave in batches: one write and one read for
up to 64 of them, so that the cost of crossing is shared by more the higher the load is.

    submit ─▶ reducing, ordinary ─▶ worker (at most two batches each, so that none waits) ─▶ answer

Who may wait is decided as in the lanes (``node.sequencer.lanes``), but for addresses instead of
accounts, because nobody knows yet who signed: addresses take turns, and within one its connections;
a queue that stands late refuses what does not reduce risk, and what does takes room from what does
not. Where both wait, a quarter of each batch stays with the ordinary: a claim is only a claim, and
must not stop everyone else.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

import msgspec
import structlog

from node.adapters.admission_desk import LOOK_EVERY_S, Answer, Desk, Message
from node.capacity.delay_watch import DelayLimits
from node.capacity.nested_queue import NestedQueue
from node.capacity.stage import Stage
from node.codec.json_actions import MESSAGE_BYTES_MAX
from node.ports.admission import ORDINARY, Admission, Admitted, Origin, Passage, Refused
from node.ports.clock import Clock
from node.ports.worker import StartWorker
from node.types.blocks import Domain
from node.types.errors import (
    ActionExpired,
    DeadlineExceeded,
    Overloaded,
    OversizedMessage,
    PlimsollError,
    Shed,
    ShuttingDown,
    Unavailable,
)
from node.types.rules import Rules
from node.types.units import NS_PER_MS

BATCH_MAX: Final = 64
BATCHES_IN_FLIGHT: Final = 2
"""Of one worker: it finds the next batch waiting when it has answered the last."""

TURN_WORK: Final = 8
"""What one address, or one of its connections, has admitted in one turn; see ``_work_of``."""

ORDINARY_PART: Final = 4
"""One part in so many of a batch is not for what claims to reduce risk, if anything else waits."""

EXPIRED: Final = "deadline_expired"

DEFAULT_DELAY: Final = DelayLimits()

_BYTES_PER_WORK: Final = 2_048
_RESTART_SECONDS: Final = 0.05
_RESTART_SECONDS_MAX: Final = 5.0
_SETTLED_NS: Final = 10_000_000_000
"""A worker that has lived so long starts again without delay."""

_log = structlog.get_logger(__name__)

_answers: Final = msgspec.msgpack.Decoder(tuple[int, list[Admission]])


class AdmissionPool:
    """Admits messages by ``workers`` workers; holds at most ``limit`` messages at a time.

    ``run`` must be running. What ``start`` starts speaks the frames of
    ``node.ingress.admission_process``.
    """

    def __init__(
        self,
        domain: Domain,
        rules: Rules,
        clock: Clock,
        *,
        start: StartWorker,
        workers: int,
        limit: int = 4_096,
        delay: DelayLimits = DEFAULT_DELAY,
    ) -> None:
        """Start nothing yet."""
        self._setup = msgspec.msgpack.encode((domain.chain_id, domain.rollup, rules.encode()))
        self._clock = clock
        self._start = start
        self._limit = limit
        self._delay = delay
        self._reducing: NestedQueue[Message] = NestedQueue(TURN_WORK, delay)
        self._ordinary: NestedQueue[Message] = NestedQueue(TURN_WORK, delay)
        self._pressed = False
        self._desks: list[Desk] = []
        self._in_flight = 0
        self._scheduled = False
        self._closed = False
        self._ready = asyncio.Event()
        self._wanted = workers
        self.restarts = 0
        self.shed: dict[str, int] = {}
        """Messages refused or put out because others wait too long, by cause."""
        self.expired = 0
        """Messages that nobody waited for any more, or that had expired, when they were read."""
        self.stage = Stage(
            "verification",
            capacity=limit,
            held=lambda: self._waiting + self._in_flight,
            waiting_items=lambda: self._waiting,
            servers=workers,
        )

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Return the process ids of the live workers, of those that have one."""
        pids = (desk.worker.pid for desk in self._desks)
        return tuple(pid for pid in pids if pid is not None)

    @property
    def silent(self) -> bool:
        """Return whether a worker has not answered for some seconds."""
        return any(desk.silent for desk in self._desks)

    async def run(self) -> None:
        """Keep the workers alive until cancelled; then every message still held is answered."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._wanted):
                    group.create_task(self._keep_worker())
                group.create_task(self._replace_hung())
        finally:
            self._closed = True
            now_ns = self._clock.now_ns()
            for queue in (self._reducing, self._ordinary):
                while entries := queue.take(self._limit, now_ns):
                    held = (message for _, _, message in entries)
                    self._fail(held, ShuttingDown(), "shutting_down")

    async def ready(self) -> None:
        """Return as soon as every worker has been started."""
        await self._ready.wait()

    def submit(self, raw: bytes, answer: Answer, passage: Passage = ORDINARY) -> None:
        """Take on ``raw``; ``answer`` is called once, from the event loop, with what became of it.

        A lost worker answers ``Unavailable`` for what it held. Raises ``OversizedMessage``,
        ``Overloaded``, ``Shed`` or ``ShuttingDown``; then ``answer`` is never called.
        """
        if len(raw) > MESSAGE_BYTES_MAX:
            self.stage.turn_away("oversized")
            raise OversizedMessage(limit=MESSAGE_BYTES_MAX, length=len(raw))
        if self._closed:
            self.stage.turn_away("shutting_down")
            raise ShuttingDown
        now_ns = self._clock.now_ns()
        if passage.reduces:
            self._make_room_to_reduce(passage.origin)
        else:
            self._require_in_time(passage.origin, now_ns)
            self._make_room(passage.origin, self._ordinary)
        message = Message(raw, answer, now_ns, passage.deadline_ns)
        queue = self._reducing if passage.reduces else self._ordinary
        queue.add(*passage.origin, message, _work_of(raw), now_ns)
        self.stage.enter()
        if not self._scheduled:
            # Whatever else arrives in this turn of the loop joins the same batch.
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    async def admit(self, raw: bytes) -> Admitted:
        """Return the action in ``raw``. Raises what refused it, or what ``submit`` raises."""
        future: asyncio.Future[Admitted] = asyncio.get_running_loop().create_future()
        self.submit(raw, partial(_settle, future))
        return await future

    @property
    def _waiting(self) -> int:
        return len(self._reducing) + len(self._ordinary)

    def _require_in_time(self, origin: Origin, now_ns: int) -> None:
        """Raise ``Shed`` when what does not reduce risk must wait for the rest."""
        reducing, ordinary = self._reducing, self._ordinary
        if self._pressed:
            self._refuse_late("reducing_first", reducing.delay_ns(now_ns))
        for queue in (reducing, ordinary):
            if queue.is_late(now_ns):
                self._refuse_late("delay", queue.delay_ns(now_ns))
            within = queue.within(origin.address)
            if within is not None and within.is_late(now_ns):
                self._refuse_late("address_delay", within.delay_ns(now_ns))
        within = ordinary.within(origin.address)
        if within is not None and within.is_key_late(origin.connection, now_ns):
            delay_ns = within.delay_of_ns(origin.connection, now_ns)
            self._refuse_late("connection_delay", delay_ns)

    def _refuse_late(self, cause: str, delay_ns: int) -> None:
        self.stage.turn_away(cause)
        self._count(cause)
        raise Shed(
            queue=self.stage.name,
            delay_ms=delay_ns // NS_PER_MS,
            retry_after_ms=self._delay.retry_after_ms(delay_ns),
        )

    def _make_room_to_reduce(self, origin: Origin) -> None:
        if 2 * len(self._reducing) >= self._limit:
            self._pressed = True
        if self._is_full and len(self._ordinary):
            self._put_out(self._ordinary.evict_longest())
        else:
            self._make_room(origin, self._reducing)

    def _make_room(self, origin: Origin, queue: NestedQueue[Message]) -> None:
        """Put out a message of the address that has the most in ``queue``, if the gate is full.

        Where that is the address of ``origin``, of its connection that has the most; raises
        ``Overloaded`` when that is ``origin`` itself.
        """
        if not self._is_full:
            return
        if not queue.is_full_for(origin.address):
            self._put_out(queue.evict_longest())
            return
        within = queue.within(origin.address)
        if within is None or within.length(origin.connection) + 1 >= within.longest:
            self.stage.turn_away("overloaded")
            raise Overloaded(queue=self.stage.name, limit=self._limit)
        self._put_out(queue.evict(origin.address))

    @property
    def _is_full(self) -> bool:
        return self._waiting + self._in_flight >= self._limit

    def _put_out(self, victim: Message | None) -> None:
        assert victim is not None
        self._count("evicted")
        error = Shed(queue=self.stage.name, delay_ms=0, retry_after_ms=self._delay.interval_ms)
        self._fail((victim,), error, "evicted")

    def _count(self, cause: str) -> None:
        self.shed[cause] = self.shed.get(cause, 0) + 1

    def _dispatch(self) -> None:
        """Hand waiting messages to the workers that have room, the least burdened first."""
        self._scheduled = False
        while waiting := self._waiting:
            free = [desk for desk in self._desks if len(desk.owed) < BATCHES_IN_FLIGHT]
            if not free:
                return
            share = -(-waiting // len(free))
            desk = min(free, key=lambda candidate: len(candidate.owed))
            self._send(desk, min(share, BATCH_MAX))

    def _send(self, desk: Desk, work: int) -> None:
        now_ns = self._clock.now_ns()
        batch = self._next_batch(work, now_ns)
        if not batch:  # Nobody waits for any of them any more.
            return
        self._in_flight += len(batch)
        desk.owed.append(batch)
        raws = [message.raw for message in batch]
        desk.worker.write(msgspec.msgpack.encode((self._clock.now_ms(), raws)))

    def _next_batch(self, work: int, now_ns: int) -> list[Message]:
        """Take messages for ``work`` in all, most of it for what reduces risk."""
        kept = work // ORDINARY_PART if len(self._ordinary) else 0
        entries = self._reducing.take(work - kept, now_ns)
        left = work - sum(cost for _, cost, _ in entries)
        # What is kept is kept even if the last of the others was longer than what was theirs.
        entries += self._ordinary.take(max(kept, left), now_ns)
        if self._pressed and 4 * len(self._reducing) <= self._limit:
            self._pressed = False
        batch = []
        for arrived_ns, _, message in entries:
            self.stage.waited(now_ns - arrived_ns)
            if message.deadline_ns > now_ns:
                batch.append(message)
            else:
                waited_ms = (now_ns - arrived_ns) // NS_PER_MS
                self.expired += 1
                self._fail((message,), DeadlineExceeded(waited_ms=waited_ms), EXPIRED)
        return batch

    async def _keep_worker(self) -> None:
        """Start a worker, serve it until it is gone, and start over: later and later if need be."""
        delay = 0.0
        while True:
            started = self._clock.now_ns()
            await self._serve_worker()
            self.restarts += 1
            settled = self._clock.now_ns() - started > _SETTLED_NS
            delay = 0.0 if settled else min(2 * delay + _RESTART_SECONDS, _RESTART_SECONDS_MAX)
            await asyncio.sleep(delay)

    async def _replace_hung(self) -> None:
        """End workers that no longer answer: to those who keep them that is like any other end."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for desk in tuple(self._desks):
                desk.look()
                if desk.hung:
                    _log.warning("signature_worker_hangs", pid=desk.worker.pid)
                    await desk.worker.close()

    async def _serve_worker(self) -> None:
        try:
            desk = await self._open_desk()
        except OSError as error:
            # Memory or processes are short: what waits is better off waiting than with no node.
            _log.warning("signature_worker_not_started", detail=str(error))
            return
        try:
            await self._collect(desk)
        finally:
            await self._bury(desk)

    async def _open_desk(self) -> Desk:
        desk = Desk(await self._start())
        desk.worker.write(self._setup)
        self._desks.append(desk)
        if len(self._desks) == self._wanted:
            self._ready.set()
        self._dispatch()
        return desk

    async def _collect(self, desk: Desk) -> None:
        """Pass on the worker's answers until it is gone."""
        while True:
            try:
                busy_ns, answers = _answers.decode(await desk.worker.read())
            except ConnectionError:
                return
            batch = desk.answered()
            self._in_flight -= len(batch)
            self.stage.busy(0, busy_ns, len(batch))
            for message, answer in zip(batch, answers, strict=True):
                self._pass_on(message, answer)
            self._dispatch()

    def _pass_on(self, message: Message, answer: Admission) -> None:
        if isinstance(answer, Refused):
            expired = answer.code == ActionExpired.code
            self.expired += expired
            self.stage.refuse(EXPIRED if expired else "rejected")
            message.answer(answer.error())
        else:
            self.stage.leave()
            message.answer(answer)

    async def _bury(self, desk: Desk) -> None:
        """Take a worker off the list, answer for what it owed, and wait for its end."""
        self._desks.remove(desk)
        owed = [message for batch in desk.owed for message in batch]
        desk.owed.clear()
        self._in_flight -= len(owed)
        self._fail(owed, Unavailable(cause="verification worker lost"), "worker_lost")
        await desk.worker.close()

    def _fail(self, messages: Iterable[Message], error: Unavailable, cause: str) -> None:
        for message in messages:
            self.stage.refuse(cause)
            message.answer(error)


def _work_of(raw: bytes) -> int:
    """Return what reading ``raw`` costs: a single order 1, a bulk of a hundred 7."""
    return 1 + len(raw) // _BYTES_PER_WORK


def _settle(future: asyncio.Future[Admitted], answer: Admitted | PlimsollError) -> None:
    """Hand ``answer`` to whoever awaits ``future``, if anyone still does."""
    if future.done():
        return
    if isinstance(answer, Admitted):
        future.set_result(answer)
    else:
        future.set_exception(answer)
