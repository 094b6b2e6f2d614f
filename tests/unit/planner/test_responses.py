"""Delays grow with what a server is busy for, as those of a queue do."""

import math
from random import Random

import pytest

from node.planner.responses import IDLE_FROM, QUANTILES, DelayPoint, fit_delays

KNEE = 8_000.0
LOADS = (0.01, 0.05, 0.2, 0.3, 0.34, 0.42)
IDLE = 0.4
FULL = 0.95


def waits_ms(quantile: float, busy: float, service_ms: float) -> float:
    """Return the quantile of the wait of M/M/1, by halving what its law says of it."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        above = busy * math.exp(-(1 - busy) * middle / service_ms)
        low, high = (middle, high) if above > 1 - quantile else (low, middle)
    return low


def point(
    load: float, service_ms: float = 1.5, idle: float = IDLE, full: float = FULL
) -> DelayPoint:
    """Return what is seen of a loop that idles for ``idle`` of what its load leaves it."""
    busy = full - idle * (1 - load)
    delays = {name: 3.0 + waits_ms(q, busy, service_ms) for name, q in QUANTILES.items()}
    return DelayPoint(load * KNEE, busy, delays)


def test_what_is_seen_below_half_load_tells_the_delay_above_it() -> None:
    laws = fit_delays([point(load) for load in LOADS], KNEE, FULL)
    assert laws.idle == pytest.approx(IDLE)
    for load in (0.3, 0.6, 0.8, 0.95):
        assert laws.at(load) == pytest.approx(point(load).delay_ms)
    assert laws.quantiles["p99"].growth_ms == pytest.approx(1.5)


def test_a_queue_that_pays_for_every_action_alike_is_one_too() -> None:
    # M/M/1 itself: it idles for just what its load leaves, and at a low one nobody in two waits.
    laws = fit_delays([point(load, idle=1.0, full=1.0) for load in LOADS], KNEE, 1.0)
    assert laws.at(0.4)["p50"] == pytest.approx(3.0, rel=0.01)
    assert laws.at(0.4)["p99"] == pytest.approx(
        point(0.4, idle=1.0, full=1.0).delay_ms["p99"], rel=0.01
    )


def test_the_idle_time_is_read_where_it_falls_in_one_line() -> None:
    # Below, each action pays for a block of its own: the loop is busier than the line says.
    low = [
        DelayPoint(load * KNEE, 4 * load, {"p50": 3.0, "p99": 9.0}) for load in (0.02, 0.1, 0.15)
    ]
    high = [point(load) for load in (0.3, 0.34, 0.42)]
    assert fit_delays([*low, *high], KNEE, FULL).idle == pytest.approx(IDLE)


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
    assert laws.quantiles["p50"].growth_ms == 0.0
    assert 6.0 <= laws.at(0.9)["p50"] <= 9.0


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
