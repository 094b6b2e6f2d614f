"""What a point says of liquidations and of the machine."""

import os
import subprocess
import sys
from random import Random

import msgspec
import pytest

from node.capacity.histogram import Histogram
from node.capacity.telemetry import (
    HistogramCounts,
    JournalCounters,
    StageCounters,
    Telemetry,
)
from node.simulation.ramp.knee import SearchLimits
from node.simulation.ramp.machine import CpuReading, cores, family_s
from node.simulation.ramp.messages import Sample
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import (
    COMPARED,
    Measured,
    Ramp,
    RampSettings,
    _measured,
    _Processors,
    liquidations_of,
)
from node.simulation.ramp.schedule import clustered_times
from tests.unit.planner.telemetry_examples import EMPTY

MS = 1_000_000


def stage(
    name: str, waits_ms: tuple[float, ...] = (), works_ms: tuple[float, ...] = ()
) -> StageCounters:
    waiting, service = Histogram(), Histogram()
    for histogram, times_ms in ((waiting, waits_ms), (service, works_ms)):
        for time_ms in times_ms:
            histogram.record(round(time_ms * MS))
    return StageCounters(
        name=name,
        runs_on="loop",
        servers=1,
        arrived=0,
        done=0,
        refused={},
        busy_ns=service.total,
        service=HistogramCounts.of(service.snapshot()),
        waiting=HistogramCounts.of(waiting.snapshot()),
    )


def window(*stages: StageCounters) -> Telemetry:
    return msgspec.structs.replace(EMPTY, window_ns=1_000 * MS, stages=stages)


def test_waits_of_liquidations_are_those_of_their_lane() -> None:
    lane = stage("lane_liquidation", waits_ms=(1.0, 2.0, 7.0))
    found = liquidations_of(window(stage("risk", works_ms=(0.4, 8.0)), lane))
    assert found is not None
    assert found.proposed == 3
    assert found.wait_ms["p50"] == pytest.approx(2.0, rel=1 / 32)
    assert found.wait_ms["p99"] == pytest.approx(7.0, rel=1 / 32)


def test_no_liquidations_are_told_where_there_were_none() -> None:
    assert liquidations_of(window(stage("lane_liquidation"))) is None
    assert liquidations_of(window()) is None


def test_a_point_tells_how_long_the_disk_wrote() -> None:
    journal = JournalCounters(appends=40, bytes=1, total_ns=250 * MS)
    seen = msgspec.structs.replace(window(), journal=journal)
    sample = Sample(window_s=1.0, answered_in_window=0, lanes={}, late_us=[], cpu_s=0.2)
    found = _measured(sample, 100.0, None, seen, _Processors(1.0, None, 0.1, None))
    assert found.point.utilization["journal"] == 0.25
    assert found.point.utilization["generator"] == pytest.approx(0.2)


class Curve(Ramp):
    """A ramp that measures nothing, and tells what it was asked for."""

    def __init__(self, shares: tuple[float, ...], highest_per_s: float = 1_000.0) -> None:
        search = SearchLimits(highest_per_s=highest_per_s)
        self._settings = RampSettings(shares=shares, search=search)
        self.asked: list[tuple[float, bool]] = []

    async def measure(
        self,
        rate: float,
        *,
        share: float | None = None,
        wave: bool = False,
        cluster: int = 1,
        window_s: float | None = None,
    ) -> Measured:
        """Return a window whose goodput says how many came before it."""
        assert (cluster, window_s) == (1, None)
        self.asked.append((rate, wave))
        point = RampPoint(1.0, 1.0, float(len(self.asked)), {}, {}, {}, share=share)
        return Measured(point, window(), 0.0, 0, {}, None)


@pytest.mark.parametrize(
    ("shares", "again"),
    [
        ((0.5, 1.0, 1.5, 2.0), [100.0, 200.0] * (COMPARED - 1)),
        ((0.5, 2.0), []),
        ((0.25, 1.0), []),
        ((), []),
    ],
)
async def test_points_that_are_compared_are_measured_by_turns(
    shares: tuple[float, ...], again: list[float]
) -> None:
    ramp, told = Curve(shares), list[RampPoint]()
    points = await ramp.curve(100.0, lambda _, point: told.append(point))
    first = [(100.0 * share, True) for share in shares]
    assert ramp.asked == [*first, *((rate, False) for rate in again)]
    assert [point.share for point in points] == [rate / 100.0 for rate, _ in ramp.asked]
    assert told == points


async def test_no_point_goes_past_the_highest_rate_allowed() -> None:
    ramp = Curve((0.5, 1.0, 1.5, 2.0), highest_per_s=150.0)
    await ramp.curve(100.0, lambda _what, _point: None)
    assert [rate for rate, _ in ramp.asked] == [
        50.0,
        100.0,
        150.0,
        *[100.0, 150.0] * (COMPARED - 1),
    ]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells it so")
def test_the_kernel_tells_of_a_family_and_of_the_machine() -> None:
    before = CpuReading.now()
    with subprocess.Popen([sys.executable, "-c", "sum(range(10**7)); input()"], stdin=-1) as child:
        spent = family_s(os.getpid())
        assert spent >= family_s(child.pid)
        child.communicate(b"\n")
    after = CpuReading.now()
    assert before is not None
    assert after is not None
    assert after.busy_s >= before.busy_s
    assert cores() >= 1
    assert family_s(child.pid) == 0.0


def test_clusters_come_at_the_same_mean_rate() -> None:
    times = clustered_times(1_000.0, 20.0, 8, Random(2))
    assert len(times) % 8 == 0
    assert len(times) == pytest.approx(20_000, rel=0.1)
    assert all(times[place] == times[place + 7] for place in range(0, len(times), 8))
    with pytest.raises(ValueError, match="at least one"):
        clustered_times(1.0, 1.0, 0, Random(2))
