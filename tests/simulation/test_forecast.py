"""The forecast beside the laws, where the laws are exact; and beside what it must add up to."""

import math

import msgspec
import numpy as np
import pytest

from node.planner.conclude import conclude, notes_of
from node.planner.forecast import draw, weighted_quantiles
from node.planner.model import pipeline_of, with_laws
from node.planner.scenario import (
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
from node.planner.wording import load_told, number, rate_told, seconds, share

# The loop alone: quick signatures, a quick disk, an L1 that takes everything, nobody exposed.
LOOP = Scenario(
    name="loop",
    about="Poisson arrivals at one server with lanes",
    extent=Extent(horizon_s=300.0, runs=24, stretch_events=8_000, knee_runs=8, knee_s=60.0, seed=3),
    service=Service(
        workers=64,
        cores=0,
        idle_ms=0.0,
        commit_us=0.0,
        record_us=0.0,
        round_us=0.0,
        scan_us_per_1000=0.0,
    ),
    l1=Chain(block_s=1.0, block_gas=1e12, in_flight_max=500, inclusion=1.0, finality_blocks=8),
    batches=Batches(data_bytes_max=10_000_000, gas_max=1 << 24, commands_max=200_000),
    market=MarketPath(path="constant"),
    positions=Positions(open=0),
    flow=Flow(rate_per_s=3_000.0, branching=(), decays_per_s=()),
    kinds=(
        FlowKind("cancel", "reducing", 0.5, 100.0, 0.0, 0.0, 1.0),
        FlowKind("take", "taking", 0.5, 300.0, 1.0, 0.0, 1.0),
    ),
)


def at_load(load: float) -> Scenario:
    flow = msgspec.structs.replace(LOOP.flow, rate_per_s=load * 5_000)
    return msgspec.structs.replace(LOOP, flow=flow)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_lanes_wait_as_cobham_says(load: float) -> None:
    answer = conclude(at_load(load), draw(at_load(load)))
    assert answer.law.bottleneck == "loop"
    assert answer.law.load == pytest.approx(load, rel=1e-6)
    for name in ("reducing", "taking"):
        lane = next(lane for lane in answer.lanes if lane.name == name)
        assert lane.wait_mean_s == pytest.approx(lane.law_wait_mean_s, rel=0.12)
        assert lane.refused.p95 == 0


def test_rate_and_load_are_those_of_the_path() -> None:
    """A tenth of the limit, and nine times that for half of the time: a half of it on average."""
    quiet = at_load(0.1)
    flow = msgspec.structs.replace(quiet.flow, path=((0.0, 1.0), (150.0, 1.0), (150.001, 9.0)))
    moving = msgspec.structs.replace(quiet, flow=flow)
    answer, level = (conclude(one, draw(one)) for one in (moving, at_load(0.5)))
    assert answer.rate_per_s == pytest.approx(2_500)
    assert answer.rate_peak_per_s == pytest.approx(4_500)
    assert (answer.law.load, answer.law.load_peak) == pytest.approx((0.5, 0.9))
    arrived = sum(lane.arrived.p50 or 0.0 for lane in answer.lanes)
    # The node's own rounds are among them.
    assert arrived / 300 == pytest.approx(2_500 + 4, rel=0.01)
    for mine, other in zip(answer.lanes, level.lanes, strict=True):
        assert mine.law_wait_mean_s == pytest.approx(other.law_wait_mean_s)
    # Waits grow faster than the load, so a path waits longer than its mean rate does.
    taking = answer.lanes[-1]
    assert taking.wait_mean_s > 1.5 * taking.law_wait_mean_s
    assert rate_told(answer) == "2,500 actions/s on average, 4,500 at most"
    assert load_told(answer) == "50%, 90% at most"
    assert (rate_told(level), load_told(level)) == ("2,500 actions/s on average", "50%")


def test_what_comes_in_a_rush_counts_by_how_much_comes() -> None:
    """Half an hour at a fifth of the limit and half at four fifths: four items of five come then.

    Stretches begin evenly in time, and each is as many events long, so half of them are of a rush.
    """
    quiet = at_load(0.2)
    flow = msgspec.structs.replace(quiet.flow, path=((0.0, 1.0), (150.0, 1.0), (150.001, 4.0)))
    extent = msgspec.structs.replace(LOOP.extent, runs=80, stretch_events=4_000)
    rush = msgspec.structs.replace(quiet, flow=flow, extent=extent)
    taking = conclude(rush, draw(rush)).lanes[-1]
    waits = [conclude(one, draw(one)).lanes[-1].law_wait_mean_s for one in (quiet, at_load(0.8))]
    assert taking.wait_mean_s == pytest.approx(0.2 * waits[0] + 0.8 * waits[1], rel=0.15)
    assert taking.pooled_wait_p50_s > 2 * waits[0]


def test_the_knee_is_the_laws_limit() -> None:
    answer = conclude(at_load(0.5), draw(at_load(0.5)))
    assert answer.law.limit_per_s == pytest.approx(5_000)
    assert answer.knee.p5 is not None
    assert answer.knee.p95 is not None
    assert 5_000 * 0.98 < answer.knee.p5 <= answer.knee.p95 < 5_000 * 1.03


def test_own_work_is_not_there_for_others() -> None:
    """Two rounds a second of 100 ms each take a fifth of the loop."""
    service = msgspec.structs.replace(LOOP.service, round_us=100_000.0)
    oracle = msgspec.structs.replace(LOOP.oracle, interval_s=0.5)
    busy = msgspec.structs.replace(LOOP, service=service, oracle=oracle)
    assert pipeline_of(busy).limits_per_s()["loop"] == pytest.approx(4_000)
    drawn = draw(msgspec.structs.replace(busy, extent=LOOP.extent))
    assert np.median(drawn.knees_per_s) == pytest.approx(4_000, rel=0.04)


def test_more_accounts_cost_the_loop_and_a_slower_oracle_spares_it() -> None:
    plain = Scenario(name="a", about="b")
    crowd = msgspec.structs.replace(plain, positions=Positions(accounts=100_000))
    limits = [pipeline_of(one).limits_per_s()["loop"] for one in (plain, crowd)]
    slow = msgspec.structs.replace(
        crowd, oracle=msgspec.structs.replace(plain.oracle, interval_s=5)
    )
    assert limits[1] < limits[0]
    assert pipeline_of(slow).limits_per_s()["loop"] > limits[0]


def test_batches_that_fit_no_block_are_noted() -> None:
    dear = Scenario(name="a", about="b", l1=Chain(gas_price_gwei=300.0))
    assert "fee_cap" in notes_of(pipeline_of(dear))[0]
    assert pipeline_of(dear).limits_per_s()["l1"] == 0
    assert np.median(conclude(dear, draw(dear)).knee.p50 or 0.0) == 0
    tight = Scenario(name="a", about="b", l1=Chain(block_gas=1e5))
    assert "no batch fits" in notes_of(pipeline_of(tight))[0]
    assert pipeline_of(tight).limit().per_s == 0
    calm = Scenario(name="a", about="b")
    assert notes_of(pipeline_of(calm)) == []


def test_what_is_written_in_changes_nothing() -> None:
    calm = Scenario(name="a", about="b")
    told = with_laws(calm, None)
    assert pipeline_of(told).limits_per_s() == pytest.approx(pipeline_of(calm).limits_per_s())
    assert with_laws(told, None).service == told.service


def test_quantiles_are_weighted_and_by_run() -> None:
    values = np.array([1.0, 2.0, 9.0, 5.0])
    weights = np.array([1.0, 98.0, 1.5, 7.0])
    found = weighted_quantiles(values, weights, np.array([0, 0, 0, 2]), 3)
    assert found[0].tolist() == [2.0, 9.0]
    assert np.isnan(found[1]).all()
    assert found[2].tolist() == [5.0, 5.0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (math.nan, "–"),
        (0.0, "0"),
        (0.0123, "12.3 ms"),
        (2.5e-6, "2.5 µs"),
        (90.0, "90 s"),
    ],
)
def test_times_are_told_in_the_unit_that_suits_them(value: float | None, told: str) -> None:
    assert seconds(value) == told


def test_what_never_comes_is_said() -> None:
    assert seconds(math.inf) == "not within"
    assert number(math.inf) == "∞"
    assert (number(1234.5), number(0.5), share(0.125)) == ("1,234", "0.5", "12.50%")
