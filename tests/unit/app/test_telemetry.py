"""Each stage is counted to what it really works with, and the loop by two clocks."""

from types import SimpleNamespace
from typing import Any

import pytest

from node.app.config import _SEQUENCER_RANGES, SequencerConfig
from node.app.telemetry import Meters, runs_on
from node.capacity.histogram import Histogram
from node.capacity.telemetry import JournalCounters, WriterLimits
from node.planner.windows import LIMIT_RANGES
from node.types.marks import Standing


@pytest.mark.parametrize(
    ("stage", "workers", "found"),
    [
        ("verification", 2, "pool"),
        ("verification", 0, "loop"),
        ("transition", 2, "loop"),
        ("journal", 0, "thread"),
        ("batcher", 1, "process"),
    ],
)
def test_a_stage_runs_where_it_is_told_to(stage: str, workers: int, found: str) -> None:
    assert runs_on(stage, workers) == found


@pytest.mark.parametrize(
    ("first", "reads"),
    [
        (300, ((340, 40), (None, 40), (390, 90))),
        # What it had waited before anybody could tell is not of this node's time.
        (None, ((None, 0), (340, 0), (390, 50))),
    ],
)
def test_what_the_loop_waited_never_falls_though_the_kernel_may_not_tell(
    first: int | None, reads: tuple[tuple[int | None, int], ...]
) -> None:
    clocks: dict[str, int | None] = {"busy": 700, "waited": first, "now": 0}
    platform = SimpleNamespace(busy_ns=lambda: clocks["busy"], waited_ns=lambda: clocks["waited"])
    clock = SimpleNamespace(now_ns=lambda: clocks["now"])
    node: Any = SimpleNamespace(base=SimpleNamespace(platform=platform, clock=clock))
    meters = Meters(node)
    for waited, told in reads:
        clocks |= {"busy": 750, "waited": waited, "now": 1_000}
        loop = meters.loop()
        assert (loop.busy_ns, loop.waited_ns, loop.taken_ns) == (50, told, 50 + told)
        assert loop.elapsed_ns == 1_000


def test_what_a_reorg_takes_back_stays_counted_and_comes_back_for_nothing() -> None:
    platform = SimpleNamespace(busy_ns=lambda: 0, waited_ns=lambda: None)
    standings = SimpleNamespace()
    settlement = SimpleNamespace()
    base = SimpleNamespace(platform=platform, clock=SimpleNamespace(now_ns=lambda: 0))
    node: Any = SimpleNamespace(base=base, standings=standings, settlement=settlement)
    meters = Meters(node)
    read = []
    for batches in (2, 1, 2, 3):
        standings.reached = {Standing.POSTED: batches}
        standings.da_commands, standings.da_bytes = 10 * batches, 100 * batches
        settlement.spending = SimpleNamespace(gas_used=1_000 * batches)
        read.append(meters.on_l1())
    first, taken_back, again, last = read
    assert first == taken_back == again
    assert last == {"batches": 3, "commands": 30, "data_bytes": 300, "gas": 3_000}


def test_every_process_of_the_node_is_counted() -> None:
    platform = SimpleNamespace(busy_ns=lambda: 0, waited_ns=lambda: None)
    base = SimpleNamespace(
        platform=platform,
        clock=SimpleNamespace(now_ns=lambda: 0),
        replica=SimpleNamespace(pid=-2),
    )
    node: Any = SimpleNamespace(
        base=base,
        gate=SimpleNamespace(worker_pids=(-3, -4)),
        risk=SimpleNamespace(pids={"risk_1": -5}),
        history=SimpleNamespace(pids={"history": -6}),
    )
    counted = {"node", "replica", "verification_0", "verification_1", "risk_1", "history"}
    assert set(Meters(node).processes()) == counted


def histogram(*values: int) -> Histogram:
    recorded = Histogram()
    for value in values:
        recorded.record(value)
    return recorded


def test_a_node_tells_its_journal_the_times_of_l1_and_the_limits_of_its_writer() -> None:
    sequencer = SequencerConfig(block_work=64, block_ms_max=1.5, delay_target_ms=35)
    node: Any = SimpleNamespace(
        config=SimpleNamespace(sequencer=sequencer),
        base=SimpleNamespace(
            platform=SimpleNamespace(busy_ns=lambda: 0, waited_ns=lambda: None),
            clock=SimpleNamespace(now_ns=lambda: 0),
            journal=SimpleNamespace(fsync_ns=histogram(3, 4), bytes_written=99),
            replica=SimpleNamespace(pid=None),
        ),
        gate=SimpleNamespace(worker_pids=()),
        risk=SimpleNamespace(pids={}),
        history=SimpleNamespace(pids={}),
        standings=SimpleNamespace(
            reached={Standing.POSTED: 0},
            da_commands=0,
            da_bytes=0,
            flights_ms=histogram(12),
            finality_ms=histogram(50, 60),
        ),
        settlement=SimpleNamespace(spending=SimpleNamespace(gas_used=0)),
    )
    told = Meters(node).read()
    assert told.limits == WriterLimits(64, 1_500, 35_000)
    assert told.journal == JournalCounters(appends=2, bytes=99, total_ns=7)
    assert (told.l1.inclusion_ms.total, told.l1.finality_ms.total) == (12, 110)


def test_limits_are_read_within_what_a_configuration_may_say() -> None:
    low, high = LIMIT_RANGES["block_work"]
    # What was measured is read; how long a block may be on L1 is the node's own concern.
    assert low <= _SEQUENCER_RANGES["block_work"][0] < _SEQUENCER_RANGES["block_work"][1] <= high
    for told, key in (("block_us_max", "block_ms_max"), ("delay_target_us", "delay_target_ms")):
        low, high = _SEQUENCER_RANGES[key]
        assert LIMIT_RANGES[told] == (low * 1_000, high * 1_000)
