"""The difference of two reads is what happened between them, over JSON too."""

import msgspec
import pytest

from node.capacity.histogram import BUCKETS, Histogram
from node.capacity.telemetry import (
    BlockCounters,
    HistogramCounts,
    JournalCounters,
    KindCounters,
    L1Counters,
    LoopCounters,
    MessageCounters,
    StageCounters,
    Telemetry,
)


def histogram(*values: int) -> HistogramCounts:
    recorded = Histogram()
    for value in values:
        recorded.record(value)
    return HistogramCounts.of(recorded.snapshot())


def read(times: int) -> Telemetry:
    """Return a node that has done ``times`` times the same."""
    values = histogram(*[5, 900] * times)
    stage = StageCounters(
        "station", "loop", 1, 4 * times, 3 * times, {"full": times}, 7 * times, values, values
    )
    return Telemetry(
        at_ns=1_000 * times,
        window_ns=1_000 * times,
        cores=2,
        stages=(stage,),
        kinds=(KindCounters("place", *[times] * 5),),
        blocks=BlockCounters(times, times, times),
        loop=LoopCounters(times, 1_000 * times, times, 2 * times),
        processes={"node": 9 * times},
        journal=JournalCounters(times, times, times),
        messages=MessageCounters(times, times, times),
        l1=L1Counters(times, times, times, times, values, values),
    )


@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 3), (1, 2)])
def test_a_window_is_a_difference(before: int, after: int) -> None:
    gained, alone = read(after).since(read(before)), read(after - before)
    assert msgspec.structs.replace(gained, at_ns=alone.at_ns) == alone


def test_windows_add_up() -> None:
    whole = read(3).since(read(1))
    parts = (read(2).since(read(1)), read(3).since(read(2)))
    assert whole.kinds[0].total_ns == sum(part.kinds[0].total_ns for part in parts)
    assert whole.window_ns == sum(part.window_ns for part in parts)


def test_a_read_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(read(2)), type=Telemetry) == read(2)


def test_what_is_new_counts_from_nothing() -> None:
    earlier = msgspec.structs.replace(read(1), stages=(), kinds=(), processes={})
    gained = read(3).since(earlier)
    assert gained.stages == read(3).stages
    assert gained.kinds == read(3).kinds
    assert gained.processes == {"node": 27}


def test_reads_of_another_start_have_no_difference() -> None:
    with pytest.raises(ValueError, match="another start"):
        read(1).since(read(2))
    restarted = msgspec.structs.replace(read(1), at_ns=9_000)
    with pytest.raises(ValueError, match="another start"):
        restarted.since(read(2))


def test_sparse_histograms_answer_as_whole_ones() -> None:
    recorded = Histogram()
    for value in (0, 3, 3, 70, 5_000, 1 << 60):
        recorded.record(value)
    sparse = HistogramCounts.of(recorded.snapshot())
    assert sparse.distribution() == recorded.snapshot()
    assert sparse.count == 6
    with pytest.raises(ValueError, match="buckets"):
        HistogramCounts(buckets={BUCKETS: 1}).distribution()


def test_stages_and_kinds_are_found_by_name() -> None:
    told = read(1)
    assert told.stage("station") is told.stages[0]
    assert told.stage("nowhere") is None
    assert told.kind("place") is told.kinds[0]
    assert told.kind("nothing") is None
