"""The verdict says what was right and what was not, and windows add up to reads."""

from random import Random

import msgspec
import pytest

from node.capacity.telemetry import JournalCounters, KindCounters, LoopCounters
from node.planner.predict import Ceiling, Prediction
from node.planner.verification import (
    MixVerdict,
    busiest,
    delay_check,
    rejoined,
    slowed,
    verdict_of,
)
from tests.unit.planner.telemetry_examples import EMPTY
from tests.unit.planner.test_predict import KnownNode

PREDICTION = Prediction(
    900.0, 1_000.0, 1_100.0, "event_loop", "machine", (Ceiling("event_loop", 900, 1_000, 1_100),)
)


def verdict(measured: float, prediction: Prediction = PREDICTION) -> MixVerdict:
    return verdict_of(
        "single",
        prediction,
        1_000.0,
        (measured * 0.98, measured, measured * 1.02),
        {"event_loop": 0.97, "machine": 0.7},
        (),
        calibrated_below=0.44,
        loop_below=0.68,
        windows=12,
        strangers=0.0,
        at_same_speed=measured * 1.25,
    )


@pytest.mark.parametrize(
    ("measured", "error", "holds", "inside"),
    [
        (1_000.0, 0.0, True, True),
        (1_080.0, -0.074, True, True),
        (890.0, 0.1236, False, False),
        (1_200.0, -0.1667, False, False),
    ],
)
def test_the_error_is_of_the_prediction(
    measured: float, error: float, holds: bool, inside: bool
) -> None:
    found = verdict(measured)
    assert found.error_ratio == pytest.approx(error, abs=1e-3)
    assert (found.holds, found.inside) == (holds, inside)
    assert (found.bottleneck.predicted, found.bottleneck.measured) == ("event_loop", "event_loop")


def test_what_saw_more_than_half_load_is_no_prediction() -> None:
    found = msgspec.structs.replace(verdict(1_000.0), calibrated_below=0.51)
    assert found.error_ratio == 0.0
    assert not found.holds


def test_a_knee_outside_of_its_interval_was_not_predicted() -> None:
    narrow = msgspec.structs.replace(PREDICTION, p5=970.0, p95=1_030.0)
    found = verdict(1_050.0, narrow)
    assert found.is_close
    assert not found.inside
    assert not found.holds


def test_a_prediction_far_too_low_does_not_hold_though_its_interval_is_wide() -> None:
    wide = msgspec.structs.replace(PREDICTION, p95=2_000.0)
    found = verdict(1_250.0, wide)
    assert found.inside
    assert not found.is_close
    assert not found.holds


def test_all_that_processors_did_slows_down_and_its_spread_with_it() -> None:
    window = msgspec.structs.replace(
        EMPTY,
        kinds=(KindCounters("place", 2, 2, 0, total_ns=300, square_ns2=50_000),),
        loop=LoopCounters(busy_ns=400, elapsed_ns=9_000, turns=2, waited_ns=20),
        processes={"node": 500},
        journal=JournalCounters(1, 1, 70),
    )
    told = slowed(window, 2.0)
    assert (told.kinds[0].total_ns, told.kinds[0].square_ns2) == (600, 200_000)
    assert (told.loop.busy_ns, told.loop.waited_ns, told.loop.elapsed_ns) == (800, 40, 9_000)
    assert (told.processes, told.journal.total_ns) == ({"node": 1_000}, 70)


def test_a_machine_that_slowed_down_is_told_from_a_wrong_law() -> None:
    # A quarter more time for the same work: of 1,000 predicted, 800 are what it can be.
    found = verdict(800.0)
    assert found.error_ratio == pytest.approx(0.25)
    assert found.error_at_same_speed == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("utilization", "full"),
    [
        ({"event_loop": 0.99, "verification_0": 0.6, "machine": 0.7, "node": 1.2}, "event_loop"),
        ({"event_loop": 0.8, "verification_0": 0.97, "machine": 0.75}, "verification"),
        ({"event_loop": 0.8, "verification_0": 0.7, "machine": 0.99}, "machine"),
        ({"event_loop": 0.95, "verification_0": 0.4, "machine": 0.85}, "event_loop"),
        ({"event_loop": 0.8, "generator": 0.9}, "event_loop"),
        ({"event_loop": 0.8, "verification_0": 0.97, "verification_1": 0.2}, "verification"),
        ({"event_loop": 0.7, "history": 0.9, "machine": 0.7}, "event_loop"),
        ({"event_loop": 0.6, "verification_0": 0.4, "journal": 0.98, "l1": 0.0}, "journal"),
        ({"event_loop": 0.97, "journal": 0.1, "l1": 0.3, "machine": 0.7}, "event_loop"),
        ({"event_loop": 0.97, "journal": 0.1, "l1": 0.9, "machine": 0.99}, "l1"),
        ({}, "unknown"),
    ],
)
def test_what_was_full_is_named_like_what_was_predicted(
    utilization: dict[str, float], full: str
) -> None:
    assert busiest(utilization) == full


def test_delays_are_compared_where_both_are_known() -> None:
    check = delay_check(0.6, 600.0, {"p50": 4.0, "p99": 12.0}, {"p50": 5.0, "p999": 90.0})
    assert check.error_ratio == {"p50": pytest.approx(-0.2)}


def test_windows_become_reads_whose_differences_they_are() -> None:
    random = Random(3)
    windows = [KnownNode().window(rate, rate / 2, random) for rate in (100.0, 300.0, 50.0)]
    reads = rejoined(windows)
    assert len(reads) == 4
    for place, window in enumerate(windows):
        found = reads[place + 1].since(reads[place])
        assert found.window_ns == window.window_ns
        assert (found.kinds, found.blocks, found.loop) == (window.kinds, window.blocks, window.loop)
        assert found.processes == window.processes
        assert found.cores == window.cores
    assert rejoined([]) == []
