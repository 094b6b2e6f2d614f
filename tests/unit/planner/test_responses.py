"""Delays grow with the load as those of a queue do."""

import math
from random import Random

import pytest

from node.planner.responses import DelayPoint, fit_delays

KNEE = 8_000.0
LOADS = (0.01, 0.05, 0.2, 0.3, 0.45)


def point(load: float, growth: tuple[float, float] = (8.0, 25.0)) -> DelayPoint:
    turns = load / (1 - load)
    return DelayPoint(load * KNEE, 2.0 + growth[0] * turns, 7.0 + growth[1] * turns)


def test_what_is_seen_below_half_load_tells_the_delay_above_it() -> None:
    laws = fit_delays([point(load) for load in LOADS], KNEE)
    above = point(0.8)
    assert laws.p50.at(0.8 * KNEE) == pytest.approx(above.p50_ms)
    assert laws.p99.at(0.8 * KNEE) == pytest.approx(above.p99_ms)


def test_it_tells_the_waiting_time_of_a_queue_whose_law_is_known() -> None:
    # M/M/1: the time in the system is exponential with mean s / (1 - load), s = 1 / knee.
    def delays(load: float) -> DelayPoint:
        mean_ms = 1_000 / (KNEE * (1 - load))
        return DelayPoint(load * KNEE, mean_ms * math.log(2), mean_ms * math.log(100))

    laws = fit_delays([delays(load) for load in LOADS], KNEE)
    for load in (0.3, 0.6, 0.8, 0.95):
        assert laws.p50.at(load * KNEE) == pytest.approx(delays(load).p50_ms)
        assert laws.p99.at(load * KNEE) == pytest.approx(delays(load).p99_ms)


@pytest.mark.parametrize("seed", range(5))
def test_points_that_scatter_move_the_law_by_less_than_their_own_error(seed: int) -> None:
    noise = Random(seed)
    points = [
        DelayPoint(p.rate, p.p50_ms * noise.uniform(0.85, 1.15), p.p99_ms)
        for load in LOADS
        for p in (point(load), point(load))
    ]
    found = fit_delays(points, KNEE).p50.at(0.8 * KNEE)
    assert found == pytest.approx(point(0.8).p50_ms, rel=0.2), f"seed {seed}"


def test_delays_that_fall_with_the_load_are_taken_as_still() -> None:
    # An idle machine sleeps: what wakes it waits longer than what comes while it is awake.
    falling = [DelayPoint(rate, 9.0 - rate / 1_000, 20.0) for rate in (100.0, 2_000.0, 3_000.0)]
    law = fit_delays(falling, KNEE).p50
    assert law.growth_ms == 0.0
    assert 6.0 <= law.at(7_000.0) <= 9.0


@pytest.mark.parametrize("rate", [KNEE, 2 * KNEE, -1.0])
def test_nothing_is_told_from_the_knee_on(rate: float) -> None:
    laws = fit_delays([point(load) for load in LOADS], KNEE)
    with pytest.raises(ValueError, match="below the knee"):
        laws.p50.at(rate)


def test_a_law_needs_enough_points_below_the_knee_and_some_well_above_nothing() -> None:
    with pytest.raises(ValueError, match="needed"):
        fit_delays([point(0.1)], KNEE)
    with pytest.raises(ValueError, match="below the knee"):
        fit_delays([point(0.1), point(0.2), DelayPoint(9_000.0, 1.0, 1.0)], KNEE)
    with pytest.raises(ValueError, match="15%"):
        fit_delays([point(0.01), point(0.02), point(0.1)], KNEE)
    with pytest.raises(ValueError, match="takes its time"):
        fit_delays([point(0.01), point(0.3), DelayPoint(100.0, 0.0, 1.0)], KNEE)
