"""The one writer: submissions in, durable blocks and their outcomes out.

    offer ─▶ lanes ─▶ build (apply) ─▶ sign ─▶ [built] ─▶ journal ─▶ outcomes ─▶ outlets
             └── one task, ahead by few blocks ──┘     └────── another task ──────┘

While the journal writes, the loop is free and the lanes fill: what has gathered by then is the next
block, so blocks grow with the load and commits are shared without anyone deciding it. Once more has
gathered than a block may hold, or a liquidation waits, waiting gains nothing: the next block is
built while this one is still being written, so that disk and processor do not wait for each other.
Liquidations do not even wait for this task's turn of the loop (see ``hasten``).
``gather_ms`` lets a block wait for company: the time that an auction has.

Nobody hears of a command before its block is durable: not its sender, not the stations behind. The
outcome of a rejected one waits as well, because it may rest on a command of the same block.

Each outlet is bounded and loses nothing: when one is full the sequencer waits for it, lanes fill,
and senders are refused. A station that may fall behind for long (the batcher, while the chain is
away) must close the gate well before its outlet is full, so that reducing risk stays open; a full
outlet means that a station has stopped working, and then the exchange stops rather than forget.

Anything that fails here and is not a rejection ends the process. The state may then be ahead of the
journal by a few blocks: nothing of them was told to anyone, and a restart replays the journal.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from typing import Generic

import msgspec
import structlog

from node.capacity.stage import Stage
from node.codec.receipts import BlockSigning
from node.ports.clock import Clock
from node.ports.intake import NEVER_NS, Deliver, Late
from node.ports.journal import Journal
from node.ports.machine import State
from node.ports.mailbox import Outlet
from node.ports.signer import Signer
from node.sequencer.builder import Builder, Unsigned
from node.sequencer.insight import NO_INSIGHT, Insight
from node.sequencer.lanes import DEFAULT_FAIRNESS, STRANGERS, Fairness, Lanes
from node.sequencer.pace import Pace
from node.sequencer.submission import Submission
from node.types.commands import Action, Command, OpenBlock
from node.types.durable import DurableBlock, Executed, Outcome
from node.types.errors import IntegrityError, Overloaded, PlimsollError, ShuttingDown
from node.types.events import Rejected
from node.types.lanes import Lane, lane_of

ASKERS = 8
"""How many may wait for the outcome of one and the same action."""

UNWRITTEN_MAX = 2
UNWRITTEN_URGENT_MAX = 4
"""Blocks built and not yet durable: the one that is being written, and the next. While liquidations
wait there may be more: they do not wait for the disk."""

_log = structlog.get_logger(__name__)


class SequencerLimits(msgspec.Struct, frozen=True):
    """``lanes``: submissions that each lane holds. ``block_work``: orders in a block, roughly.

    ``block_ms``: how long a block may take to apply, by the time that work took lately.
    ``gather_ms``: how long a first submission waits for others; less than lanes may be late.
    """

    lanes: Mapping[Lane, int]
    block_work: int = 512
    block_ms: float = 3.0
    gather_ms: int = 0
    fairness: Fairness = DEFAULT_FAIRNESS


class _Built(msgspec.Struct, frozen=True, gc=False):
    """A block on its way to the disk; None where every submission was rejected."""

    submissions: list[Submission]
    results: tuple[int | Rejected, ...]
    durable: DurableBlock | None


class Sequencer(Generic[State]):
    """Orders commands into blocks and answers for them; one task runs ``run``."""

    def __init__(
        self,
        builder: Builder[State],
        journal: Journal,
        signer: Signer,
        signing: BlockSigning,
        clock: Clock,
        limits: SequencerLimits,
        outlets: Ordered[Outlet[DurableBlock]],
        insight: Insight = NO_INSIGHT,
    ) -> None:
        self._builder = builder
        self._journal = journal
        self._signer = signer
        self._signing = signing
        self._clock = clock
        self._limits = limits
        self._outlets = outlets
        self._insight = insight
        self._busy_ns = insight.busy_ns or clock.now_ns
        self._lanes = Lanes(limits.lanes, self._deliver, limits.fairness)
        self._pace = Pace(limits.block_ms, limits.block_work)
        self._in_flight: dict[bytes, Submission] = {}
        self._in_hand: list[Submission] = []
        self._built: deque[_Built] = deque()
        self._to_build = asyncio.Event()
        self._to_write = asyncio.Event()
        # The waiting work at which the next block is worth building; see ``_enough_waits``.
        self._enough = 1
        self._stopping = False
        self._fault: Exception | None = None
        self._all_built = False
        self._in_transition = 0
        self._in_journal = 0
        self.transition = Stage("transition", capacity=None, held=lambda: self._in_transition)
        self.journal = Stage("journal", capacity=None, held=lambda: self._in_journal)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the counters of the lanes, of the transition and of the journal."""
        return (*self._lanes.stages, self.transition, self.journal)

    def close_gate(self, cause: str) -> None:
        """Refuse what may add risk from now on; ``cause`` is one of few fixed words."""
        self._lanes.close_gate(cause)

    def open_gate(self) -> None:
        """Take new risk again."""
        self._lanes.open_gate()

    def late(self) -> Late | None:
        """Return the most urgent lane that is late, if one is."""
        return self._lanes.late(self._clock.now_ns())

    @property
    def shed(self) -> dict[str, int]:
        """Return what was refused or put out because others wait too long, by cause."""
        return self._lanes.shed

    @property
    def block_work(self) -> int:
        """Return the work that the next block may hold."""
        return self._pace.budget()

    @property
    def expired(self) -> int:
        """Return how many submissions were past their deadline when their turn came."""
        return self._lanes.expired

    @property
    def gate(self) -> str | None:
        """Return why the gate is closed, None while it is open."""
        return self._lanes.gate

    def offer(
        self,
        command: Command,
        command_id: bytes,
        deliver: Deliver,
        lane: Lane | None = None,
        deadline_ns: int = NEVER_NS,
    ) -> None:
        """Queue ``command``, by default in the lane that it belongs to; ``deliver`` is called once.

        An action that is in flight already is not queued again: whoever asks again gets the same
        outcome, and it is dropped when the last of their deadlines has passed. Raises
        ``Overloaded`` (the lane, its account, or too many who ask the same), ``Shed``,
        ``GateClosed`` or ``ShuttingDown``, and then never calls ``deliver``.
        """
        assert not isinstance(command, OpenBlock), "the sequencer alone opens blocks"
        if self._stopping:
            raise ShuttingDown
        submission = Submission(command, command_id, deliver, deadline_ns)
        same = self._in_flight.get(submission.key)
        if same is not None:
            if len(same.waiting) >= ASKERS:
                raise Overloaded(queue="same_action", limit=ASKERS)
            same.waiting.append(deliver)
            same.deadline_ns = max(same.deadline_ns, deadline_ns)
            return
        chosen = lane_of(command) if lane is None else lane
        if isinstance(command, Action) and not self._insight.may_act(command):
            chosen, submission.whose = Lane.TAKING, STRANGERS
        self._lanes.offer(submission, chosen, self._clock.now_ns())
        self._in_flight[submission.key] = submission
        if self._lanes.work >= self._enough or chosen is Lane.LIQUIDATION:
            self._to_build.set()

    def hasten(self) -> None:
        """Build a block at once if liquidations wait, in the caller's turn of the loop.

        Until the sequencer's own comes, everybody else has had theirs: milliseconds under load. It
        does nothing where blocks gather: nobody may end an auction's time by being liquidated.
        """
        if self._fault is None and not self._limits.gather_ms and self._liquidations_may_go():
            self._build_next()

    def submit(
        self, command: Command, command_id: bytes, lane: Lane | None = None
    ) -> "asyncio.Future[Outcome]":
        """Queue ``command`` and return its outcome's future; raises what ``offer`` raises."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome | PlimsollError) -> None:
            if future.done():  # The one who asked has gone.
                return
            if isinstance(outcome, PlimsollError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.offer(command, command_id, deliver, lane)
        return future

    def stop(self) -> None:
        """Take nothing more; ``run`` returns once all that waits has its outcome."""
        self._stopping = True
        self._to_build.set()

    async def run(self) -> None:
        """Make blocks until ``stop``.

        Raises ``IntegrityError`` when the transition or the journal fails. However it ends,
        whoever still waits is told: ``ShuttingDown`` if the command was not begun, or if this is
        cancelled after ``stop``, when no client listens; ``IntegrityError`` if what became of it
        cannot be known otherwise.
        """
        unknown: PlimsollError = IntegrityError(what="sequencer", detail="stopped while writing")
        try:
            await self._build_and_commit()
        except asyncio.CancelledError:
            if self._stopping and self._fault is None:
                unknown = ShuttingDown()
            raise
        finally:
            self._stopping = True
            self._abandon(unknown)

    async def _build_and_commit(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._commit_blocks())
                while await self._some_wait():
                    self._build_next()
                # After a fault as well: what was built before is sound, and on its way to the disk.
                self._all_built = True
                self._to_write.set()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        if self._fault is not None:
            raise self._fault

    def _build_next(self) -> None:
        """Build a block of what waits; a fault is noted, and is the end of taking anything on."""
        clock = self._clock
        submissions = self._lanes.take(
            self._pace.budget(), clock.now_ns(), clock.now_ms(), self._insight.reserve_work()
        )
        if submissions:  # Otherwise all of them were past their deadlines.
            self._in_hand = submissions
            try:
                self._built.append(self._build(submissions))
            # Whatever it is and whoever asked for the block: none may be built after it.
            except Exception as error:  # noqa: BLE001
                self._fault, self._stopping = error, True
                self._to_build.set()
                return
            self._in_hand = []
            self._to_write.set()

    async def _some_wait(self) -> bool:
        """Return True once enough submissions wait for a block, False at the end or a fault."""
        while self._fault is None:
            if not self._enough_waits():
                if self._stopping and not len(self._lanes):
                    return False
                self._to_build.clear()
                await self._to_build.wait()
                continue
            # At zero this still lets everyone speak who is ready to: what a durable block brings
            # about (a liquidation) is in the next block that is built, ahead or not.
            pause_s = 0 if self._built or self._stopping else self._limits.gather_ms / 1000
            if not pause_s and self._lanes.liquidations:
                return True
            await asyncio.sleep(pause_s)
            if self._enough_waits():  # Blocks may have been built in haste meanwhile.
                return self._fault is None
        return False

    def _enough_waits(self) -> bool:
        """Return whether the next block is to be built now.

        With nothing to be written, for whatever waits. During a write, for what fills a block: the
        rest is better off in company. With a block waiting behind the write, for liquidations.
        """
        if self._liquidations_may_go():
            return True
        if len(self._built) >= UNWRITTEN_MAX:
            self._enough = 1 << 62  # More than can wait: no other work is worth a look.
            return False
        self._enough = self._pace.budget() if self._built else 1
        return self._lanes.work >= self._enough

    def _liquidations_may_go(self) -> bool:
        return self._lanes.liquidations > 0 and len(self._built) < UNWRITTEN_URGENT_MAX

    async def _commit_blocks(self) -> None:
        """Make each block durable, and then tell of it."""
        while True:
            while not self._built:
                if self._all_built:
                    return
                self._to_write.clear()
                await self._to_write.wait()
            built = self._built[0]
            if built.durable is not None:
                await self._write(built.durable)
            self._built.popleft()
            self._to_build.set()
            self._answer(built)
            if built.durable is not None:
                await self._publish(built.durable)

    def _build(self, submissions: list[Submission]) -> _Built:
        stage, count = self.transition, len(submissions)
        stage.enter(count)
        self._in_transition = count
        start_ns, worked_ns = self._clock.now_ns(), self._busy_ns()
        draft = self._builder.build(submissions, self._clock.now_ms())
        worked_ns = self._busy_ns() - worked_ns
        stage.busy(start_ns, self._clock.now_ns(), count)
        self._pace.note(worked_ns, sum(submission.work for submission in submissions))
        self._in_transition = 0
        accepted = sum(not isinstance(result, Rejected) for result in draft.results)
        stage.leave(accepted)
        if accepted < count:
            stage.refuse("rejected", count - accepted)
        if draft.unsigned is None:
            return _Built(submissions, draft.results, None)
        durable = self._sign(draft.unsigned)
        count = len(durable.block.commands)
        self.journal.enter(count)
        self._in_journal += count
        return _Built(submissions, draft.results, durable)

    def _sign(self, unsigned: Unsigned) -> DurableBlock:
        start_ns = self._clock.now_ns()
        digest = self._signing.digest(unsigned.block.number, unsigned.block.hash)
        durable = unsigned.signed(self._signer.sign(digest))
        self._builder.meter.signed(self._clock.now_ns() - start_ns)
        return durable

    async def _write(self, durable: DurableBlock) -> None:
        count = len(durable.block.commands)
        start_ns = self._clock.now_ns()
        await self._journal.append(durable.block)
        self.journal.busy(start_ns, self._clock.now_ns(), count)
        self._in_journal -= count
        self.journal.leave(count)

    def _answer(self, built: _Built) -> None:
        for submission, result in zip(built.submissions, built.results, strict=True):
            if isinstance(result, Rejected):
                self._deliver(submission, result)
            else:
                assert built.durable is not None
                self._deliver(submission, Executed(built.durable, result))

    async def _publish(self, durable: DurableBlock) -> None:
        for outlet in self._outlets:
            await outlet.wait_for_room()
            outlet.offer(durable, self._clock.now_ns())

    def _abandon(self, unknown: PlimsollError) -> None:
        """Tell everyone who still waits that there will be no outcome."""
        for begun in (self._in_hand, *(built.submissions for built in self._built)):
            for submission in begun:
                self._deliver(submission, unknown)
        for submission in self._lanes.drain(self._clock.now_ns()):
            self._deliver(submission, ShuttingDown())

    def _deliver(self, submission: Submission, outcome: Outcome | PlimsollError) -> None:
        del self._in_flight[submission.key]
        for deliver in submission.waiting:
            try:
                deliver(outcome)
            # Whoever asked has broken; the others, and the log, have nothing to do with it.
            except Exception:  # noqa: BLE001
                _log.exception("outcome_not_delivered")
