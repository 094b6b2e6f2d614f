"""Delays follow the law of the writer's turns."""

import pytest

from node.planner.responses import DelayPoint, fit_delays

KNEE = 8_000.0


def point(rate: float, still: float = 1.0, turn: float = 2.0) -> DelayPoint:
    stretch = 1 / (1 - rate / KNEE)
    return DelayPoint(rate, still + turn * stretch, 3 * (still + turn * stretch))


def test_the_law_is_found_again_and_holds_above_half_load() -> None:
    laws = fit_delays([point(rate) for rate in (100.0, 800.0, 1_600.0, 3_200.0)], KNEE)
    assert (laws.p50.still_ms, laws.p50.turn_ms) == pytest.approx((1.0, 2.0))
    assert laws.p50.at(0.8 * KNEE) == pytest.approx(1.0 + 2.0 / 0.2)
    assert laws.p99.at(0.6 * KNEE) == pytest.approx(3 * (1.0 + 2.0 / 0.4))


def test_delays_that_do_not_grow_are_still() -> None:
    laws = fit_delays([DelayPoint(rate, 4.0, 9.0) for rate in (100.0, 900.0, 3_000.0)], KNEE)
    assert laws.p50.at(0.8 * KNEE) == pytest.approx(4.0)


def test_delays_that_fall_are_not_carried_below_nothing() -> None:
    laws = fit_delays(
        [DelayPoint(r, 9.0 - r / 1_000, 20.0) for r in (100.0, 2_000.0, 4_000.0)], KNEE
    )
    assert laws.p50.turn_ms == 0.0
    assert laws.p50.at(7_900.0) > 0


@pytest.mark.parametrize("rate", [KNEE, 2 * KNEE, -1.0])
def test_nothing_is_told_from_the_knee_on(rate: float) -> None:
    laws = fit_delays([point(rate) for rate in (100.0, 800.0, 1_600.0)], KNEE)
    with pytest.raises(ValueError, match="below the knee"):
        laws.p50.at(rate)


def test_a_law_needs_points_below_the_knee() -> None:
    with pytest.raises(ValueError, match="needed"):
        fit_delays([point(100.0)], KNEE)
    with pytest.raises(ValueError, match="below"):
        fit_delays([point(100.0), point(200.0), DelayPoint(9_000.0, 1.0, 1.0)], KNEE)
