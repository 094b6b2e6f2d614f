"""The Monte Carlo against the laws, against itself event by event, and against its own seed."""

import math

import msgspec
import numpy as np
import pytest

from node.planner.course import ordinary
from node.planner.events import run_stretch
from node.planner.montecarlo import (
    RUNS_PER_CHUNK,
    Outcome,
    Plan,
    knees_per_s,
    simulate,
    spread,
)
from node.planner.pipeline import Estimated, Gamma, Settlement
from node.planner.tides import Tide, run_hours
from node.planner.waiting import Load, priority_mean_waits_s
from tests.unit.planner.node_examples import BATCH, small_node

SHORT = Plan(runs=RUNS_PER_CHUNK + 5, duration_s=20.0, stretch_events=100, seed=11)


def same(one: Outcome, other: Outcome) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in Outcome.__struct_fields__
    )


def test_a_seed_gives_the_same_on_any_number_of_processes() -> None:
    node = small_node(2_000.0, branching=0.5)
    told: list[tuple[int, int]] = []
    alone = simulate(node, SHORT, progress=lambda done, runs: told.append((done, runs)))
    assert told == [(RUNS_PER_CHUNK, SHORT.runs), (SHORT.runs, SHORT.runs)]
    told.clear()
    abreast = simulate(
        node, SHORT, workers=2, progress=lambda done, runs: told.append((done, runs))
    )
    assert told[-1] == (SHORT.runs, SHORT.runs)
    assert same(alone, abreast)
    assert not same(alone, simulate(node, msgspec.structs.replace(SHORT, seed=12)))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_stretch_waits_as_long_as_the_law_of_lanes(load: float) -> None:
    """The stations before the loop are too quick to smooth its arrivals."""
    rate = 4_000.0 * load
    node = small_node(rate)
    node = msgspec.structs.replace(
        node, kinds=tuple(msgspec.structs.replace(k, verify=Gamma(0.0)) for k in node.kinds)
    )
    streams = zip(node.shares, node.kinds, strict=True)
    law = priority_mean_waits_s([Load(rate * share, k.loop.moments) for share, k in streams])
    means = []
    for seed in range(16):
        random = np.random.default_rng(seed)
        times, kinds = node.arrivals.draw(20_000 / rate, random)
        found = run_stretch(node, times, kinds, random)
        late = times > 0.1 * times[-1]
        means.append([found.wait_s[late & (found.lanes == lane)].mean() for lane in (0, 1)])
    error = np.std(means, axis=0, ddof=1) / math.sqrt(len(means))
    assert (np.abs(np.mean(means, axis=0) - law) < 3.5 * error).all()
    assert (error < 0.1 * np.array(law)).all()


def test_the_coarse_hour_agrees_with_the_events_past_the_knee() -> None:
    """At 1.2 times the limit for 20 s: 4,000 too many, of which a lane of 1,024 keeps a fourth."""
    node = small_node(4_800.0, limit=1_024)
    refused = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        times, kinds = node.arrivals.draw(20.0, random)
        found = run_stretch(node, times, kinds, random)
        gone = np.isnan(found.wait_s)
        assert not gone[found.lanes == 0].any()
        refused.append(gone[found.lanes == 1].sum())
    ones, never = np.ones(100), np.full(100, -1)
    course = ordinary(node, 80, 0.25)
    hours = run_hours(node, ones, ones, never, np.random.default_rng(5), course)
    assert (hours.refused[:, 0] == 0).all()
    # Each side's own spread is about 5 %.
    assert hours.refused[:, 1].mean() == pytest.approx(np.mean(refused), rel=0.1)
    assert hours.lane_peak.max() <= 1_024


@pytest.mark.parametrize("step_s", [0.02, 0.25, 1.0])
def test_the_coarse_flow_has_the_mean_and_the_bursts_of_the_exact_one(step_s: float) -> None:
    """Variance over windows of a second; branching 0.6 makes it up to 6.25 times Poisson's."""
    node = small_node(200.0, branching=0.6)
    random = np.random.default_rng(6)
    tide = Tide(node.arrivals, np.ones(400), step_s)
    per_second = round(1 / step_s)
    coarse = np.array(
        [sum(tide.advance(random).sum(axis=1) for _ in range(per_second)) for _ in range(40)]
    )
    times, _ = node.arrivals.draw(4_000.0, random)
    exact = np.bincount(times.astype(int), minlength=4_000)[10:]
    assert coarse.mean() == pytest.approx(200.0, rel=0.02)
    assert exact.mean() == pytest.approx(200.0, rel=0.03)
    assert coarse.var() == pytest.approx(exact.var(), rel=0.15)
    assert exact.var() > 4 * exact.mean()


def test_the_knee_is_found_where_the_law_puts_it() -> None:
    """Up to the share that a knee may lose, and what the loop leaves in its last lane."""
    knees = knees_per_s(small_node(1_000.0), Plan(runs=20, duration_s=120.0, seed=1))
    assert (knees > 4_000 * 0.99).all()
    assert (knees < 4_000 / 0.975).all()


def test_the_knee_is_as_uncertain_as_the_measurement() -> None:
    """Takers are timed a hundred times, so their mean is known to a tenth."""
    random = np.random.default_rng(3)
    sample = random.exponential(400e-6, 100)
    again = random.choice(sample, (200, sample.size)).mean(axis=1)
    variation = float(sample.std() / sample.mean())
    taking = Estimated(float(sample.mean()), variation, tuple(again.tolist()))
    node = small_node(1_000.0, taking=taking)
    low, middle, high = spread(knees_per_s(node, Plan(runs=100, duration_s=120.0, seed=2)))
    assert middle == pytest.approx(node.limit().per_s, rel=0.03)
    # The takers are 40 % of the loop's work and known to ±10 %: ±1.64·4 % of the knee.
    assert 0.08 < (high - low) / middle < 0.18


def test_a_full_chain_holds_back_the_knee() -> None:
    chain = Settlement(BATCH, in_flight_max=1, block_s=12.0)
    node = small_node(500.0, settlement=chain)
    assert node.limit().bottleneck == "l1"
    knees = knees_per_s(node, Plan(runs=20, duration_s=1_200.0, step_s=2.0, seed=4))
    # A share of 1 % and one block of a hundred may be left unposted.
    assert (knees > 20_000 / 12 * 0.99).all()
    assert (knees < 20_000 / 12 * 1.04).all()


def test_one_batch_in_ten_included_takes_ten_blocks_and_then_finality() -> None:
    chain = Settlement(BATCH, in_flight_max=10, block_s=12.0, inclusion_probability=0.1)
    node = small_node(20.0, settlement=chain)
    plan = Plan(runs=40, duration_s=3_600.0, step_s=2.0, stretch_events=100, seed=5)
    found = simulate(node, plan)
    quick = simulate(small_node(20.0), msgspec.structs.replace(plan, duration_s=600.0))
    assert 12 * 64 < np.median(quick.finality_p50_s) < 12 * 64 + 24
    assert np.median(found.finality_p50_s) > np.median(quick.finality_p50_s) + 12
    assert (found.finality_p99_s > found.finality_p50_s).all()


def test_what_an_hour_says_of_itself_adds_up() -> None:
    node = small_node(4_400.0, limit=500, branching=0.4)
    ones, never = np.ones(20), np.full(20, -1)
    course = ordinary(node, 100, 1.0)
    hours = run_hours(node, ones, ones, never, np.random.default_rng(7), course)
    held = hours.backlog_end + hours.committed[:, -1] + hours.refused.sum(axis=1)
    assert held == pytest.approx(hours.arrived.sum(axis=1))
    assert (hours.included <= hours.committed + 1e-6).all()
    assert (np.diff(hours.included, axis=1) >= 0).all()
    assert hours.in_flight_peak <= node.settlement.in_flight_max
    with pytest.raises(ValueError):
        run_hours(node, ones, ones, never, np.random.default_rng(8), ordinary(node, 1, 13.0))


def test_a_backlog_is_told_as_a_probability() -> None:
    found = simulate(
        small_node(4_040.0), Plan(runs=20, duration_s=60.0, stretch_events=500, seed=6)
    )
    low, middle, high = spread(found.backlog_peak)
    assert found.backlog_exceeds(0) == 1
    assert found.backlog_exceeds(float(middle)) == pytest.approx(0.5, abs=0.1)
    assert found.backlog_exceeds(math.inf) == 0
    assert low <= middle <= high
    # No one waits longer in the lane that goes first.
    assert (found.wait_p99_s[:, 0] < found.wait_p99_s[:, 1]).all()
    assert (found.refused_share[:, 0] == 0).all()


@pytest.mark.parametrize("load", [0.4, 0.7])
@pytest.mark.lengthy
def test_stretches_of_many_hours_wait_as_one_long_flow(load: float) -> None:
    """Bursts included: the state that a stretch starts from brings those that are under way."""
    rate = 4_000 * load
    node = small_node(rate, branching=0.5)
    found = simulate(node, Plan(runs=120, duration_s=300.0, stretch_events=4_000, seed=9))
    long = []
    for seed in range(4):
        random = np.random.default_rng(100 + seed)
        long.append(run_stretch(node, *node.arrivals.draw(150_000 / rate, random), random))
    for lane in (0, 1):
        waits = [np.quantile(whole.wait_s[whole.lanes == lane], 0.99) for whole in long]
        delays = [np.quantile(whole.delay_s[whole.lanes == lane], 0.5) for whole in long]
        # A bucket is 3.7 % wide, and a long flow's own p99 is good to 10 %.
        assert found.pooled_wait_s(lane, 0.99) == pytest.approx(np.mean(waits), rel=0.12)
        assert found.pooled_delay_s(lane, 0.5) == pytest.approx(np.mean(delays), rel=0.06)


def test_a_lane_without_items_has_no_quantile() -> None:
    node = small_node(100.0)
    spared = msgspec.structs.replace(node, lanes=(*node.lanes, node.lanes[0]))
    found = simulate(spared, Plan(runs=2, duration_s=10.0, stretch_events=50))
    assert math.isnan(found.pooled_wait_s(2, 0.5))
    assert np.isnan(found.wait_p50_s[:, 2]).all()


@pytest.mark.parametrize(
    "fault", [{"runs": 0}, {"duration_s": -1.0}, {"step_s": 0.0}, {"duration_s": 0.5}]
)
def test_a_plan_without_work_is_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        msgspec.structs.replace(SHORT, **fault)
