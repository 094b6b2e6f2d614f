"""What windows say to the planner: what is full, how often one wakes, what is below half."""

import math
from collections.abc import Sequence
from random import Random
from typing import cast

import msgspec
import pytest

from node.app.cli.verify_quiet import (
    BELOW,
    Quiet,
    Wanted,
    first_knee,
    predicted_below_half,
    undisturbed,
)
from node.app.cli.verify_windows import (
    around_of,
    at_one_speed,
    beside_strangers,
    knee_at_speed_of,
    strangers_at,
    strangers_in,
    utilization_of,
)
from node.planner.verification import slowed
from node.simulation.ramp.generator import TICK_S
from node.simulation.ramp.knee import SearchLimits
from node.simulation.ramp.machine import cores
from node.simulation.ramp.points import Delays, LanePoint, RampPoint
from node.simulation.ramp.ramp import Measured, Ramp
from node.types.errors import MeasurementInvalid
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


def test_l1_is_as_full_as_its_gate_refused_of_all_that_was() -> None:
    causes = {"GateClosed l1_in_flight": 25, "GateClosed l1_bytes": 5, "Overloaded lane_taking": 6}
    rejected = {"InsufficientCollateral": 7}
    lanes = {
        "taking": LanePoint(100, 60, 0, 36, 4, causes, {}),
        "reducing": LanePoint(10, 3, 7, 0, 0, rejected, {}),
    }
    point = msgspec.structs.replace(POINT, lanes=lanes)
    assert utilization_of(point)["l1"] == pytest.approx(30 / 40)
    assert utilization_of(POINT)["l1"] == 0.0


def test_what_the_disk_wrote_and_the_loop_waited_is_no_process_of_ours() -> None:
    shares = {"node": 0.8, "generator": 0.2, "event_loop": 0.95, "journal": 0.5}
    point = msgspec.structs.replace(POINT, utilization=shares, machine=1.3 / cores())
    assert strangers_at(point) == pytest.approx(0.3)


def test_a_generator_wakes_for_each_tick_in_which_something_is_due() -> None:
    ones = [measured(rate, rate / 2) for rate in (100.0, 200.0, 400.0)]
    # What it takes to send in clusters says nothing of how it sends at full load.
    cluster = msgspec.structs.replace(ones[0], wakes=1, generator_s=1.0)
    tick_s = TICK_S + WAKE_S

    def taken(rate: float) -> float:
        generator = around_of([*ones, cluster], ones, rate).beside["generator"]
        return generator.at({"second": 1.0, "command": rate})

    assert taken(500.0) == pytest.approx(WAKE_S * (1 - math.exp(-500 * tick_s)) / tick_s, rel=1e-6)
    assert taken(math.inf) == pytest.approx(WAKE_S / tick_s, rel=1e-6)


def test_what_lies_near_half_of_the_knee_or_above_is_left_out_of_it() -> None:
    rates = range(200, 2_000, 200)
    low = Quiet(
        ones=[measured(rate, rate / 40) for rate in rates],
        clusters=[measured(rate, rate / 80) for rate in rates],
    )
    too_high = measured(40_000.0, 1_000.0)
    for quiet in (
        Quiet([*low.ones, too_high], low.clusters),
        Quiet(low.ones, [too_high, *low.clusters]),
    ):
        seen, _, prediction = predicted_below_half(quiet, 8_000.0)
        assert seen == low
        assert max(one.point.offered_per_s for one in seen.all) <= BELOW * prediction.p50
        assert prediction.p50 > rates[-1] / BELOW


def test_a_generator_of_which_nothing_is_known_is_not_told_to_cost_nothing() -> None:
    with pytest.raises(MeasurementInvalid, match="one by one"):
        around_of([measured(100.0, 50.0)], [], 1_000.0)


def test_windows_of_a_slow_and_of_a_fast_machine_tell_the_same_node() -> None:
    plain = measured(400.0, 200.0)
    node = KnownNode()
    slow = msgspec.structs.replace(
        plain,
        window=slowed(node.window(400.0, 200.0, Random(1)), 1.5),
        generator_s=1.5 * plain.generator_s,
        beside_s={"ramp": 1.5 * 0.02},
    )
    windows = [
        msgspec.structs.replace(
            window, point=msgspec.structs.replace(window.point, yardstick_ms=yardstick_ms)
        )
        for window, yardstick_ms in ((plain, 2.0), (slow, 3.0))
    ]
    fast, same = at_one_speed(windows)
    assert fast.window.loop.busy_ns == pytest.approx(same.window.loop.busy_ns)
    assert fast.window.loop.busy_ns == pytest.approx(1.25 * plain.window.loop.busy_ns)
    assert fast.window.processes == pytest.approx(same.window.processes)
    assert [kind.total_ns for kind in fast.window.kinds] == pytest.approx(
        [kind.total_ns for kind in same.window.kinds]
    )
    assert fast.generator_s == pytest.approx(same.generator_s)
    assert fast.beside_s == pytest.approx(same.beside_s)
    # The clock and the disk have no part in it.
    assert fast.window.window_ns == plain.window.window_ns
    assert fast.window.journal == plain.window.journal


def test_windows_that_nobody_timed_stay_as_they_are() -> None:
    untimed = measured(400.0, 200.0)
    assert at_one_speed([untimed]) == [untimed]
    timed = msgspec.structs.replace(
        untimed, point=msgspec.structs.replace(untimed.point, yardstick_ms=2.0)
    )
    assert at_one_speed([untimed, timed]) == [untimed, timed]


def test_parts_keep_their_windows_and_their_order() -> None:
    windows = [
        msgspec.structs.replace(one, point=msgspec.structs.replace(one.point, yardstick_ms=speed))
        for one, speed in ((measured(100.0 * rate, 50.0), 1.0 + rate) for rate in range(1, 7))
    ]
    told = Quiet(windows[:2], windows[2:]).at_one_speed()
    assert [one.point.offered_per_s for one in told.ones] == [100.0, 200.0]
    assert [one.point.offered_per_s for one in told.clusters] == [300.0, 400.0, 500.0, 600.0]
    assert {one.point.yardstick_ms for one in told.all} == {4.5}


def test_a_first_knee_is_told_from_windows_at_one_speed() -> None:
    ones = [measured(rate, 0.8 * rate) for rate in (100.0, 200.0, 400.0, 600.0, 800.0)]
    clusters = [measured(rate, rate / 20) for rate in (400.0, 800.0, 1_200.0, 1_600.0, 2_000.0)]
    plain = first_knee(Quiet(ones, clusters)).p50

    def at(window: Measured, factor: float) -> Measured:
        return msgspec.structs.replace(
            window,
            point=msgspec.structs.replace(window.point, yardstick_ms=factor),
            window=slowed(window.window, factor),
            generator_s=window.generator_s * factor,
            beside_s={name: spent * factor for name, spent in window.beside_s.items()},
        )

    # By turns on a machine on which all takes half as long, and half as long again.
    moved = [at(window, 0.5 + place % 2) for place, window in enumerate([*ones, *clusters])]
    assert first_knee(Quiet(moved[:5], moved[5:])).p50 == pytest.approx(plain, rel=0.02)


def test_the_knee_at_one_speed_is_that_of_the_quiet_windows() -> None:
    quiet = [
        msgspec.structs.replace(one, point=msgspec.structs.replace(one.point, yardstick_ms=speed))
        for one, speed in ((measured(100.0, 50.0), 0.4), (measured(200.0, 50.0), 0.6))
    ]
    delays: Delays = {"p50": 1.0, "p99": 2.0, "p999": None}
    ramped = [
        RampPoint(rate, rate, goodput, delays, delays, {}, yardstick_ms=1.0)
        for rate, goodput in ((400.0, 400.0), (900.0, 500.0))
    ]
    # Twice as slow as the quiet hours: 400 were as hard as 800.
    found = knee_at_speed_of(quiet, ramped, SearchLimits())
    assert found == pytest.approx(math.sqrt(800.0 * 1_800.0))
    assert knee_at_speed_of([measured(100.0, 50.0)], ramped, SearchLimits()) is None


def test_strangers_hold_cores_beside_the_node() -> None:
    around = around_of([measured(100.0, 50.0)] * 3, [measured(100.0, 50.0)], 1_000.0)
    beside = beside_strangers(around, 0.4).beside
    assert beside["strangers"].at({"second": 1.0, "command": 500.0}) == 0.4
    assert {"generator", "ramp"} < set(beside)


class Measuring:
    """A ramp in which others take ``strangers`` of the machine, one window after the other."""

    def __init__(self, strangers: Sequence[float | None]) -> None:
        self._strangers = iter(strangers)

    async def measure(self, rate: float, *, cluster: int, window_s: float) -> Measured:
        """Return a window of two seconds at ``rate``, whatever was asked for."""
        del window_s
        window = measured(rate, rate / (2 * cluster))
        share = next(self._strangers)
        taken_s = None if share is None else share * cores() * window.window.window_ns / 1e9
        return msgspec.structs.replace(window, strangers_s=taken_s)


@pytest.mark.parametrize(
    ("strangers", "counts"),
    [
        ((0.01, 0.0), 0.01),
        ((0.3, 0.02), 0.02),
        ((0.3, 0.2, 0.0), 0.2),
        ((0.2, 0.3, 0.0), 0.2),
        ((None, 0.0), 0.0),
    ],
)
async def test_a_window_that_others_disturbed_is_measured_again_once(
    strangers: tuple[float | None, ...], counts: float
) -> None:
    window = await undisturbed(cast("Ramp", Measuring(strangers)), Wanted(100.0))
    assert strangers_in(window) == pytest.approx(counts)
