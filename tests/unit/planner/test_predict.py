"""A node whose costs are known has the knee that is predicted of it, within the interval told."""

import math
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from node.capacity.telemetry import (
    BlockCounters,
    HistogramCounts,
    JournalCounters,
    KindCounters,
    L1Counters,
    LoopCounters,
    MessageCounters,
    Telemetry,
    WriterLimits,
)
from node.planner.calibration import Calibration, calibrate
from node.planner.predict import FILLED, FlowShape, Prediction, Surroundings, predict_knee
from node.planner.regression import LinearLaw
from node.planner.shared_cores import CROWDING, LOST, MODEL_ERROR, UNSTEADY, waiting_share
from node.planner.verification import rejoined
from node.planner.waiting import carried_utilization

ONE = FlowShape({"place": 1.0}, 1.0)
US = 1_000
S = 1_000_000_000


class KnownNode(msgspec.Struct, frozen=True):
    """What a second, a block and an action cost, in microseconds of each process."""

    second_us: float = 5_000.0
    block_us: float = 400.0
    action_us: float = 100.0
    verify_us: float = 60.0
    replica_us: float = 30.0
    history_us: float = 0.0
    shared_us: float = 0.0
    noise: float = 0.0
    limits: WriterLimits = WriterLimits()

    def knee_per_s(self, around: Surroundings) -> float:
        """Return the loop's limit with blocks as they are there, by halving.

        On two cores its waits for one make each of its microseconds longer; on more, not here.
        """
        limits, patience_s = self.limits, self.limits.delay_target_us / 1e6
        most = min(limits.block_work, limits.block_us_max / self.transition_us)
        cores, low, high = around.cores or 2, 0.0, 1e6 / self.action_us
        for _ in range(60):
            rate = (low + high) / 2
            filled = max(FILLED * min(most, rate * patience_s), 1.0)
            each_us = self.action_us + self._block_us(filled) / filled
            others = rate * (self.verify_us + self.replica_us) / 1e6
            # Erlang's C of two cores, in closed form.
            wait = 1 + (CROWDING * others**2 / (2 + others) if cores == 2 and others < 2 else 0.0)
            offered = (self.second_us + rate * each_us) * wait / 1e6
            fullest = carried_utilization(each_us * wait / 1e6, patience_s, LOST, spread=UNSTEADY)
            low, high = (rate, high) if offered <= fullest else (low, rate)
        return low

    @property
    def transition_us(self) -> float:
        """Return what an action takes to be applied, a part of ``action_us``."""
        return self.action_us * 0.3

    def _block_us(self, actions: float) -> float:
        # The harmonic sum of so many: the k-th action pays a k-th part.
        return self.block_us + self.shared_us * float(digamma(actions + 1) - digamma(1))

    def window(self, rate: float, blocks: float, random: Random) -> Telemetry:
        """Return two seconds at ``rate`` actions in ``blocks`` blocks a second."""
        actions, count = round(2 * rate), round(2 * blocks)

        def ns(us: float) -> int:
            return round(us * US * max(0.0, random.gauss(1, self.noise)))

        transition = ns(actions * self.transition_us)
        making = ns(count * self.block_us * 0.5)
        blocks_us = count * self._block_us(actions / count)
        loop = ns(2 * self.second_us + blocks_us + actions * self.action_us)
        return Telemetry(
            at_ns=2 * S,
            window_ns=2 * S,
            cores=2,
            stages=(),
            kinds=(KindCounters("place", actions, actions, 0, transition, 0),),
            blocks=BlockCounters(count, actions, making),
            loop=LoopCounters(loop, 2 * S, count),
            processes={
                "node": loop,
                "verification_0": ns(actions * self.verify_us),
                "replica": ns(actions * self.replica_us),
                "history": ns(actions * self.history_us),
            },
            journal=JournalCounters(count, 200 * actions, ns(count * 250 + actions)),
            messages=MessageCounters(actions, actions, 900 * actions),
            l1=L1Counters(0, 0, 0, 0, HistogramCounts(), HistogramCounts()),
            limits=self.limits,
        )

    def calibrated(self, seed: int = 1) -> Calibration:
        """Return what a calibration makes of windows with small and with large blocks."""
        random = Random(seed)
        loads = [(100, 100), (200, 190), (400, 350), (800, 600), (1_200, 800)]
        loads += [(800, 50), (1_200, 75), (1_600, 40), (2_000, 42), (2_400, 50)]
        windows = [self.window(rate, blocks, random) for rate, blocks in loads]
        return calibrate(rejoined(windows))


def inside(prediction: Prediction, knee: float) -> bool:
    return prediction.p5 <= knee <= prediction.p95


def test_the_knee_of_a_node_without_noise_is_found_though_blocks_are_small_below_it() -> None:
    node, around = KnownNode(), Surroundings()
    found = predict_knee(node.calibrated(), ONE, around)
    assert found.p50 == pytest.approx(node.knee_per_s(around), rel=0.03)
    assert found.bottleneck == "event_loop"
    assert found.p5 < found.p50 < found.p95
    # A cost per action taken over from the lowest load would miss it by four fifths.
    alone = predict_knee(node.calibrated(), ONE, Surroundings(cores=512))
    assert alone.p50 > 4 * 1e6 / (node.action_us + node.block_us)


@pytest.mark.parametrize(
    "limits",
    [
        WriterLimits(block_us_max=300),
        WriterLimits(block_work=10),
        WriterLimits(delay_target_us=2_000),
    ],
)
def test_a_node_is_held_to_the_limits_that_it_tells(limits: WriterLimits) -> None:
    node, around = KnownNode(limits=limits), Surroundings()
    found = predict_knee(node.calibrated(), ONE, around)
    assert found.p50 == pytest.approx(node.knee_per_s(around), rel=0.03)
    assert node.knee_per_s(around) < 0.8 * KnownNode().knee_per_s(around)


@pytest.mark.parametrize("seed", range(8))
def test_with_noise_the_knee_lies_within_what_is_told(seed: int) -> None:
    node, around = KnownNode(noise=0.02), Surroundings()
    found = predict_knee(node.calibrated(seed), ONE, around)
    assert found.p50 == pytest.approx(node.knee_per_s(around), rel=0.1), f"seed {seed}"
    assert inside(found, node.knee_per_s(around)), f"seed {seed}"


@settings(max_examples=10, deadline=None)
@given(
    action_us=st.floats(40, 160),
    block_us=st.floats(50, 600),
    verify_us=st.floats(10, 35),
    seed=st.integers(0, 1_000),
)
def test_any_node_whose_loop_binds(
    action_us: float, block_us: float, verify_us: float, seed: int
) -> None:
    node = KnownNode(block_us=block_us, action_us=action_us, verify_us=verify_us, noise=0.01)
    around = Surroundings(cores=8)
    found = predict_knee(node.calibrated(seed), ONE, around)
    assert found.bottleneck == "event_loop"
    assert found.p50 == pytest.approx(node.knee_per_s(around), rel=0.1)


def test_a_slow_pool_is_named_and_the_loop_comes_next() -> None:
    found = predict_knee(KnownNode(verify_us=200.0).calibrated(), ONE, Surroundings(cores=8))
    assert (found.bottleneck, found.next_bottleneck) == ("verification", "event_loop")
    assert found.p50 == pytest.approx(5_000, rel=0.05)


def test_processes_that_share_too_few_cores_are_full_together() -> None:
    generator = LinearLaw(("command", "second"), (80e-6, 0.05), ((80e-6, 0.05),), 0.0)
    around = Surroundings(cores=2, beside={"generator": generator})
    found = predict_knee(KnownNode().calibrated(), ONE, around)
    # 100 + 60 + 30 + 80 us, 400 for each block of two thirds of 100, and what no load changes.
    machine = next(ceiling for ceiling in found.ceilings if ceiling.resource == "machine")
    assert machine.p50 == pytest.approx((2 - 0.055) / 276e-6, rel=0.01)
    # A loop that has little to do is not full yet, however long it waits: 20 + 60 + 30 + 80 us.
    light = predict_knee(KnownNode(action_us=20.0, block_us=100.0).calibrated(), ONE, around)
    assert light.bottleneck == "machine"
    assert light.p50 == pytest.approx((2 - 0.055) / 190.5e-6, rel=0.01)


def test_a_loop_that_shares_its_cores_is_full_of_waiting_sooner() -> None:
    node = KnownNode()
    alone, shared = (
        predict_knee(node.calibrated(), ONE, Surroundings(cores=cores)) for cores in (512, 2)
    )
    assert alone.p50 == pytest.approx(node.knee_per_s(Surroundings(cores=512)), rel=0.03)
    # At the knee the others hold 0.6 of a core: the loop waits for some 0.2 of what it works.
    assert shared.p50 == pytest.approx(node.knee_per_s(Surroundings(cores=2)), rel=0.03)
    assert 0.8 < shared.p50 / alone.p50 < 0.9
    strangers = LinearLaw(("second",), (0.5,), ((0.5,),), 0.0)
    beside = Surroundings(cores=2, beside={"strangers": strangers})
    assert predict_knee(node.calibrated(), ONE, beside).p50 < 0.9 * shared.p50


def test_a_thread_waits_the_longer_the_more_others_take_and_never_without_bound() -> None:
    # W / L as seen on two cores, beside others that took so many of them: it grows less than told.
    for others, seen in ((0.7, 0.27), (0.8, 0.30), (0.885, 0.34), (0.95, 0.35)):
        assert waiting_share(others, 2) == pytest.approx(seen, rel=0.15)
    # Where half of many cores are taken, one of them is nearly always free.
    assert waiting_share(4.0, 8) < 0.1
    assert waiting_share(32.0, 64) < 1e-3
    for cores in (1, 2, 8, 64):
        shares = [waiting_share(cores * part, cores) for part in (0.0, 0.3, 0.6, 0.9, 0.999, 1.5)]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, CROWDING)
    assert waiting_share(0.9, 0) == 0.0


@pytest.mark.parametrize("cores", [24, 32, 512])
@pytest.mark.parametrize("seed", range(4))
def test_beside_cores_that_are_always_free_the_loop_is_full_of_work(cores: int, seed: int) -> None:
    node = KnownNode(noise=0.02, verify_us=5.0, replica_us=5.0)
    found = predict_knee(node.calibrated(seed), ONE, Surroundings(cores=cores))
    assert found.p50 == pytest.approx(node.knee_per_s(Surroundings(cores=cores)), rel=0.1)
    calibration = node.calibrated(seed)
    nobody = msgspec.structs.replace(
        calibration, processes={}, source=msgspec.structs.replace(calibration.source, cores=0)
    )
    assert predict_knee(nobody, ONE).p50 == pytest.approx(found.p50, rel=0.02)


def test_the_less_may_wait_the_less_of_the_loop_can_be_used() -> None:
    node = KnownNode(second_us=0.0, block_us=0.0)
    used = []
    for actions in (200, 10, 2):
        limits = WriterLimits(delay_target_us=round(actions * node.action_us))
        patient = msgspec.structs.replace(node, limits=limits).calibrated()
        knee_per_s = predict_knee(patient, ONE, Surroundings(cores=512)).p50
        used.append(knee_per_s * node.action_us / 1e6)
    # Where many may wait, next to all of it; where few may, most come at a bad time.
    assert used[0] == pytest.approx(0.98, abs=0.01)
    assert used[1] == pytest.approx(0.91, abs=0.03)
    assert used[2] < 0.65


def test_a_loop_that_others_fill_before_anything_comes_carries_nothing() -> None:
    crowd, still = (LinearLaw(("second",), (taken,), ((taken,),), 0.0) for taken in (1.4, 0.59))
    around = Surroundings(cores=2, beside={"crowd": crowd})
    # A loop that works for more than half of its time for nobody, and waits for the other half.
    known = KnownNode().calibrated()
    busy = {**known.processes, "node": still}
    found = predict_knee(msgspec.structs.replace(known, loop=still, processes=busy), ONE, around)
    assert found.bottleneck == "event_loop"
    assert found.p95 == 0.0


def test_what_works_in_the_background_fills_nothing_up() -> None:
    around = Surroundings(cores=2)
    for history_us in (60.0, 180.0):
        found = predict_knee(KnownNode(history_us=history_us).calibrated(), ONE, around)
        alone = predict_knee(KnownNode().calibrated(), ONE, around)
        assert found.p50 == pytest.approx(alone.p50, rel=0.01)
        assert "history" not in {ceiling.resource for ceiling in found.ceilings}


def test_ceilings_are_told_from_the_lowest_up() -> None:
    found = predict_knee(KnownNode().calibrated(), ONE)
    medians = [ceiling.p50 for ceiling in found.ceilings]
    assert medians == sorted(medians)
    assert found.ceilings[0].resource == found.bottleneck
    assert {ceiling.resource for ceiling in found.ceilings} >= {
        "event_loop", "verification", "replica", "machine", "journal",
    }  # fmt: skip


def test_blocks_that_share_less_the_larger_they_are_are_told_as_they_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An action costs 60 us, and the k-th of a block a k-th part of 300 us besides.
    node = KnownNode(action_us=60.0, shared_us=300.0, noise=0.005)
    around = Surroundings(cores=512)
    found = predict_knee(node.calibrated(), ONE, around)
    assert found.p50 == pytest.approx(node.knee_per_s(around), rel=0.05)
    # By a law without it, each action is charged for what it shared in small blocks.
    monkeypatch.setattr("node.planner.calibration.SHARED_FROM", math.inf)
    straight = predict_knee(node.calibrated(), ONE, around)
    assert straight.p50 < 0.9 * node.knee_per_s(around)


def test_where_less_comes_in_a_turn_than_a_block_can_hold_blocks_are_the_smaller() -> None:
    knees, around = [], Surroundings(cores=512)
    for delay_target_us in (20_000, 5_000):
        limits = WriterLimits(delay_target_us=delay_target_us)
        node = KnownNode(block_us=1_000.0, limits=limits)
        knees.append(node.knee_per_s(around))
        found = predict_knee(node.calibrated(), ONE, around)
        assert found.p50 == pytest.approx(knees[-1], rel=0.03)
    assert knees[1] < 0.8 * knees[0]


def test_bulk_actions_fill_a_block_sooner() -> None:
    calibration = KnownNode().calibrated()
    bulk = FlowShape({"place": 1.0}, 20.0)
    journal = {
        ceiling.resource: ceiling.p50 for ceiling in predict_knee(calibration, bulk).ceilings
    }["journal"]
    single = {ceiling.resource: ceiling.p50 for ceiling in predict_knee(calibration, ONE).ceilings}[
        "journal"
    ]
    assert math.isfinite(journal)
    assert journal < single


def test_the_middle_is_not_moved_by_what_the_model_may_be_off() -> None:
    told = predict_knee(KnownNode().calibrated(), ONE, Surroundings())
    assert told.p50 == pytest.approx(told.ceilings[0].p50, rel=0.002)
    assert told.p95 / told.p50 == pytest.approx(math.exp(1.645 * MODEL_ERROR), rel=0.01)
    assert told.p50 / told.p5 == pytest.approx(math.exp(1.645 * MODEL_ERROR), rel=0.01)
