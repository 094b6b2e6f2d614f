"""Who is refused when not everything can go: what adds risk, who is late, who has too much."""

import pytest

from node.capacity.delay_watch import DelayLimits
from node.sequencer.lanes import EXPIRED, GATED, Fairness, Lanes
from node.sequencer.submission import Submission
from node.types.commands import (
    CancelAll,
    CancelOrder,
    Liquidate,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
)
from node.types.errors import (
    ActionExpired,
    DeadlineExceeded,
    GateClosed,
    Overloaded,
    PlimsollError,
    Shed,
)
from node.types.ids import EVERY_MARKET, Address, MarketId, OrderId
from node.types.lanes import Lane
from node.types.units import Lots, Millis, Ticks

MS = 1_000_000
ALICE, BOB, MALLORY = (Address(bytes([letter]) * 20) for letter in (0xA1, 0xB0, 0x3A))
LATER = Millis(10_000)


class Bench:
    """Lanes, and who was dismissed from them."""

    def __init__(self, limit: int = 100, **fairness: int) -> None:
        self.dismissed: list[tuple[Submission, PlimsollError]] = []
        self.lanes = Lanes(
            dict.fromkeys(Lane, limit),
            lambda submission, error: self.dismissed.append((submission, error)),
            Fairness(DelayLimits(20, 100), **fairness),
        )
        self.count = 0

    def offer(
        self, lane: Lane, whose: Address = ALICE, now_ns: int = 0, work: int = 1
    ) -> Submission:
        self.count += 1
        submission = Submission(action(whose, self.count, work), b"%d" % self.count, _ignore)
        self.lanes.offer(submission, lane, now_ns)
        return submission

    def refused(self, lane: Lane, whose: Address = ALICE, now_ns: int = 0) -> PlimsollError:
        with pytest.raises(PlimsollError) as refusal:
            self.offer(lane, whose, now_ns)
        assert all(stage.conserved() for stage in self.lanes.stages)
        return refusal.value

    def take(self, work: int, now_ns: int = 0, reserve: int = 0) -> list[Submission]:
        taken = self.lanes.take(work, now_ns, 0, reserve)
        assert all(stage.conserved() for stage in self.lanes.stages)
        return taken


def _ignore(_outcome: object) -> None:
    """Nobody waits."""


def action(whose: Address, nonce: int, work: int = 1, expires: Millis = LATER) -> PlaceOrders:
    cancels = (CancelOrder(order_id=OrderId(1)),) * work
    return PlaceOrders(whose, whose, nonce, expires, b"", cancels=cancels, orders=())


# --- deadlines ------------------------------------------------------------------------------------


def test_what_is_past_its_deadline_is_answered_and_never_taken() -> None:
    bench = Bench()
    late, ready = bench.offer(Lane.TAKING), bench.offer(Lane.TAKING)
    late.deadline_ns = 5 * MS
    assert bench.take(10, 5 * MS) == [ready]
    [(submission, error)] = bench.dismissed
    assert (submission, type(error), error.waited_ms) == (late, DeadlineExceeded, 5)
    assert bench.lanes.expired == 1
    assert bench.lanes.stages[Lane.TAKING].refused == {EXPIRED: 1}


def test_what_has_expired_is_not_executed_to_find_that_out() -> None:
    bench = Bench()
    bench.lanes.offer(Submission(action(ALICE, 1, 1, Millis(7)), b"", _ignore), Lane.REDUCING, 0)
    assert bench.lanes.take(10, 1, 7) == []
    [(_, error)] = bench.dismissed
    assert isinstance(error, ActionExpired)
    assert error.values == {"expires": 7, "now": 7}


def test_a_crowd_past_its_deadline_does_not_hold_up_a_block() -> None:
    bench = Bench()
    for _ in range(50):
        bench.offer(Lane.RESTING, work=20).deadline_ns = 1
    assert bench.take(10, 2) == []
    assert len(bench.dismissed) == 10
    assert len(bench.lanes) == 40


# --- delay ----------------------------------------------------------------------------------------


def stand_late(bench: Bench, lane: Lane, until_ms: int = 130) -> None:
    """Let 40 accounts wait in ``lane`` from the start, and one be served every 10 ms."""
    for place in range(40):
        bench.offer(lane, Address(place.to_bytes(20, "big")), 0)
    for at in range(10, until_ms, 10):
        bench.take(1, at * MS)


@pytest.mark.parametrize("lane", [Lane.REDUCING, Lane.RESTING, Lane.TAKING])
def test_who_stands_before_the_lanes_hears_which_is_late(lane: Lane) -> None:
    bench = Bench()
    assert bench.lanes.late(0) is None
    stand_late(bench, lane, 220)
    late = bench.lanes.late(220 * MS)
    assert late is not None
    assert late.lane is lane
    assert late.refusal.values == bench.refused(Lane.TAKING, now_ns=220 * MS).values
    bench.take(1_000, 221 * MS)
    assert bench.lanes.late(221 * MS) is None


def test_what_all_hear_is_made_once() -> None:
    bench = Bench()
    stand_late(bench, Lane.RESTING)
    late = bench.lanes.late(130 * MS)
    assert bench.lanes.late(131 * MS) is late
    later = bench.lanes.late(136 * MS)
    assert later is not None
    assert later.refusal.delay_ms == 136


def test_when_what_reduces_must_go_first_that_is_what_is_told() -> None:
    bench = Bench(limit=4)
    for _ in range(5):
        bench.offer(Lane.REDUCING)
    late = bench.lanes.late(0)
    assert late is not None
    assert late.refusal.values == bench.refused(Lane.RESTING).values


@pytest.mark.parametrize("lane", GATED)
def test_a_late_lane_takes_what_was_verified_for_it_until_it_stands_still(lane: Lane) -> None:
    bench = Bench()
    stand_late(bench, lane)
    bench.offer(lane, BOB, 199 * MS)
    assert bench.refused(lane, MALLORY, 200 * MS).queue == f"lane_{lane.name.lower()}"
    assert bench.lanes.shed == {"delay": 1}


def test_a_closed_gate_is_told_behind_the_signature_only() -> None:
    bench = Bench()
    bench.lanes.close_gate("outage")
    assert bench.lanes.late(0) is None


def test_a_late_lane_refuses_what_adds_risk_and_says_when_to_come_back() -> None:
    bench = Bench()
    stand_late(bench, Lane.TAKING)
    error = bench.refused(Lane.TAKING, MALLORY, 240 * MS)
    assert isinstance(error, Shed)
    assert error.values == {"queue": "lane_taking", "delay_ms": 240, "retry_after_ms": 220}
    bench.offer(Lane.RESTING, BOB, 240 * MS)
    bench.offer(Lane.REDUCING, BOB, 240 * MS)
    assert bench.lanes.shed == {"delay": 1}


def test_whoever_is_served_later_closes_first() -> None:
    bench = Bench()
    stand_late(bench, Lane.RESTING)
    assert bench.refused(Lane.TAKING, MALLORY, 140 * MS).queue == "lane_resting"
    stand = Bench()
    stand_late(stand, Lane.REDUCING)
    assert stand.refused(Lane.TAKING, MALLORY, 140 * MS).queue == "lane_reducing"
    assert stand.refused(Lane.RESTING, MALLORY, 140 * MS).queue == "lane_reducing"
    stand.offer(Lane.REDUCING, MALLORY, 140 * MS)


def test_it_opens_again_once_the_queue_has_drained() -> None:
    bench = Bench()
    stand_late(bench, Lane.TAKING)
    bench.refused(Lane.TAKING, MALLORY, 240 * MS)
    bench.take(1_000, 241 * MS)
    bench.offer(Lane.TAKING, MALLORY, 242 * MS)


def test_a_burst_that_drains_sheds_nothing() -> None:
    bench = Bench(limit=1_000)
    for number in range(900):
        bench.offer(Lane.TAKING, Address(number.to_bytes(20, "big")), 0)
    for at in range(1, 19):
        bench.take(50, at * MS)
        bench.offer(Lane.TAKING, MALLORY, at * MS)
    assert bench.lanes.shed == {}


def test_only_the_account_that_floods_is_late() -> None:
    bench = Bench(limit=1_000, turn_work=1)
    for _ in range(400):
        bench.offer(Lane.TAKING, MALLORY)
    for at in range(5, 500, 5):
        bench.offer(Lane.TAKING, ALICE, at * MS)
        bench.take(2, at * MS)
        if at >= 130:
            assert isinstance(bench.refused(Lane.TAKING, MALLORY, at * MS), Shed)
    assert set(bench.lanes.shed) == {"account_delay"}


# --- reducing first -------------------------------------------------------------------------------


def test_reducing_takes_the_room_of_what_adds_risk() -> None:
    bench = Bench(limit=3)
    adding = [bench.offer(lane, BOB) for lane in (Lane.RESTING, Lane.TAKING) for _ in range(3)]
    for _ in range(3):
        bench.offer(Lane.REDUCING)
    assert bench.dismissed == []
    for evicted in range(1, 7):
        bench.offer(Lane.REDUCING)
        assert len(bench.dismissed) == evicted
        assert isinstance(bench.refused(Lane.TAKING, MALLORY), Shed)
        assert isinstance(bench.refused(Lane.RESTING, MALLORY), Shed)
    # The newest of the last lane first.
    assert [submission for submission, _ in bench.dismissed] == adding[:2:-1] + adding[2::-1]
    assert all(isinstance(error, Shed) for _, error in bench.dismissed)
    error = bench.refused(Lane.REDUCING)
    assert isinstance(error, Overloaded)
    assert error.values == {"queue": "lane_reducing", "limit": 9}


def test_what_adds_risk_comes_back_when_reducing_has_drained_to_half() -> None:
    bench = Bench(limit=4)
    for _ in range(5):
        bench.offer(Lane.REDUCING)
    bench.take(2)
    bench.refused(Lane.TAKING)
    bench.take(1)
    bench.offer(Lane.TAKING)


# --- shares ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", [Lane.REDUCING, Lane.TAKING])
def test_an_account_fills_its_share_and_no_more(lane: Lane) -> None:
    bench = Bench(account_share=4)
    for _ in range(4):
        bench.offer(lane, MALLORY)
    error = bench.refused(lane, MALLORY)
    assert isinstance(error, Overloaded)
    assert error.values == {"queue": "account", "limit": 4}
    bench.offer(lane, ALICE)


def test_within_a_share_reducing_takes_the_room_of_what_adds_risk() -> None:
    bench = Bench(account_share=4)
    mine = [bench.offer(Lane.TAKING), bench.offer(Lane.RESTING), bench.offer(Lane.RESTING)]
    theirs = bench.offer(Lane.TAKING, BOB)
    for _ in range(4):
        bench.offer(Lane.REDUCING)
    assert [submission for submission, _ in bench.dismissed] == [mine[0], mine[2], mine[1]]
    assert isinstance(bench.refused(Lane.TAKING), Overloaded)
    assert isinstance(bench.refused(Lane.REDUCING), Overloaded)
    assert theirs in bench.take(100)


def test_a_full_lane_makes_room_for_who_has_less() -> None:
    bench = Bench(limit=10)
    flood = [bench.offer(Lane.TAKING, MALLORY) for _ in range(10)]
    for _ in range(4):
        bench.offer(Lane.TAKING, ALICE)
    assert [submission for submission, _ in bench.dismissed] == flood[:5:-1]
    assert isinstance(bench.refused(Lane.TAKING, MALLORY), Overloaded)


# --- the gate -------------------------------------------------------------------------------------


def test_a_closed_gate_leaves_each_account_an_allowance() -> None:
    bench = Bench(closed_burst=20, closed_per_minute=60)
    bench.lanes.close_gate("l1_backlog")
    for number in range(20):
        bench.offer(Lane.REDUCING, MALLORY, number)
    error = bench.refused(Lane.REDUCING, MALLORY, 20)
    assert isinstance(error, GateClosed)
    assert (error.lane, error.cause, error.retry_after_ms) == ("lane_reducing", "l1_backlog", 1_000)
    bench.offer(Lane.REDUCING, ALICE, 20)
    bench.offer(Lane.REDUCING, MALLORY, 1_000 * MS)
    bench.lanes.open_gate()
    for number in range(50):
        bench.offer(Lane.REDUCING, MALLORY, 1_000 * MS + number)


def test_no_account_can_fill_what_settlement_holds_while_the_gate_is_closed() -> None:
    held_bytes, a_single, day_minutes = 4_096 * 100_000, 70, 24 * 60
    fairness = Fairness()
    in_a_day = fairness.closed_burst + fairness.closed_per_minute * day_minutes
    assert in_a_day * a_single < held_bytes / 60


# --- the reserve ----------------------------------------------------------------------------------


def liquidations(bench: Bench, count: int, now_ns: int = 0) -> None:
    for _ in range(count):
        command = Liquidate(MarketId(1), ALICE)
        bench.lanes.offer(Submission(command, b"", _ignore), Lane.LIQUIDATION, now_ns)


@pytest.mark.parametrize("waiting", [0, 1, 5, 30, 60])
def test_a_block_and_the_burst_after_it_are_one_blocks_work(waiting: int) -> None:
    bench = Bench(limit=1_000)
    for _ in range(500):
        bench.offer(Lane.TAKING, now_ns=0)
        bench.offer(Lane.REDUCING, BOB, now_ns=0)
    liquidations(bench, waiting)
    work, reserve = 100, 30
    block = sum(submission.work for submission in bench.take(work, reserve=reserve))
    burst = max(0, reserve - waiting)
    assert block + burst == work


def test_half_a_block_is_never_reserved() -> None:
    bench = Bench(limit=1_000)
    for _ in range(500):
        bench.offer(Lane.TAKING)
    assert len(bench.take(100, reserve=10**6)) == 50


def test_liquidations_pass_whatever_floods() -> None:
    bench = Bench(limit=50)
    for lane in (Lane.TAKING, Lane.RESTING, Lane.REDUCING):
        for _ in range(50):
            bench.offer(lane, MALLORY)
    liquidations(bench, 40)
    taken = bench.take(40, reserve=10)
    assert all(isinstance(submission.command, Liquidate) for submission in taken)
    assert len(taken) == 40


def test_work_of_what_a_lane_holds_is_shared_by_turns() -> None:
    bench = Bench(limit=1_000, turn_work=8)
    order = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
    for nonce in range(20):
        bulk = PlaceOrders(MALLORY, MALLORY, nonce, LATER, b"", (), (order,) * 8)
        bench.lanes.offer(Submission(bulk, b"m%d" % nonce, _ignore), Lane.TAKING, 0)
    for _ in range(16):
        bench.offer(Lane.TAKING, ALICE)
    taken = bench.take(32)
    mine = [submission for submission in taken if submission.whose == ALICE]
    assert len(mine) == 16
    assert work_of_all(taken) == 32


def work_of_all(submissions: list[Submission]) -> int:
    return sum(submission.work for submission in submissions)


def test_the_work_that_waits_is_known_whatever_becomes_of_it() -> None:
    bench = Bench(limit=3)
    for work in (5, 7, 11):
        bench.offer(Lane.TAKING, BOB, work=work)
    bench.offer(Lane.RESTING)
    assert bench.lanes.work == 24
    for _ in range(9):
        bench.offer(Lane.REDUCING)
    assert len(bench.dismissed) == 4  # The three of the last lane, and one that would have rested.
    assert bench.lanes.work == 9
    bench.take(4)
    assert bench.lanes.work == 5
    bench.lanes.drain(0)
    assert bench.lanes.work == 0


def test_cancelling_all_counts_as_much_as_it_may_touch() -> None:
    everything = CancelAll(ALICE, ALICE, 1, LATER, b"", EVERY_MARKET)
    assert Submission(everything, b"", _ignore).work == 10


def test_one_account_that_floods_what_reduces_closes_no_lane_to_the_others() -> None:
    bench = Bench(limit=2_000, account_share=1_000, turn_work=8)
    for at in range(0, 300, 5):
        for _ in range(40):
            bench.offer(Lane.REDUCING, MALLORY, at * MS)
            if bench.lanes.stages[Lane.REDUCING].depth > 900:
                break
        bench.take(10, at * MS)
    # What Mallory brought waits for long; who comes next would not.
    bench.offer(Lane.TAKING, ALICE, 300 * MS)
    bench.offer(Lane.REDUCING, BOB, 300 * MS)
    assert BOB in {submission.whose for submission in bench.take(16, 300 * MS)}
