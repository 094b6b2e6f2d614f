"""Delays follow the law of the writer's turns."""

import pytest

from node.planner.responses import TURNS, DelayPoint, fit_delays, turn_ms
from tests.unit.planner.test_predict import KnownNode

KNEE = 8_000.0
TURN_MS = 0.8


def point(rate: float, p50_still: float = 1.0, p99_still: float = 4.0) -> DelayPoint:
    turn = TURN_MS / (1 - rate / KNEE)
    return DelayPoint(rate, p50_still + TURNS["p50"] * turn, p99_still + TURNS["p99"] * turn)


def test_what_is_seen_below_half_load_tells_the_delay_above_it() -> None:
    laws = fit_delays([point(rate) for rate in (100.0, 800.0, 3_200.0)], KNEE, TURN_MS)
    above = point(0.8 * KNEE)
    assert laws.p50.at(0.8 * KNEE) == pytest.approx(above.p50_ms)
    assert laws.p99.at(0.8 * KNEE) == pytest.approx(above.p99_ms)


def test_a_point_that_is_off_does_not_move_the_law() -> None:
    points = [point(rate) for rate in (100.0, 800.0, 1_600.0, 3_200.0)]
    hiccup = DelayPoint(50.0, 80.0, 400.0)
    assert fit_delays([*points, hiccup], KNEE, TURN_MS).p50.still_ms == pytest.approx(1.0)


def test_delays_that_fall_at_first_still_grow_towards_the_knee() -> None:
    # An idle machine sleeps: what wakes it waits longer than what comes while it is awake.
    falling = [DelayPoint(rate, 9.0 - rate / 1_000, 20.0) for rate in (100.0, 2_000.0, 4_000.0)]
    law = fit_delays(falling, KNEE, TURN_MS).p50
    assert law.at(7_000.0) > law.at(4_000.0) > law.at(100.0) > 0


def test_what_no_load_changes_is_never_below_nothing() -> None:
    quick = [DelayPoint(rate, 0.1, 0.2) for rate in (100.0, 800.0, 1_600.0)]
    assert fit_delays(quick, KNEE, TURN_MS).p99.still_ms == 0.0


@pytest.mark.parametrize("rate", [KNEE, 2 * KNEE, -1.0])
def test_nothing_is_told_from_the_knee_on(rate: float) -> None:
    laws = fit_delays([point(rate) for rate in (100.0, 800.0, 1_600.0)], KNEE, TURN_MS)
    with pytest.raises(ValueError, match="below the knee"):
        laws.p50.at(rate)


def test_a_law_needs_points_below_the_knee() -> None:
    with pytest.raises(ValueError, match="needed"):
        fit_delays([point(100.0)], KNEE, TURN_MS)
    with pytest.raises(ValueError, match="below"):
        fit_delays([point(100.0), point(200.0), DelayPoint(9_000.0, 1.0, 1.0)], KNEE, TURN_MS)


def test_a_turn_is_what_a_block_costs_before_anything_is_in_it() -> None:
    node = KnownNode()
    # Half of a block's loop time is making it; a commit is 250 us.
    assert turn_ms(node.calibrated()) == pytest.approx((node.block_us / 2 + 250) / 1_000, rel=0.05)
