"""Telemetry of a node that never was, whose costs are known: what a calibration must find again."""

from collections.abc import Sequence

import msgspec
import numpy as np

from node.capacity.histogram import Histogram
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

_NS = 1e9


class Kind(msgspec.Struct, frozen=True):
    """One kind of command: its share, the orders and cancels in it, what it takes."""

    name: str
    share: float
    items: int
    service_s: float
    bytes: int


KINDS = (
    Kind("place", 0.5, 1, 40e-6, 90),
    Kind("bulk", 0.1, 20, 300e-6, 400),
    Kind("cancel", 0.38, 1, 20e-6, 75),
    Kind("oracle_round", 0.02, 1, 90e-6, 200),
)


class Node(msgspec.Struct, frozen=True):
    """What each thing truly costs, in seconds."""

    kinds: tuple[Kind, ...] = KINDS
    variation: float = 0.6
    second_s: float = 0.02
    message_s: float = 150e-6
    block_s: float = 200e-6
    item_s: float = 8e-6
    making_s: float = 60e-6
    made_command_s: float = 5e-6
    commit_s: float = 900e-6
    record_s: float = 3e-6
    cold_s: float = 0.0
    """What the transition takes longer for each block, however few commands that holds."""
    worker_s: float = 90e-6
    noise: float = 0.03
    """Deviation of a window's loop time, as a share."""
    block_bytes: int = 60
    gas_batch: int = 90_000
    gas_byte: int = 40


EMPTY = Telemetry(
    at_ns=5_000_000_000,
    window_ns=5_000_000_000,
    cores=2,
    stages=(),
    kinds=(),
    blocks=BlockCounters(0, 0, 0),
    loop=LoopCounters(0, 5_000_000_000, 0),
    processes={"node": 0, "worker-0": 0},
    journal=JournalCounters(0, 0, 0),
    messages=MessageCounters(0, 0, 0),
    l1=L1Counters(0, 0, 0, 0, HistogramCounts(), HistogramCounts()),
)


def reads_of(
    node: Node,
    rates_per_s: list[float],
    random: np.random.Generator,
    window_s: float = 1.0,
    first: Telemetry = EMPTY,
) -> list[Telemetry]:
    """Return one read more than there are rates: cumulative counters of successive windows."""
    reads = [first]
    for rate in rates_per_s:
        reads.append(_next(node, reads[-1], rate, window_s, random))
    return reads


def _next(
    node: Node, before: Telemetry, rate: float, window_s: float, random: np.random.Generator
) -> Telemetry:
    commands = [int(random.poisson(rate * kind.share * window_s)) for kind in node.kinds]
    count = sum(commands)
    # Blocks are shared more as the load grows, and by chance.
    blocks = int(np.ceil(count / (1 + rate / 400 * random.uniform(0.7, 1.3)))) if count else 0
    items = sum(n * kind.items for n, kind in zip(commands, node.kinds, strict=True))
    cold_s = blocks * node.cold_s / max(count, 1)
    kinds, direct_s = _kinds(node, before, commands, cold_s, random)
    making_s = (blocks * node.making_s + count * node.made_command_s) * random.normal(1, 0.02)
    beside_s = (
        window_s * node.second_s
        + count * node.message_s
        + blocks * node.block_s
        + items * node.item_s
    )
    busy_s = beside_s * random.normal(1, node.noise) + direct_s + making_s
    journal_s = (blocks * node.commit_s + count * node.record_s) * random.normal(1, 0.05)
    worker_s = count * node.worker_s * random.normal(1, 0.02)
    elapsed = int(window_s * _NS)
    return Telemetry(
        at_ns=before.at_ns + elapsed,
        window_ns=before.window_ns + elapsed,
        cores=2,
        stages=_stages(before, count, worker_s, random),
        kinds=kinds,
        blocks=BlockCounters(
            before.blocks.count + blocks,
            before.blocks.commands + count,
            before.blocks.total_ns + int(making_s * _NS),
        ),
        loop=LoopCounters(
            before.loop.busy_ns + int(busy_s * _NS),
            before.loop.elapsed_ns + elapsed,
            before.loop.turns + blocks,
        ),
        processes={
            "node": before.processes["node"] + int(busy_s * 1.1 * _NS),
            "worker-0": before.processes["worker-0"] + int(worker_s * _NS),
        },
        journal=JournalCounters(
            before.journal.appends + blocks,
            before.journal.bytes + count * 200,
            before.journal.total_ns + int(journal_s * _NS),
        ),
        messages=MessageCounters(
            before.messages.incoming + count,
            before.messages.outgoing + count,
            before.messages.bytes + count * 900,
        ),
        l1=_l1(node, before, random),
    )


def _kinds(
    node: Node,
    before: Telemetry,
    commands: Sequence[int],
    cold_s: float,
    random: np.random.Generator,
) -> tuple[tuple[KindCounters, ...], float]:
    counters, direct_s = [], 0.0
    shape = node.variation**-2
    for kind, number in zip(node.kinds, commands, strict=True):
        times = random.gamma(shape, kind.service_s / shape, number) + cold_s
        past = before.kind(kind.name) or KindCounters(kind.name, 0, 0, 0, 0, 0)
        direct_s += float(times.sum())
        counters.append(
            KindCounters(
                kind.name,
                past.commands + number,
                past.items + number * kind.items,
                past.fills,
                past.total_ns + int(times.sum() * _NS),
                past.square_ns2 + int((times**2).sum() * _NS**2),
            )
        )
    return tuple(counters), direct_s


def _stages(
    before: Telemetry, count: int, worker_s: float, random: np.random.Generator
) -> tuple[StageCounters, ...]:
    histogram = Histogram()
    mean_ns = worker_s / max(count, 1) * _NS
    for value in random.gamma(16, mean_ns / 16, min(count, 200)):
        histogram.record(int(value))
    gained = HistogramCounts.of(histogram.snapshot())
    past = before.stage("verify")
    service = gained if past is None else _added(past.service, gained)
    arrived = count + (past.arrived if past else 0)
    empty = HistogramCounts()
    stage = StageCounters("verify", "pool", 1, arrived, arrived, {}, service.total, service, empty)
    return (stage,)


def _added(one: HistogramCounts, other: HistogramCounts) -> HistogramCounts:
    buckets = dict(one.buckets)
    for index, count in other.buckets.items():
        buckets[index] = buckets.get(index, 0) + count
    return HistogramCounts(buckets, one.total + other.total)


def _l1(node: Node, before: Telemetry, random: np.random.Generator) -> L1Counters:
    """Include now what was logged by the read before: L1 is one window late."""
    commands = before.blocks.commands - before.l1.commands
    if not commands:
        return before.l1
    logged = [(kind.bytes, before.kind(kind.name)) for kind in node.kinds]
    batches = 1 + commands // 800
    data_bytes = sum(size * counted.commands for size, counted in logged if counted)
    data_bytes += (before.l1.batches + batches) * node.block_bytes
    gained = data_bytes - before.l1.data_bytes
    delay = Histogram()
    for _ in range(batches):
        delay.record(int(random.exponential(1_000)))
    return L1Counters(
        batches=before.l1.batches + batches,
        commands=before.l1.commands + commands,
        data_bytes=data_bytes,
        gas=before.l1.gas + batches * node.gas_batch + gained * node.gas_byte,
        inclusion_ms=_added(before.l1.inclusion_ms, HistogramCounts.of(delay.snapshot())),
        finality_ms=before.l1.finality_ms,
    )
