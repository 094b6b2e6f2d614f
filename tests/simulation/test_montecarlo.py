"""The Monte Carlo against the laws, against itself event by event, and against its own seed."""

import math

import msgspec
import numpy as np
import pytest

from node.planner.answer import band
from node.planner.chunks import RUNS_PER_CHUNK, Processes
from node.planner.conclude import conclude
from node.planner.course import ordinary
from node.planner.events import run_stretch
from node.planner.forecast import Drawn, draw
from node.planner.knees import Plan, knees_per_s
from node.planner.pipeline import Estimated, Gamma, Settlement
from node.planner.scenario import (
    LANES,
    Batches,
    Chain,
    Extent,
    Flow,
    FlowKind,
    MarketPath,
    Positions,
    Scenario,
    Service,
)
from node.planner.tides import Tide, run_hours
from node.planner.waiting import Load, priority_mean_waits_s
from tests.unit.planner.node_examples import BATCH, small_node

# What ``small_node`` is, as a scenario: a loop of 4,000/s and nobody who is exposed.
SHORT = Scenario(
    name="short",
    about="a small node",
    extent=Extent(
        horizon_s=20.0,
        stretch_events=100,
        knee_runs=2,
        knee_s=20.0,
        runs=RUNS_PER_CHUNK + 5,
        seed=11,
    ),
    service=Service(
        workers=2,
        cores=0,
        idle_ms=0.0,
        commit_us=200.0,
        records_max=64,
        round_us=0.0,
        scan_us_per_1000=0.0,
    ),
    l1=Chain(block_s=1.0, block_gas=1e12, in_flight_max=500, inclusion=1.0),
    batches=Batches(data_bytes_max=10_000_000, gas_max=1 << 24, commands_max=200_000),
    market=MarketPath(path="constant"),
    positions=Positions(open=0),
    flow=Flow(rate_per_s=2_000.0, branching=(0.5,), decays_per_s=(20.0,)),
    kinds=(
        FlowKind("cancel", "reducing", 0.75, 200.0, 0.0, 40.0, 1.0),
        FlowKind("take", "taking", 0.25, 400.0, 1.0, 40.0, 1.0),
    ),
)
URGENT, LAST = LANES.index("reducing"), LANES.index("taking")


def with_keys(scenario: Scenario, **sections: dict[str, object]) -> Scenario:
    replace = msgspec.structs.replace
    changed = {name: replace(getattr(scenario, name), **keys) for name, keys in sections.items()}
    return replace(scenario, **changed)


def same(one: Drawn, other: Drawn) -> bool:
    return np.array_equal(one.knees_per_s, other.knees_per_s) and all(
        np.array_equal(values, other.columns[name], equal_nan=True)
        for name, values in one.columns.items()
    )


def test_a_seed_gives_the_same_on_any_number_of_processes() -> None:
    told: list[tuple[int, int]] = []
    alone = draw(SHORT, progress=lambda done, runs: told.append((done, runs)))
    assert told == [(2, 257), (252, 257), (257, 257)]
    assert same(alone, draw(SHORT, crew=Processes(2)))
    assert not same(alone, draw(with_keys(SHORT, extent={"seed": 12})))


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
    knee = band(knees_per_s(node, Plan(runs=100, duration_s=120.0, seed=2)))
    assert knee.p5 is not None
    assert knee.p50 == pytest.approx(node.limit().per_s, rel=0.03)
    assert knee.p95 is not None
    # The takers are 40 % of the loop's work and known to ±10 %: ±1.64·4 % of the knee.
    assert 0.08 < (knee.p95 - knee.p5) / node.limit().per_s < 0.18


def test_a_full_chain_holds_back_the_knee() -> None:
    chain = Settlement(BATCH, in_flight_max=1, block_s=12.0)
    node = small_node(500.0, settlement=chain)
    assert node.limit().bottleneck == "l1"
    knees = knees_per_s(node, Plan(runs=20, duration_s=1_200.0, step_s=2.0, seed=4))
    # A share of 1 % and one block of a hundred may be left unposted.
    assert (knees > 20_000 / 12 * 0.99).all()
    assert (knees < 20_000 / 12 * 1.04).all()


@pytest.mark.parametrize(
    ("in_flight", "inclusion", "of_law"),
    [(4, 0.5, 1.0), (50, 0.5, 1.0), (50, 0.8, 1.0), (300, 0.8, 0.84)],
)
def test_a_chain_by_lot_carries_what_its_law_says(
    in_flight: int, inclusion: float, of_law: float
) -> None:
    """Whether slots bind or room: what is in flight without a block is not carried.

    With hundreds of slots batches are sealed before they are full, and take the room of full ones.
    """
    batch = msgspec.structs.replace(BATCH, items=2_000)
    chain = Settlement(
        batch, in_flight_max=in_flight, block_s=12.0, inclusion_probability=inclusion
    )
    node = small_node(500.0, settlement=chain)
    law = 2_000 * inclusion * min(in_flight, batch.per_block()) / 12.0
    assert node.limit().per_s == pytest.approx(law)
    assert node.limit().bottleneck == "l1"
    knees = knees_per_s(node, Plan(runs=16, duration_s=24_000.0, step_s=12.0, seed=4))
    assert np.median(knees) == pytest.approx(of_law * law, rel=0.04)


def test_one_block_in_ten_takes_ten_blocks_and_then_finality() -> None:
    quick = with_keys(
        SHORT,
        extent={"horizon_s": 600.0, "step_s": 2.0, "runs": 40, "seed": 5},
        l1={"block_s": 12.0, "in_flight_max": 10},
        batches={"age_s": 3_600.0},
        flow={"rate_per_s": 20.0, "branching": (), "decays_per_s": ()},
    )
    slow = with_keys(quick, extent={"horizon_s": 3_600.0}, l1={"inclusion": 0.1})
    ordinary_s = float(np.median(draw(quick).columns["finality_p50_s"]))
    found = draw(slow).columns
    assert 12 * 64 < ordinary_s < 12 * 64 + 24
    assert np.median(found["finality_p50_s"]) > ordinary_s + 12
    assert (found["finality_p99_s"] > found["finality_p50_s"]).all()


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


def test_what_is_in_flight_is_not_posted() -> None:
    """On an L1 that takes nothing, two batches are in flight and all else waits behind them."""
    batch = msgspec.structs.replace(BATCH, items=2_000)
    shut = Settlement(batch, in_flight_max=2, block_s=12.0, sends=False)
    node = small_node(500.0, settlement=shut)
    ones, never = np.ones(5), np.full(5, -1)
    hours = run_hours(node, ones, ones, never, np.random.default_rng(7), ordinary(node, 100, 1.0))
    assert hours.unposted_end == pytest.approx(hours.committed[:, -1])
    assert hours.unposted_peak == pytest.approx(hours.unposted_end, rel=0.05)
    assert hours.in_flight_peak == 2


def test_the_lane_that_goes_first_waits_least_past_the_knee() -> None:
    past = with_keys(
        SHORT,
        extent={"horizon_s": 60.0, "runs": 20, "stretch_events": 500},
        flow={"rate_per_s": 4_200.0},
    )
    found = draw(past).columns
    assert (found["wait_p99_s"][:, URGENT] < found["wait_p99_s"][:, LAST]).all()
    assert (found["refused_lane"][:, URGENT] == 0).all()


@pytest.mark.parametrize("load", [0.4, 0.7])
@pytest.mark.lengthy
def test_stretches_of_many_hours_wait_as_one_long_flow(load: float) -> None:
    """Bursts included: the state that a stretch starts from brings those that are under way."""
    rate = 4_000 * load
    scenario = with_keys(
        SHORT,
        extent={"horizon_s": 300.0, "runs": 120, "stretch_events": 4_000, "seed": 9},
        flow={"rate_per_s": rate},
    )
    drawn = draw(scenario)
    answer, node = conclude(scenario, drawn), drawn.pipeline
    long = []
    for seed in range(4):
        random = np.random.default_rng(100 + seed)
        long.append(run_stretch(node, *node.arrivals.draw(150_000 / rate, random), random))
    for lane in (URGENT, LAST):
        waits = [np.quantile(whole.wait_s[whole.lanes == lane], 0.99) for whole in long]
        delays = [np.quantile(whole.delay_s[whole.lanes == lane], 0.5) for whole in long]
        # A bucket is 3.7 % wide, and a long flow's own p99 is good to 10 %.
        assert answer.lanes[lane].pooled_wait_p99_s == pytest.approx(np.mean(waits), rel=0.12)
        assert answer.lanes[lane].pooled_delay_p50_s == pytest.approx(np.mean(delays), rel=0.06)


def test_a_lane_without_items_has_no_quantile() -> None:
    few = with_keys(SHORT, extent={"runs": 2})
    resting = conclude(few, draw(few)).lanes[LANES.index("resting")]
    assert math.isnan(resting.pooled_wait_p50_s)
    assert resting.wait_p50_s.p50 is None


@pytest.mark.parametrize(
    "fault", [{"runs": 0}, {"duration_s": -1.0}, {"step_s": 0.0}, {"duration_s": 0.5}]
)
def test_a_plan_without_work_is_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        msgspec.structs.replace(Plan(runs=1, duration_s=1.0), **fault)
