"""What a ramp tells of the windows that it measured."""

import msgspec
import pytest

from node.simulation.ramp.knee import Knee
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import Delays, LanePoint, Liquidations, RampPoint
from node.simulation.ramp.report import mix_report

KNEE = Knee(100, 98, 102)
WAITED = Liquidations(proposed=7, wait_ms={"p50": 0.1, "p99": 0.2, "p999": 0.2})


def point(share: float, goodput_per_s: float, refused: str | None = None) -> RampPoint:
    delays: Delays = {"p50": 1.0, "p99": 2.0, "p999": 3.0}
    lanes = {refused: LanePoint(9, 5, 0, 4, 0, {}, delays)} if refused else {}
    return RampPoint(100 * share, 100 * share, goodput_per_s, delays, delays, lanes, share=share)


def test_of_several_windows_the_middle_one_is_shown_and_the_others_are_kept() -> None:
    first = point(1.0, 90.0, "resting")
    measured = [
        point(0.5, 50.0),
        msgspec.structs.replace(first, liquidations=WAITED),
        point(2.0, 70.0),
        point(1.0, 100.0),
        point(2.0, 95.0, "taking"),
        point(1.0, 110.0),
        point(2.0, 99.0),
    ]
    found = mix_report(Mix.SINGLE, KNEE, [], measured)
    assert [(one.share, one.goodput_per_s) for one in found.points] == [
        (0.5, 50.0),
        (1.0, 100.0),
        (2.0, 95.0),
    ]
    assert found.kept_share == pytest.approx(0.95)
    assert sorted(one.goodput_per_s for one in found.again) == [70.0, 90.0, 99.0, 110.0]
    # A wave passed through one of the windows alone, and what was refused in any counts.
    assert found.points[1].liquidations == WAITED
    assert found.points[2].liquidations is None
    assert found.refused_lanes == ["resting", "taking"]


def test_a_machine_that_slowed_down_is_told_from_a_node_that_did() -> None:
    measured = [
        msgspec.structs.replace(point(share, goodput), yardstick_ms=yardstick)
        for share, goodput, yardstick in (
            (1.0, 100.0, 0.5), (2.0, 80.0, 0.6), (1.0, 90.0, 0.5),
            (2.0, 60.0, 0.9), (1.0, 101.0, 0.5), (2.0, 70.0, 0.8),
        )
    ]  # fmt: skip
    # One without a yardstick is no work of nothing.
    found = mix_report(Mix.SINGLE, KNEE, [], [*measured, point(2.0, 75.0), point(2.0, 65.0)])
    assert found.kept_share == pytest.approx(0.7)
    # Of 48, 54 and 56 beside 50, 45 and 50.5: not the windows of middling goodput.
    assert found.kept_share_at_one_speed == pytest.approx(54 / 50)
    # Without a yardstick nobody knows, nor where only the highest rate lacks it.
    middle = msgspec.structs.replace(point(1.5, 98.0), yardstick_ms=0.5)
    part = mix_report(Mix.SINGLE, KNEE, [], [measured[0], middle, point(2.0, 40.0)])
    assert (part.kept_share, part.kept_share_at_one_speed) == (0.4, None)
    untold = mix_report(Mix.SINGLE, KNEE, [], [point(1.0, 100.0), point(2.0, 95.0)])
    assert (untold.kept_share, untold.kept_share_at_one_speed) == (0.95, None)


def test_what_was_not_measured_is_not_compared() -> None:
    assert mix_report(Mix.SINGLE, KNEE, [], [point(0.5, 50.0), point(2.0, 70.0)]).kept_share is None
    assert mix_report(Mix.SINGLE, KNEE, [], []).points == []
