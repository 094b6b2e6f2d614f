"""Delays grow with what a server is busy for, as those of a queue do."""

import math
from random import Random

import pytest

from node.planner.responses import GATHERED, IDLE_FROM, TAIL, TOLD_FROM, DelayPoint, fit_delays

KNEE = 8_000.0
LOADS = (0.01, 0.05, 0.2, 0.3, 0.34, 0.42)
FALL = 2.5
FULL = 0.95


def wait_ms(quantile: float, busy: float, service_ms: float) -> float:
    """Return the quantile of the wait of M/M/1, by halving what its law says of it."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        above = busy * math.exp(-(1 - busy) * middle / service_ms)
        low, high = (middle, high) if above > 1 - quantile else (low, middle)
    return low


def turn_ms(utilization: float, first_ms: float) -> float:
    """Return how long a turn lasts that begins with ``first_ms``, by what comes in each next part.

    While the first part is worked off, more comes, and while that is, more again.
    """
    total, part = 0.0, first_ms
    while part > 1e-9 * first_ms:
        total += part
        part *= utilization
    return total


def point(load: float, *, service_ms: float = 1.5, first_ms: float = 4.0) -> DelayPoint:
    """Return what is seen of a loop whose idle time falls by e^``FALL`` up to the knee."""
    busy = 1 - (1 - FULL) * math.exp(FALL * (1 - load))
    delays = {
        "p50": 2.0 + turn_ms(GATHERED * load, first_ms) - first_ms,
        "p99": 3.0 + wait_ms(TAIL, busy, service_ms),
    }
    return DelayPoint(load * KNEE, busy, delays)


def test_what_is_seen_below_half_load_tells_the_delay_above_it() -> None:
    laws = fit_delays([point(load) for load in LOADS], KNEE, FULL)
    assert laws.fall == pytest.approx(FALL)
    for load in (0.3, 0.6, 0.8, 0.95):
        assert laws.at(load) == pytest.approx(point(load).delay_ms)
    assert laws.p50.growth_ms == pytest.approx(4.0)
    assert laws.p99.growth_ms == pytest.approx(1.5)


def test_where_less_than_one_in_a_hundred_waits_the_tail_is_what_no_load_changes() -> None:
    # By the formula without its lower bound, so idle a loop would make a tail that much shorter.
    idle = [DelayPoint(10.0, 0.0001, {"p50": 2.0, "p99": 3.0}) for _ in range(20)]
    laws = fit_delays([*idle, *(point(load) for load in LOADS)], KNEE, FULL)
    assert (laws.p99.still_ms, laws.p99.growth_ms) == pytest.approx((3.0, 1.5))


def test_the_idle_time_is_read_where_its_logarithm_falls_in_one_line() -> None:
    # Below, each action pays for a block of its own, and the loop is as busy as that makes it.
    low = [
        DelayPoint(load * KNEE, 4 * load, {"p50": 3.0, "p99": 9.0}) for load in (0.02, 0.1, 0.15)
    ]
    high = [point(load) for load in (0.3, 0.34, 0.42)]
    assert fit_delays([*low, *high], KNEE, FULL).fall == pytest.approx(FALL)


@pytest.mark.parametrize("seed", range(5))
def test_points_that_scatter_move_the_law_by_less_than_their_own_error(seed: int) -> None:
    noise = Random(seed)
    points = [
        DelayPoint(
            p.rate,
            p.busy,
            {name: ms * noise.uniform(0.85, 1.15) for name, ms in p.delay_ms.items()},
        )
        for load in LOADS
        for p in (point(load), point(load))
    ]
    found, told = fit_delays(points, KNEE, FULL).at(0.8), point(0.8).delay_ms
    assert found == pytest.approx(told, rel=0.25), f"seed {seed}"


def test_delays_that_fall_with_the_load_are_taken_as_still() -> None:
    # An idle machine sleeps: what wakes it waits longer than what comes while it is awake.
    falling = [
        DelayPoint(rate, rate / KNEE, {"p50": 9.0 - rate / 1_000, "p99": 20.0})
        for rate in (100.0, 2_000.0, 3_000.0)
    ]
    laws = fit_delays(falling, KNEE, FULL)
    assert laws.p50.growth_ms == 0.0
    assert 6.0 <= laws.at(0.9)["p50"] <= 9.0


def test_a_loop_that_is_idle_below_is_not_told_to_be_more_than_idle() -> None:
    idle = [DelayPoint(load * KNEE, 0.0, {"p50": 3.0, "p99": 9.0}) for load in (0.1, 0.3, 0.42)]
    laws = fit_delays(idle, KNEE, FULL)
    assert (1 - FULL) * math.exp(laws.fall * (1 - TOLD_FROM)) == pytest.approx(1.0)


@pytest.mark.parametrize("load", [1.0, 2.0, -1.0, 0.1, math.nan])
def test_nothing_is_told_from_the_knee_on_nor_far_below_it(load: float) -> None:
    laws = fit_delays([point(load) for load in LOADS], KNEE, FULL)
    with pytest.raises(ValueError, match="of the knee"):
        laws.at(load)


def test_a_law_needs_enough_points_below_the_knee_and_some_well_above_nothing() -> None:
    with pytest.raises(ValueError, match="needed"):
        fit_delays([point(0.1)], KNEE, FULL)
    with pytest.raises(ValueError, match="below the knee"):
        fit_delays([point(0.1), point(0.2), DelayPoint(9_000.0, 0.9, {})], KNEE, FULL)
    with pytest.raises(ValueError, match=f"{IDLE_FROM:.0%}"):
        fit_delays([point(0.01), point(0.02), point(0.2)], KNEE, FULL)
    with pytest.raises(ValueError, match="takes its time"):
        fit_delays([point(0.01), point(0.3), DelayPoint(1.0, 0.1, {"p50": 0.0})], KNEE, FULL)


def test_a_window_that_was_never_idle_tells_a_law_all_the_same() -> None:
    full = DelayPoint(0.4 * KNEE, 1.1, {"p50": 9.0, "p99": 30.0})
    assert math.isfinite(fit_delays([point(0.1), point(0.3), full], KNEE, FULL).at(0.8)["p99"])
