"""What windows say to the planner: what is full, how often one wakes, what is below half."""

import math
from random import Random

import msgspec
import pytest

from node.app.cli.verify_plan import HALF, predicted_below_half
from node.app.cli.verify_windows import around_of, utilization_of
from node.simulation.ramp.generator import TICK_S
from node.simulation.ramp.machine import cores
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import Measured
from tests.unit.planner.test_predict import KnownNode

POINT = RampPoint(1.0, 1.0, 1.0, {}, {}, {})
WAKE_S = 100e-6
SECONDS = 2.0


def measured(rate: float, blocks: float) -> Measured:
    """Return a window of a node whose costs are known, and of a generator that wakes at each."""
    wakes = round(SECONDS * rate)
    return Measured(
        point=msgspec.structs.replace(POINT, offered_per_s=rate),
        window=KnownNode().window(rate, blocks, Random(1)),
        generator_s=wakes * WAKE_S,
        wakes=wakes,
        beside_s={"ramp": 0.02},
        strangers_s=None,
    )


def test_a_machine_is_as_full_as_what_is_not_in_the_background_makes_it() -> None:
    shares = {"node": 0.8, "history": 0.3, "history_reader": 0.1}
    point = msgspec.structs.replace(POINT, utilization=shares, machine=0.95)
    assert utilization_of(point)["machine"] == pytest.approx(0.95 - 0.4 / cores())
    assert "machine" not in utilization_of(msgspec.structs.replace(point, machine=None))


def test_a_generator_wakes_for_each_tick_in_which_something_is_due() -> None:
    windows = [measured(rate, rate / 2) for rate in (100.0, 200.0, 400.0)]
    tick_s = TICK_S + WAKE_S

    def taken(rate: float) -> float:
        generator = around_of(windows, rate).beside["generator"]
        return generator.at({"second": 1.0, "command": rate})

    # Actions and wakes are one amount here, so that all of it goes by the action.
    assert taken(100.0) == pytest.approx(100 * WAKE_S, rel=0.01)
    apart = [msgspec.structs.replace(one, wakes=50, generator_s=50 * WAKE_S) for one in windows]
    generator = around_of(apart, math.inf).beside["generator"]
    assert generator.coefficient("second") == pytest.approx(WAKE_S / tick_s, rel=0.01)
    generator = around_of(apart, 500.0).beside["generator"]
    assert generator.coefficient("second") == pytest.approx(
        WAKE_S * (1 - math.exp(-500 * tick_s)) / tick_s, rel=0.01
    )


def test_what_lies_above_half_of_the_knee_is_left_out_of_it() -> None:
    low = [measured(rate, rate / 40) for rate in range(200, 2_000, 200)]
    seen, _, prediction = predicted_below_half([*low, measured(40_000.0, 1_000.0)], 8_000.0)
    assert seen == low
    assert max(one.point.offered_per_s for one in seen) <= HALF * prediction.p50
    assert prediction.p50 > 2 * low[-1].point.offered_per_s
