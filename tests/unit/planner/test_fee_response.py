"""The price settles inside the condition, swings outside of it, and comes back in minutes."""

from math import e

import pytest

from node.capacity.pricing import MEMORY_S, Window
from node.planner.fee_response import (
    STABLE_BELOW,
    Demand,
    gain,
    loop_gain,
    step_response,
)
from node.types.fees import FeeRules
from node.types.units import Money, Ppm

RULES = FeeRules(floor=Money(1_000), ceiling=Money(10_000_000))
SHORT = 400
"""Seconds of the rush that are looked at: five time constants of the fast windows."""


def demand(elasticity: float, delay_s: float) -> Demand:
    return Demand(elasticity, delay_s, rush_until_s=SHORT, seconds=SHORT)


def test_the_gain_of_one_window_is_one_over_its_length() -> None:
    assert gain((Window(5, Ppm(900_000)),)) == pytest.approx(0.2)
    assert loop_gain(Demand(1.0, 5.0), (Window(5, Ppm(900_000)),)) == pytest.approx(1.0)
    assert gain() == pytest.approx(0.246, abs=0.001)


@pytest.mark.parametrize(
    ("elasticity", "delay_s"), [(1.0, 2.0), (0.5, 5.0), (2.0, 2.0), (1.0, 5.0)]
)
def test_inside_the_condition_the_price_settles(elasticity: float, delay_s: float) -> None:
    case = demand(elasticity, delay_s)
    assert loop_gain(case) < STABLE_BELOW
    response = step_response(case, RULES)
    assert response.swing(300, SHORT) < 0.02
    late = response.load[response.time_s >= 300]
    assert 0.6 < late.min() <= late.max() < 1.0


@pytest.mark.parametrize(("elasticity", "delay_s"), [(1.0, 12.0), (2.0, 8.0), (4.0, 5.0)])
def test_outside_the_condition_it_swings(elasticity: float, delay_s: float) -> None:
    case = demand(elasticity, delay_s)
    assert loop_gain(case) > 1.5 * STABLE_BELOW
    response = step_response(case, RULES)
    assert response.swing(200, 300) > 1.0
    assert response.swing(300, SHORT) > 1.0


def test_well_inside_there_is_no_overshoot() -> None:
    """But for what the bounded change adds while the price climbs: less than a tenth."""
    case = demand(1.0, 1.0)
    assert loop_gain(case) < 1 / e
    response = step_response(case, RULES)
    settled = float(response.price[-1])
    assert float(response.price.max()) < 1.1 * settled


def test_after_the_rush_the_price_is_at_its_floor_within_minutes() -> None:
    response = step_response(Demand(1.0, 2.0), RULES)
    assert float(response.price.max()) > 2
    assert response.recovery_s(660) < MEMORY_S


def test_from_a_collapse_a_rush_finds_its_price_within_a_minute() -> None:
    idle = Demand(1.0, 2.0, calm=0.0, rush_from_s=600, rush_until_s=700, seconds=700)
    response = step_response(idle, RULES)
    assert float(response.price[(response.time_s < 600)].max()) == 1.0
    assert float(response.load[response.time_s >= 660].max()) < 1.0
