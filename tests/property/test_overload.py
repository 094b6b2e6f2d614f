"""Whatever comes in whatever order: what reduces risk is refused last, and nothing is lost."""

from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from node.capacity.delay_watch import DelayLimits
from node.sequencer.lanes import GATED, Fairness, Lanes
from node.sequencer.submission import Submission
from node.types.errors import GateClosed, PlimsollError, Unavailable
from node.types.ids import Address
from node.types.lanes import Lane
from node.types.units import Millis
from tests.unit.sequencer.test_overload import action

MS = 1_000_000
PEOPLE = tuple(Address(bytes([letter]) * 20) for letter in range(1, 6))
LANES = (Lane.REDUCING, Lane.RESTING, Lane.TAKING)

_people, _works, _times = st.sampled_from(PEOPLE), st.integers(1, 5), st.integers(1, 9)
_offer = st.tuples(st.just("offer"), st.sampled_from(LANES), _people, _works, _times)
_reduce = st.tuples(st.just("offer"), st.just(Lane.REDUCING), _people, _works, _times)
_steps = st.lists(
    st.one_of(
        _offer,
        _offer,
        _reduce,
        st.tuples(st.just("take"), st.integers(1, 30)),
        st.tuples(st.just("pass"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["close", "open"])),
    ),
    min_size=8,
    max_size=60,
)


class Play:
    """Lanes under a random tape, and a plain model of what waits in them."""

    def __init__(self, limit: int, share: int) -> None:
        fairness = Fairness(DelayLimits(20, 100), share, 4, closed_burst=20, closed_per_minute=60)
        self.lanes = Lanes(dict.fromkeys(Lane, limit), self._dismissed, fairness)
        self.share = share
        self.now_ns = 0
        self.nonce = 0
        self.waiting: dict[tuple[Lane, Address], list[Submission]] = defaultdict(list)
        self.answered: set[bytes] = set()

    def _dismissed(self, submission: Submission, error: PlimsollError) -> None:
        assert isinstance(error, Unavailable)
        [place] = [place for place, waiting in self.waiting.items() if waiting[-1:] == [submission]]
        assert place[0] is not Lane.REDUCING or not self.adding()
        self.waiting[place].pop()
        self._answer(submission)

    def adding(self, whose: Address | None = None) -> int:
        """Return how many submissions wait that add risk, of one account or of all."""
        return sum(
            len(waiting)
            for (lane, owner), waiting in self.waiting.items()
            if lane in GATED and whose in {None, owner}
        )

    def offer(self, lane: Lane, whose: Address, work: int) -> None:
        submission = self._submission(whose, work)
        try:
            self.lanes.offer(submission, lane, self.now_ns)
        except Unavailable as error:
            self._answer(submission)
            if lane is Lane.REDUCING:
                self._nothing_that_adds_is_better_off(whose, error)
        else:
            self.waiting[lane, whose].append(submission)

    def _nothing_that_adds_is_better_off(self, whose: Address, error: Unavailable) -> None:
        """Reducing was refused: what adds risk must not be waiting, nor be taken in now."""
        if isinstance(error, GateClosed) or error.queue != "account":
            assert isinstance(error, GateClosed) or self.adding() == 0
            others: tuple[Address, ...] = PEOPLE
        else:
            assert self.adding(whose) == 0
            others = (whose,)
        for other in others:
            for lane in GATED:
                try:
                    self.lanes.offer(self._submission(other, 1), lane, self.now_ns)
                except Unavailable:
                    continue
                raise AssertionError((whose, other, lane))

    def take(self, work: int) -> None:
        for submission in self.lanes.take(work, self.now_ns, 0):
            [lane] = [lane for lane in LANES if submission in self.waiting[lane, submission.whose]]
            assert self.waiting[lane, submission.whose].pop(0) is submission
            self._answer(submission)

    def _submission(self, whose: Address, work: int) -> Submission:
        self.nonce += 1
        command = msgspec.structs.replace(action(whose, self.nonce, work), expires=Millis(1 << 60))
        return Submission(command, self.nonce.to_bytes(32, "big"), lambda _outcome: None)

    def _answer(self, submission: Submission) -> None:
        assert submission.id not in self.answered
        self.answered.add(submission.id)

    def check(self) -> None:
        lanes = self.lanes
        assert len(lanes) == sum(map(len, self.waiting.values()))
        for lane, stage in zip(Lane, lanes.stages, strict=True):
            assert stage.conserved()
            waiting = sum(len(self.waiting[lane, whose]) for whose in PEOPLE)
            assert stage.depth == waiting
            assert stage.capacity is not None
            assert waiting <= stage.capacity
        for whose in PEOPLE:
            assert sum(len(self.waiting[lane, whose]) for lane in LANES) <= self.share


@settings(max_examples=200)
@given(_steps, st.integers(1, 5), st.integers(1, 16))
def test_reducing_is_refused_last(steps: list[tuple[object, ...]], limit: int, share: int) -> None:
    play = Play(limit, share)
    for step in steps:
        match step:
            case ("offer", Lane() as lane, bytes() as whose, int() as work, int() as times):
                for _ in range(times):
                    play.offer(lane, Address(whose), work)
            case ("take", int() as work):
                play.take(work)
            case ("pass", int() as ms):
                play.now_ns += ms * MS
            case ("close",):
                play.lanes.close_gate("test")
            case _:
                play.lanes.open_gate()
        play.check()
    while len(play.lanes):
        play.take(100)
    play.check()
