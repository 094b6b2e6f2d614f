"""The lanes: where submissions wait, most urgent first, and who is turned away when all cannot go.

    SYSTEM ▶ LIQUIDATION ▶ REDUCING ▶ RESTING ▶ TAKING         (what adds risk: the last two)

Three rules decide who is refused, and each is kept twice: over all accounts, and for each account.

*What reduces risk is refused last.* REDUCING may grow past its own limit into the room of the two
lanes that add risk: each such submission puts one of theirs out. From its limit on they are closed,
until it has drained to half. So when a reducing submission is refused, nothing that adds risk is
waiting and none is taken in. The same holds within the room that one account has.

*By delay, not by length.* A lane in which even a newcomer waits too long for its turn is late (see
``node.capacity.delay_watch``). Then what adds risk is refused in the lanes after it: TAKING closes
first, because it is served last. The late lane itself goes on taking while its next has waited for
less than two intervals. Who stands before the lanes lets no more come to a late one than it gets
done (see ``node.ingress.turnstile``), so what still comes has had its signature checked, and its
turn is near. An account is late by itself when it brings along more than its share gets done; only
it is refused then.

*By share, not by speed.* Within a lane accounts take turns by work, and each may hold so many
submissions. A full lane takes room from the account that has the most.

A closed gate refuses what adds risk, whatever waits; what reduces it then has an allowance for each
account (see ``node.sequencer.allowance``). What has waited past its deadline is dropped when it is
taken, and never executed.
"""

from collections.abc import Callable, Mapping

import msgspec

from node.capacity.delay_watch import DelayLimits
from node.capacity.fair_queue import FairQueue
from node.capacity.stage import LANE, Stage
from node.ports.intake import Late
from node.sequencer.allowance import Allowances
from node.sequencer.submission import Submission
from node.types.commands import Action
from node.types.errors import (
    ActionExpired,
    DeadlineExceeded,
    GateClosed,
    Overloaded,
    PlimsollError,
    Shed,
)
from node.types.ids import Address
from node.types.lanes import Lane
from node.types.units import NS_PER_MS

GATED = (Lane.RESTING, Lane.TAKING)
"""The lanes that a closed gate shuts: all that can add risk goes through them."""

STRANGERS = Address(b"\xff" * 20)
"""Whose share all those have together who may not act for the account that they name."""

EXPIRED = "deadline_expired"


class Fairness(msgspec.Struct, frozen=True):
    """How the lanes share out room and time.

    ``account_share``: submissions of one account that may wait, in all lanes together.
    ``turn_work``: work that an account has done in one turn. ``closed_burst`` and
    ``closed_per_minute``: the work that an account may have while the gate is closed.
    """

    delay: DelayLimits = DelayLimits()
    account_share: int = 512
    turn_work: int = 32
    closed_burst: int = 600
    closed_per_minute: int = 60


DEFAULT_FAIRNESS = Fairness()


class _Line:
    """One lane: its queue, its limit and its counters."""

    __slots__ = ("is_shared", "lane", "limit", "name", "queue", "stage")

    def __init__(self, lane: Lane, limit: int, room: int, fairness: Fairness) -> None:
        assert 1 <= limit <= room
        self.lane = lane
        self.name = LANE + lane.name.lower()
        self.limit = limit
        self.queue: FairQueue[Address, Submission] = FairQueue(fairness.turn_work, fairness.delay)
        self.stage = Stage(self.name, capacity=room, held=self.queue.__len__)
        # Whether accounts share it; the others are the exchange's own.
        self.is_shared = lane >= Lane.REDUCING


class Lanes:
    """One queue for each lane, emptied in their order."""

    __slots__ = (
        "_allowances",
        "_cause",
        "_dismiss",
        "_fairness",
        "_late",
        "_lines",
        "_look_again_ns",
        "_look_every_ns",
        "_pressed",
        "_room",
        "_shared",
        "_stands_ns",
        "_told",
        "expired",
        "shed",
        "work",
    )

    def __init__(
        self,
        limits: Mapping[Lane, int],
        dismiss: Callable[[Submission, PlimsollError], None],
        fairness: Fairness = DEFAULT_FAIRNESS,
    ) -> None:
        """Start empty, with the gate open; ``limits`` are the submissions that each lane holds.

        ``dismiss`` is told of each submission that was queued and will not be executed, and why.
        """
        self._room = sum(limits[lane] for lane in (Lane.REDUCING, *GATED))
        self._lines = tuple(
            _Line(
                lane, limits[lane], self._room if lane is Lane.REDUCING else limits[lane], fairness
            )
            for lane in Lane
        )
        self._fairness = fairness
        self._dismiss = dismiss
        self._allowances = Allowances(fairness.closed_burst, fairness.closed_per_minute)
        self._cause: str | None = None
        self._pressed = False
        # What waits in the lanes that accounts share.
        self._shared = 0
        self._late: _Line | None = None
        self._told: Late | None = None
        self._stands_ns = 2 * fairness.delay.interval_ns
        self._look_every_ns = fairness.delay.target_ns // 4
        self._look_again_ns = 0
        self.shed: dict[str, int] = {}
        """Submissions refused or put out because others wait too long, by cause."""
        self.expired = 0
        """Submissions that were past their deadline when their turn came."""
        self.work = 0
        """What waits, as work."""

    def __len__(self) -> int:
        """Return the number of waiting submissions."""
        return sum(line.queue.count for line in self._lines)

    @property
    def liquidations(self) -> int:
        """Return how many liquidations wait."""
        return self._lines[Lane.LIQUIDATION].queue.count

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the counters of each lane, in the lanes' order."""
        return tuple(line.stage for line in self._lines)

    @property
    def gate(self) -> str | None:
        """Return why the gate is closed, None while it is open."""
        return self._cause

    def close_gate(self, cause: str) -> None:
        """Refuse new risk from now on; ``cause`` is one of few fixed words, and is counted."""
        self._cause = cause

    def open_gate(self) -> None:
        """Take new risk again."""
        self._cause = None

    def late(self, now_ns: int) -> Late | None:
        """Return the most urgent lane that is late, and what it says to what adds risk.

        For who stands before the lanes: what they would shed need not be verified first. The answer
        stays the same object while it is the same to all. A closed gate is no matter of this: it
        lasts, and who is not believed to reduce risk must be heard all the same.
        """
        late = self._lines[Lane.REDUCING] if self._pressed else self._late_line(now_ns)
        if late is None:
            return None
        if self._told is None or self._told.lane is not late.lane:
            delay_ns = late.queue.delay_ns(now_ns)
            self._told = Late(late.lane, self._late_error(late, delay_ns))
        return self._told

    def offer(self, submission: Submission, lane: Lane, now_ns: int) -> None:
        """Queue ``submission``.

        Raises ``Overloaded`` (the lane, or the account's share of it), ``Shed`` when what adds
        risk must wait for the rest, ``GateClosed`` (``cause``) when the gate is closed.
        """
        line = self._lines[lane]
        queue, whose = line.queue, submission.whose
        if not line.is_shared:
            if queue.count >= line.limit:
                raise self._refused(line, "full", Overloaded(queue=line.name, limit=line.limit))
        else:
            if lane is Lane.REDUCING:
                self._make_room_to_reduce(submission, line, now_ns)
            else:
                self._require_open(whose, line, now_ns)
                self._make_room_to_add(whose, line)
            self._shared += 1
        queue.add(whose, submission, submission.work, now_ns)
        self.work += submission.work
        stage = line.stage
        # Not Stage.enter, which would work the depth out from all that ever came and went.
        stage.arrived += 1
        if queue.count > stage.peak_depth:
            stage.peak_depth = queue.count

    def take(self, work: int, now_ns: int, now_ms: int, reserve: int = 0) -> list[Submission]:
        """Remove and return what goes into the next block: the most urgent, ``work`` in all.

        ``reserve`` is the work of the liquidations that may come up while the block is built. What
        of it is not taken up now is kept free below the liquidations, so that block and burst
        together still are one block's work; half of the work is never reserved. The last
        submission may exceed the work, so while anything waits, something is taken or dismissed.
        """
        taken: list[Submission] = []
        left = work
        for line in self._lines:
            before = left
            while left > 0 and line.queue.count:
                left -= self._take_from(line, left, now_ns, now_ms, taken)
            if reserve and line.lane is Lane.LIQUIDATION:
                left -= min(max(0, reserve - (before - left)), work // 2)
        if self._shared or self._lines[Lane.LIQUIDATION].queue.count:
            self._look_again_ns = now_ns
        else:
            # An empty lane is in time, and takes longer than that to become late.
            self._late = None
            self._look_again_ns = now_ns + self._look_every_ns
        if self._pressed:
            reducing = self._lines[Lane.REDUCING]
            self._pressed = 2 * reducing.queue.count > reducing.limit
        return taken

    def drain(self, now_ns: int) -> list[Submission]:
        """Remove and return everything that waits: the end."""
        drained: list[Submission] = []
        for line in self._lines:
            while entries := line.queue.take(1 << 30, now_ns):
                drained += (submission for _, _, submission in entries)
                line.stage.done += len(entries)
        self._shared = self.work = 0
        return drained

    def _take_from(
        self, line: _Line, work: int, now_ns: int, now_ms: int, taken: list[Submission]
    ) -> int:
        """Move up to ``work`` from ``line`` to ``taken``; return what of it was used.

        Dismissing one that is past its deadline counts 1: it must not hold up a block for ever.
        """
        stage, waited, used, before = line.stage, line.stage.waited, 0, len(taken)
        entries = line.queue.take(work, now_ns)
        if line.is_shared:
            self._shared -= len(entries)
        for offered_ns, cost, submission in entries:
            waited(now_ns - offered_ns)
            self.work -= cost
            if submission.deadline_ns > now_ns and submission.expires > now_ms:
                taken.append(submission)
                used += cost
            else:
                used += 1
                self._expire(line, submission, now_ns - offered_ns, now_ms)
        stage.done += len(taken) - before
        return used

    def _expire(self, line: _Line, submission: Submission, waited_ns: int, now_ms: int) -> None:
        line.stage.refuse(EXPIRED)
        self.expired += 1
        if submission.expires <= now_ms:
            # What the transition would say of it, before it is asked.
            self._dismiss(submission, ActionExpired(expires=submission.expires, now=now_ms))
        else:
            self._dismiss(submission, DeadlineExceeded(waited_ms=waited_ns // NS_PER_MS))

    # --- what adds risk --------------------------------------------------------------------------

    def _require_open(self, whose: Address, line: _Line, now_ns: int) -> None:
        if self._cause is not None:
            gate = GateClosed(cause=self._cause, lane=line.name)
            raise self._refused(line, f"gate_{self._cause}", gate)
        if self._pressed:
            reducing = self._lines[Lane.REDUCING]
            raise self._shed(line, "reducing_first", reducing, reducing.queue.delay_ns(now_ns))
        late = self._late_line(now_ns)
        if late is not None and late.lane <= line.lane:
            delay_ns = late.queue.delay_ns(now_ns)
            if late is not line or delay_ns >= self._stands_ns:
                raise self._shed(line, "delay", late, delay_ns)
        if line.queue.is_key_late(whose, now_ns):
            delay_ns = line.queue.delay_of_ns(whose, now_ns)
            raise self._shed(line, "account_delay", line, delay_ns)

    def _late_line(self, now_ns: int) -> _Line | None:
        """Return the most urgent lane that is late; often asked for, and looked up now and then."""
        if now_ns >= self._look_again_ns:
            self._look_again_ns = now_ns + self._look_every_ns
            self._told = None
            lines = self._lines[Lane.LIQUIDATION :]
            self._late = next((line for line in lines if line.queue.is_late(now_ns)), None)
        return self._late

    def _make_room_to_add(self, whose: Address, line: _Line) -> None:
        share = self._fairness.account_share
        # Where less than one share waits in all, which is nearly always, nobody fills his.
        if self._shared >= share and self._fills(whose, share):
            raise self._refused(line, "account", Overloaded(queue="account", limit=share))
        queue = line.queue
        if queue.count < line.limit:
            return
        if queue.length(whose) + 1 >= queue.longest:
            raise self._refused(line, "full", Overloaded(queue=line.name, limit=line.limit))
        self._put_out(line, queue.evict_longest())

    # --- what reduces it -------------------------------------------------------------------------

    def _make_room_to_reduce(self, submission: Submission, line: _Line, now_ns: int) -> None:
        whose, share = submission.whose, self._fairness.account_share
        if self._cause is not None and isinstance(submission.command, Action):
            wait_ns = self._allowances.spend(whose, submission.work, now_ns)
            if wait_ns:
                wait_ms = -(-wait_ns // NS_PER_MS)
                self._count("allowance")
                error = GateClosed(cause=self._cause, lane=line.name, retry_after_ms=wait_ms)
                raise self._refused(line, "allowance", error)
        if self._shared >= share and self._fills(whose, share):
            self._make_room_of_its_own(whose, line, share)
        if line.queue.count >= line.limit:
            self._pressed = True
            if self._shared >= self._room:
                self._make_room_of_others(whose, line)

    def _make_room_of_its_own(self, whose: Address, line: _Line, share: int) -> None:
        """Put out what the account itself would add."""
        for lane in reversed(GATED):
            victim = self._lines[lane].queue.evict(whose)
            if victim is not None:
                self._put_out(self._lines[lane], victim)
                return
        raise self._refused(line, "account", Overloaded(queue="account", limit=share))

    def _make_room_of_others(self, whose: Address, line: _Line) -> None:
        """Put out what adds risk; where nothing does, what the busiest account would reduce."""
        for lane in reversed(GATED):
            victim = self._lines[lane].queue.evict_longest()
            if victim is not None:
                self._put_out(self._lines[lane], victim)
                return
        queue = line.queue
        if queue.length(whose) + 1 >= queue.longest:
            raise self._refused(line, "full", Overloaded(queue=line.name, limit=self._room))
        self._put_out(line, queue.evict_longest())

    # --- counting --------------------------------------------------------------------------------

    def _fills(self, whose: Address, share: int) -> bool:
        """Return whether ``whose`` has its whole share waiting."""
        return sum(line.queue.length(whose) for line in self._lines[Lane.REDUCING :]) >= share

    def _put_out(self, line: _Line, victim: Submission | None) -> None:
        assert victim is not None
        self._shared -= 1
        self.work -= victim.work
        line.stage.refuse("evicted")
        self._count("evicted")
        retry_ms = self._fairness.delay.interval_ms
        self._dismiss(victim, Shed(queue=line.name, delay_ms=0, retry_after_ms=retry_ms))

    def _shed(self, line: _Line, cause: str, late: _Line, delay_ns: int) -> PlimsollError:
        self._count(cause)
        return self._refused(line, cause, self._late_error(late, delay_ns))

    def _late_error(self, late: _Line, delay_ns: int) -> Shed:
        return Shed(
            queue=late.name,
            delay_ms=delay_ns // NS_PER_MS,
            retry_after_ms=self._fairness.delay.retry_after_ms(delay_ns),
        )

    def _refused(self, line: _Line, cause: str, error: PlimsollError) -> PlimsollError:
        line.stage.turn_away(cause)
        return error

    def _count(self, cause: str) -> None:
        self.shed[cause] = self.shed.get(cause, 0) + 1
