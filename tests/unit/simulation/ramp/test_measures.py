"""What a point says of liquidations and of the machine."""

import os
import subprocess
import sys
from random import Random

import msgspec
import pytest

from node.capacity.histogram import Histogram
from node.capacity.telemetry import HistogramCounts, StageCounters, Telemetry
from node.simulation.ramp.machine import CpuReading, cores, family_s
from node.simulation.ramp.ramp import liquidations_of, turn_of, wait_ms
from node.simulation.ramp.schedule import clustered_times
from tests.unit.planner.telemetry_examples import EMPTY

MS = 1_000_000


def stage(name: str, busy_ms: float = 0.0, waits_ms: tuple[float, ...] = ()) -> StageCounters:
    waiting = Histogram()
    for wait in waits_ms:
        waiting.record(round(wait * MS))
    return StageCounters(
        name=name,
        runs_on="loop",
        servers=1,
        arrived=0,
        done=0,
        refused={},
        busy_ns=round(busy_ms * MS),
        service=HistogramCounts(),
        waiting=HistogramCounts.of(waiting.snapshot()),
    )


def window(*stages: StageCounters, turns: int = 100) -> Telemetry:
    loop = msgspec.structs.replace(EMPTY.loop, turns=turns)
    return msgspec.structs.replace(EMPTY, window_ns=1_000 * MS, stages=stages, loop=loop)


def test_the_formula_is_the_rest_of_a_turn() -> None:
    # Always at work: uniform over the turn. At work half of the time: half do not wait at all.
    assert wait_ms(0.5, 8.0, 1.0) == pytest.approx(4.0)
    assert wait_ms(0.99, 8.0, 1.0) == pytest.approx(7.92)
    assert wait_ms(0.5, 8.0, 0.5) == 0.0
    assert wait_ms(0.75, 8.0, 0.5) == pytest.approx(4.0)
    assert wait_ms(0.99, 8.0, 0.0) == 0.0


def test_a_turn_is_making_a_block_and_making_it_durable() -> None:
    seen = window(stage("transition", 300.0), stage("journal", 500.0))
    turn = turn_of(seen)
    assert turn is not None
    assert turn == pytest.approx((8.0, 0.8))
    assert turn_of(window(stage("transition", 300.0))) is None
    assert turn_of(window(stage("transition"), stage("journal"), turns=0)) is None


def test_waits_stand_beside_their_formula() -> None:
    lane = stage("lane_liquidation", waits_ms=(1.0, 2.0, 7.0))
    seen = window(stage("transition", 300.0), stage("journal", 500.0), lane)
    found = liquidations_of(seen)
    assert found is not None
    assert found.proposed == 3
    assert found.wait_ms["p50"] == pytest.approx(2.0, rel=1 / 32)
    assert found.wait_ms["p99"] == pytest.approx(7.0, rel=1 / 32)
    assert found.formula_ms["p99"] == pytest.approx(8.0 * (1 - 0.01 / 0.8))


def test_no_liquidations_are_told_where_there_were_none() -> None:
    seen = window(stage("transition", 1.0), stage("journal", 1.0), stage("lane_liquidation"))
    assert liquidations_of(seen) is None


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
