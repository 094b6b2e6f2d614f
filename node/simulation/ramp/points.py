"""One measured point of a ramp. Rates are actions a second, times are milliseconds."""

import math
from collections.abc import Sequence

import msgspec

from node.simulation.ramp.messages import LaneSample, Sample
from node.types.errors import GateClosed
from node.types.units import US_PER_MS

QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}

Delays = dict[str, float | None]
"""``QUANTILES`` of a delay; None where nothing was measured."""


class LanePoint(msgspec.Struct, frozen=True):
    """A lane's part of a point; ``due`` = ``done`` + ``rejected`` + ``refused`` + ``lost``."""

    due: int
    done: int
    rejected: int
    refused: int
    lost: int
    causes: dict[str, int]
    delay_ms: Delays


class Liquidations(msgspec.Struct, frozen=True):
    """The most urgent lane of clients' risk during a point.

    ``wait_ms`` is from a proposal's entering the lane to its being taken out, as the node counted
    it: to the bucket, at most 1/32 too long.
    """

    proposed: int
    wait_ms: Delays


class RampPoint(msgspec.Struct, frozen=True):
    """``goodput_per_s`` counts answers of success within the window, over its length.

    ``offered_per_s`` is what was due within it; ``share`` of the knee is None while it is sought.
    ``late_ms`` is how late the generator itself sent. ``utilization`` is the busy share of one core
    for each process, the generator among them, of the ``event_loop`` what it worked or waited for a
    core, and of the ``journal`` how long the disk wrote; ``machine`` that of all cores, whoever
    used them.
    ``yardstick_ms`` is what a known piece of work took within the window, on average.
    """

    wanted_per_s: float
    offered_per_s: float
    goodput_per_s: float
    delay_ms: Delays
    late_ms: Delays
    lanes: dict[str, LanePoint]
    share: float | None = None
    liquidations: Liquidations | None = None
    utilization: dict[str, float] = {}
    machine: float | None = None
    yardstick_ms: float | None = None

    @property
    def refused(self) -> int:
        """Return how many actions were refused for want of room, or never answered."""
        return sum(lane.refused + lane.lost for lane in self.lanes.values())

    @property
    def gated(self) -> int:
        """Return how many of these a closed gate refused, since L1 was too far behind."""
        return sum(
            count
            for lane in self.lanes.values()
            for cause, count in lane.causes.items()
            if cause.startswith(GateClosed.__name__)
        )


def point_of(sample: Sample, wanted_per_s: float) -> RampPoint:
    """Return the point that ``sample`` shows."""
    delays = sorted(delay for lane in sample.lanes.values() for delay in lane.delays_us)
    due = sum(lane.due for lane in sample.lanes.values())
    window_s = max(sample.window_s, 1e-9)
    return RampPoint(
        wanted_per_s=wanted_per_s,
        offered_per_s=due / window_s,
        goodput_per_s=sample.answered_in_window / window_s,
        delay_ms=delays_of(delays),
        late_ms=delays_of(sample.late_us),
        lanes={name: _lane_of(lane) for name, lane in sample.lanes.items()},
    )


def delays_of(ordered_us: Sequence[int]) -> Delays:
    """Return nearest-rank quantiles of ascending microseconds, in milliseconds."""
    if not ordered_us:
        return dict.fromkeys(QUANTILES)
    return {
        name: ordered_us[max(0, math.ceil(share * len(ordered_us)) - 1)] / US_PER_MS
        for name, share in QUANTILES.items()
    }


def _lane_of(lane: LaneSample) -> LanePoint:
    return LanePoint(
        due=lane.due,
        done=lane.done,
        rejected=lane.rejected,
        refused=lane.refused,
        lost=lane.lost,
        causes=lane.causes,
        delay_ms=delays_of(lane.delays_us),
    )
