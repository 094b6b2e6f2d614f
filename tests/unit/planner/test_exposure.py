"""Positions under a price: triggers, dents, debts and lateness, by hand where a hand can."""

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from node.planner.course import course_of
from node.planner.exposure import Exposure, sides_of
from node.planner.lateness import RANKS, Late, lateness
from node.planner.model import pipeline_of
from node.planner.scenario import (
    Extent,
    Flow,
    MarketPath,
    Oracle,
    Positions,
    Risk,
    Scenario,
    Service,
)
from node.planner.tides import LIQUIDATE, run_hours

TENFOLD = Positions(
    open=1_000,
    notional=1_000.0,
    long_share=1.0,
    leverage=((10.0, 1.0),),
    maintenance=0.025,
    seasoned=0.0,
)
HOUR = Scenario(
    name="one",
    about="tenfold longs",
    extent=Extent(horizon_s=100.0, runs=3, knee_s=100.0),
    flow=Flow(rate_per_s=50.0, branching=(), decays_per_s=()),
    market=MarketPath(depth=1e12),
    positions=TENFOLD,
    risk=Risk(turn_ms=2.0, late_after_ms=500.0),
)


def run(scenario: Scenario, path: NDArray[np.float64]) -> tuple[Exposure, Late]:
    pipeline = pipeline_of(scenario)
    course, random = course_of(scenario, pipeline), np.random.default_rng(1)
    runs = scenario.extent.runs
    exposure = Exposure(scenario.positions, scenario.market, course, np.tile(path, (runs, 1)))
    ones, never = np.ones(runs), np.full(runs, -1)
    hours = run_hours(pipeline, ones, ones, never, random, course, exposure)
    return exposure, lateness(scenario, pipeline, course, exposure, hours, random)


def each_s(scenario: Scenario) -> float:
    """Return what a liquidation takes of the loop."""
    kinds = pipeline_of(scenario).kinds
    return next(kind.loop.moments.mean_s for kind in kinds if kind.name == LIQUIDATE)


def falling(to: float, at: int = 50, within: int = 1) -> NDArray[np.float64]:
    """Return a log path of 101 points that falls to the relative price ``to``."""
    path: NDArray[np.float64] = np.interp(np.arange(101.0), [at, at + within], [0.0, math.log(to)])
    return path


def test_a_position_is_liquidated_where_its_equity_meets_maintenance() -> None:
    """Tenfold: 0.1 of equity; at r = −(0.1 − 0.025)/0.975 = −7.69 % it is 2.5 % of what is left."""
    longs, shorts = sides_of(msgspec.structs.replace(TENFOLD, long_share=0.5))
    down, up = 0.075 / 0.975, 0.075 / 1.025
    assert longs.share(np.array([-math.log(1 - down) - 1e-6]))[0] < 0.01
    assert longs.share(np.array([-math.log(1 - down) + 1e-9]))[0] == pytest.approx(1)
    assert shorts.share(np.array([math.log(1 + up) + 1e-9]))[0] == pytest.approx(1)
    assert (longs.count, shorts.count) == (500, 500)


def test_bad_debt_is_what_lies_past_bankruptcy() -> None:
    longs, shorts = sides_of(msgspec.structs.replace(TENFOLD, long_share=0.5))
    at = np.array([-math.log(1 - 0.075 / 0.975)])
    assert longs.shortfall(at, -np.log([0.9]))[0] == pytest.approx(0.0, abs=1e-12)
    assert longs.shortfall(at, -np.log([0.85]))[0] == pytest.approx(0.05)
    at = np.array([math.log(1 + 0.075 / 1.025)])
    assert shorts.shortfall(at, np.log([1.25]))[0] == pytest.approx(0.15)


def test_a_fall_that_stops_short_of_the_triggers_sets_off_nothing() -> None:
    exposure, late = run(HOUR, falling(0.93))
    assert exposure.triggered.sum() == 0
    assert late.debt.sum() == 0


def test_a_fall_past_them_sets_off_everyone_once() -> None:
    path = falling(0.90, within=10)
    path[80:] = math.log(0.5)
    exposure, late = run(HOUR, path)
    assert (exposure.triggered.sum(axis=(0, 2)) == 1_000).all()
    assert exposure.executed.sum(axis=1) == pytest.approx(1_000)
    assert late.weight.sum() == pytest.approx(3_000)
    assert late.debt.sum() == 0


def test_a_jump_past_bankruptcy_costs_the_rest() -> None:
    """To 0.8 in one second: 20 % is lost, 10 % was there, so 10 % of 1,000 × 1,000 is due."""
    _, late = run(HOUR, falling(0.80))
    assert late.debt == pytest.approx(np.full(3, 100_000.0), rel=1e-6)


def test_a_liquidation_waits_for_its_mark_its_turn_and_its_lane() -> None:
    """A slow fall: one comes at a time, so the wait is the mark's age, evenly 0 … 250 ms."""
    spread = msgspec.structs.replace(TENFOLD, seasoned=0.02)
    scenario = msgspec.structs.replace(HOUR, positions=spread)
    _, late = run(scenario, falling(0.85, at=10, within=85))
    mean = float(np.average(late.delay_s, weights=late.weight))
    assert mean == pytest.approx(
        0.125 + 0.002 + float(np.average(late.wait_s, weights=late.weight)), rel=0.1
    )
    assert (late.delay_s <= 0.25 + 0.002 + late.wait_s + 1e-9).all()
    assert (late.delay_s >= 0.002).all()


def test_a_round_of_many_is_served_one_after_the_other() -> None:
    """A thousand at one mark, each as long as one takes: the last waits for 999 of them."""
    scenario = msgspec.structs.replace(HOUR, oracle=Oracle(interval_s=1.0))
    exposure, late = run(scenario, falling(0.88))
    found = exposure.triggered[0].max()
    assert found == 1_000
    waits = np.sort(late.wait_s.reshape(3, -1), axis=1)
    expected = RANKS * 1_000 * each_s(scenario)
    assert waits == pytest.approx(np.tile(expected, (3, 1)), rel=0.05)


@pytest.mark.parametrize("interval_s", [0.25, 1.0])
@pytest.mark.parametrize("liquidate_us", [100.0, 5e3])
def test_one_mark_for_all_behind_a_stall_is_one_queue(
    interval_s: float, liquidate_us: float
) -> None:
    """The thousand's last waits for 999, in a tenth of a second or in seven."""
    oracle = Oracle(interval_s=interval_s, stalls=((40.0, 70.0),))
    service = Service(liquidate_us=liquidate_us, round_us=0.0, scan_us_per_1000=0.0)
    scenario = msgspec.structs.replace(HOUR, oracle=oracle, service=service)
    _, late = run(scenario, falling(0.80, at=50, within=10))
    waits = np.sort(late.wait_s.reshape(3, -1), axis=1)
    expected = RANKS * 1_000 * each_s(scenario)
    assert waits == pytest.approx(np.tile(expected, (3, 1)), rel=0.05)


def test_what_is_not_served_within_the_horizon_waits_on() -> None:
    """Each takes more than a second: of the thousand at 51 s, some forty are begun on."""
    service = Service(liquidate_us=1e6, round_us=0.0, scan_us_per_1000=0.0)
    scenario = msgspec.structs.replace(HOUR, service=service, oracle=Oracle(interval_s=1.0))
    exposure, late = run(scenario, falling(0.88))
    assert exposure.executed[0].sum() == pytest.approx(49 / each_s(scenario), abs=3)
    waits = np.sort(late.wait_s.reshape(3, -1), axis=1)
    assert waits == pytest.approx(np.tile(RANKS * 1_000 * each_s(scenario), (3, 1)), rel=0.01)


def test_a_stall_makes_late_and_may_cost_money() -> None:
    stalled = msgspec.structs.replace(HOUR, oracle=Oracle(stalls=((40.0, 70.0),)))
    exposure, late = run(stalled, falling(0.80, at=50, within=10))
    # By the first mark behind it, that of 70 s.
    assert exposure.triggered[0, :, 69].sum() == 3_000
    assert late.delay_s.min() > 9
    assert late.debt.sum() > 0
    # In and out again while nobody looks: nobody is liquidated.
    path = falling(0.80, at=50, within=1)
    path[60:] = 0.0
    unseen, _ = run(stalled, path)
    assert unseen.triggered.sum() == 0


def test_what_is_sold_dents_the_price_and_sets_off_more() -> None:
    crowd = msgspec.structs.replace(TENFOLD, open=20_000, seasoned=0.02)
    deep = msgspec.structs.replace(HOUR, positions=crowd)
    thin = msgspec.structs.replace(
        deep, market=MarketPath(depth=2e5, depth_within=0.01, depth_recovery_s=60.0)
    )
    path = falling(0.97, within=20)
    calm, _ = run(deep, path)
    denting, _ = run(thin, path)
    assert denting.triggered.sum() > 1.5 * calm.triggered.sum() > 0
    assert denting.price.min() < calm.price.min() - 0.01


def test_shorts_are_liquidated_by_a_rise() -> None:
    shorts = msgspec.structs.replace(TENFOLD, long_share=0.0)
    exposure, late = run(msgspec.structs.replace(HOUR, positions=shorts), -falling(0.90))
    assert exposure.triggered[1].sum() == 3_000
    assert exposure.triggered[0].sum() == 0
    assert late.notional == pytest.approx(np.full(3, 1e6))


def test_longs_that_borrowed_nothing_are_never_liquidated() -> None:
    unlevered = msgspec.structs.replace(TENFOLD, leverage=((1.0, 1.0),))
    exposure, _ = run(msgspec.structs.replace(HOUR, positions=unlevered), falling(0.01))
    assert exposure.triggered.sum() == 0


def test_nobody_exposed_means_nobody_liquidated() -> None:
    nobody = msgspec.structs.replace(HOUR, positions=msgspec.structs.replace(TENFOLD, open=0))
    exposure, late = run(nobody, falling(0.1))
    assert exposure.triggered.sum() == 0
    assert late.weight.size == 0


def test_a_dip_between_two_rounds_is_not_counted_as_lateness() -> None:
    """The price is past the triggers for a second, back for a while, and past them for good."""
    path = falling(0.80, at=50, within=1)
    path[51] = math.log(0.80)
    path[52:70] = 0.0
    slow = msgspec.structs.replace(HOUR, oracle=Oracle(interval_s=4.0))
    exposure, late = run(slow, path)
    assert exposure.triggered[0].sum() == 3_000
    # The round at 52 s sees nothing, that at 72 s does; the price passed from 69 s to 70 s.
    assert (late.delay_s - late.wait_s).max() < 4.1
    assert (late.delay_s - late.wait_s).min() > 1.9


def test_a_book_far_too_thin_ends_no_plan() -> None:
    """Each sale moves the price by more than a float's exponent holds."""
    market = MarketPath(depth=1.0, depth_within=0.5)
    exposure, late = run(msgspec.structs.replace(HOUR, market=market), falling(0.90))
    assert np.isfinite(exposure.price).all()
    assert np.isfinite(late.debt).all()
