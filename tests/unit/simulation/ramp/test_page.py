"""The page of a ramp: every mix with its knee, and every figure with its unit."""

from node.simulation.ramp.knee import Knee
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.page import page_of
from node.simulation.ramp.points import LanePoint, RampPoint
from node.simulation.ramp.report import Machine, MixReport, RampReport


def point(offered: float) -> RampPoint:
    lane = LanePoint(100, 80, 5, 10, 5, {}, {"p50": 1.0, "p99": 2.0, "p999": None})
    return RampPoint(
        wanted_per_s=offered,
        offered_per_s=offered,
        goodput_per_s=min(offered, 2_000),
        delay_ms={"p50": 1.0, "p99": 20.0, "p999": None},
        late_ms={},
        lanes={"taking": lane},
        utilization={"node": 0.5},
    )


def test_every_mix_is_told_with_its_knee_and_units() -> None:
    mixes = {
        mix.value: MixReport(mix, Knee(2_000, 1_900, 2_100), [], [point(1_000)], 1.0, [])
        for mix in (Mix.SINGLE, Mix.BULK)
    }
    page = page_of(RampReport("a node", Machine("3.11", "x86_64", 2), mixes))
    for text in (
        "single: knee 2,000/s",
        "bulk: knee 2,000/s",
        "Python 3.11, x86_64, 2 cores",
        '"y_title":"share of what was due"',
        # 10 refused and 5 lost of 100.
        '"y":[0.15]',
    ):
        assert text in page, text
    assert page.count('class="plot"') == 2 * 4
