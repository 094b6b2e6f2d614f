"""What the node counted since it started: the answer to ``GET /telemetry``.

Every figure only grows, so what happened between two moments is the difference of two reads
(``Telemetry.since``), whoever else reads in between. A calibration needs no more than that:

- ``kinds`` tells what each kind of command costs in the transition: the sum of its times and of
  their squares, so that both the mean and the spread of a window follow
- ``stages`` tells what every station did, in its own unit (``StageCounters.counts``)
- ``loop``, ``processes`` and ``journal`` tell what the machine under them did
- ``l1`` tells what a batch costs on the chain and how long the chain takes

All times are integers in nanoseconds unless the name says otherwise; bytes are bytes, gas is gas.
"""

from typing import Literal, TypeVar

import msgspec

from node.capacity.histogram import BUCKETS, Distribution

K = TypeVar("K", int, str)
C = TypeVar("C", bound=msgspec.Struct)

RunsOn = Literal["loop", "pool", "thread", "process", "l1"]
"""What a stage works with: the one event loop of the node, a pool of processes beside it, a thread
of its own, one process of its own, or the chain."""


class HistogramCounts(msgspec.Struct, frozen=True):
    """A ``Distribution`` in few bytes: only the buckets that hold something.

    ``buckets`` is by the bucket's index (``node.capacity.histogram.bucket_low`` and ``bucket_high``
    give its edges); ``total`` is the exact sum of all observations.
    """

    buckets: dict[int, int] = {}
    total: int = 0

    @classmethod
    def of(cls, distribution: Distribution) -> "HistogramCounts":
        """Return ``distribution`` without its empty buckets."""
        held = {index: count for index, count in enumerate(distribution.counts) if count}
        return cls(buckets=held, total=distribution.total)

    @property
    def count(self) -> int:
        """Return the number of observations."""
        return sum(self.buckets.values())

    def distribution(self) -> Distribution:
        """Return the full form, which answers for quantiles.

        Raises ``ValueError`` where a bucket's index is none of a histogram's.
        """
        counts = [0] * BUCKETS
        for index, count in self.buckets.items():
            if not 0 <= index < BUCKETS:
                raise ValueError(f"a histogram has the buckets 0..{BUCKETS - 1}, not {index}")
            counts[index] = count
        return Distribution(counts=tuple(counts), total=self.total)

    def since(self, earlier: "HistogramCounts") -> "HistogramCounts":
        """Return what was recorded after ``earlier``, an older read of the same histogram."""
        return HistogramCounts(
            buckets=_gained(self.buckets, earlier.buckets), total=self.total - earlier.total
        )


class StageCounters(msgspec.Struct, frozen=True):
    """One stage since the start, or over a window.

    ``servers`` work side by side, so that ``busy_ns`` can grow so many times faster than the clock.
    ``service`` and ``waiting`` are in nanoseconds for one item.
    """

    name: str
    runs_on: RunsOn
    servers: int
    arrived: int
    done: int
    refused: dict[str, int]
    busy_ns: int
    service: HistogramCounts
    waiting: HistogramCounts
    counts: str = "commands"
    """The unit of its items: messages, commands, blocks, batches or deposits."""

    def since(self, earlier: "StageCounters") -> "StageCounters":
        """Return what the stage did after ``earlier``, an older read of it."""
        return StageCounters(
            name=self.name,
            runs_on=self.runs_on,
            servers=self.servers,
            arrived=self.arrived - earlier.arrived,
            done=self.done - earlier.done,
            refused=_gained(self.refused, earlier.refused),
            busy_ns=self.busy_ns - earlier.busy_ns,
            service=self.service.since(earlier.service),
            waiting=self.waiting.since(earlier.waiting),
            counts=self.counts,
        )


class KindCounters(msgspec.Struct, frozen=True):
    """One kind of command in the transition, rejected ones included.

    ``items`` are the orders and cancels that the commands held (1 for kinds without any), ``fills``
    what they were filled in. With n commands, the mean is ``total_ns`` / n and the variance
    ``square_ns2`` / n minus the mean squared.
    """

    kind: str
    commands: int
    items: int
    fills: int
    total_ns: int
    square_ns2: int

    def since(self, earlier: "KindCounters") -> "KindCounters":
        """Return what was counted after ``earlier``, an older read of the same kind."""
        return KindCounters(
            kind=self.kind,
            commands=self.commands - earlier.commands,
            items=self.items - earlier.items,
            fills=self.fills - earlier.fills,
            total_ns=self.total_ns - earlier.total_ns,
            square_ns2=self.square_ns2 - earlier.square_ns2,
        )


class BlockCounters(msgspec.Struct, frozen=True):
    """What making blocks costs beside their commands: opening, chaining, digesting, signing.

    ``commands`` counts those in the blocks, ``total_ns`` is the whole of it without what stands in
    ``Telemetry.kinds``.
    """

    count: int
    commands: int
    total_ns: int


class LoopCounters(msgspec.Struct, frozen=True):
    """The thread of the event loop.

    ``busy_ns`` is the processor time that the kernel charged to it: a loop that waits in its
    selector is charged nothing, so this is all that ran on it, counted by a stage or not.
    ``elapsed_ns`` is the time that went by. On a machine with too few cores the thread is also
    ready without getting one: ``waited_ns``, 0 where the kernel does not tell. A loop that never
    rests has spent nearly all of its time in the two. ``turns`` counts the blocks' turns of the
    writer, empty ones included.
    """

    busy_ns: int
    elapsed_ns: int
    turns: int
    waited_ns: int = 0

    @property
    def taken_ns(self) -> int:
        """Return what is gone of the loop's time: it worked, or waited for a core."""
        return self.busy_ns + self.waited_ns


class JournalCounters(msgspec.Struct, frozen=True):
    """Appends (one a block), the bytes they wrote, and how long they took until durable."""

    appends: int
    bytes: int
    total_ns: int


class MessageCounters(msgspec.Struct, frozen=True, rename={"incoming": "in", "outgoing": "out"}):
    """WebSocket messages in and out, and the bytes of both, frames included on the way out."""

    incoming: int
    outgoing: int
    bytes: int


class L1Counters(msgspec.Struct, frozen=True):
    """Batches that the chain included, what they took of it, and how long it took.

    Each batch counts once: what a reorg takes back stays counted, and adds nothing when the chain
    includes it again. ``commands`` are those of the batches. Inclusion is from when a batch could
    be sent (it was sealed, and fewer than ``settlement.in_flight_max`` were in flight before it) to
    the block that holds it, of those sent since the start; finality is from sealing to final. Both
    are in *milliseconds*.
    """

    batches: int
    commands: int
    data_bytes: int
    gas: int
    inclusion_ms: HistogramCounts
    finality_ms: HistogramCounts


class WriterLimits(msgspec.Struct, frozen=True):
    """What bounds a block and a turn of the writer: a node's settings, the same in all its reads.

    A block holds ``block_work`` units (orders and cancels, roughly), and no more than is applied in
    ``block_us_max``; a lane begins to shed where a newcomer would wait for ``delay_target_us``.
    ``spare_core``: the node's other processes are kept off one core, if there are two.
    """

    block_work: int = 512
    block_us_max: int = 3_000
    delay_target_us: int = 20_000
    spare_core: bool = False


class Telemetry(msgspec.Struct, frozen=True):
    """All counters at one instant, or what they gained over a window.

    ``at_ns`` is the node's monotonic clock; the difference of two reads is the window. ``cores`` is
    what the machine has, ``processes`` the processor time of each process of the node, user and
    system. A process that ended keeps its name no longer: a window over its end starts it at 0.
    """

    at_ns: int
    window_ns: int
    """How long it was counted: since the start, or since the earlier of two reads."""
    cores: int
    stages: tuple[StageCounters, ...]
    kinds: tuple[KindCounters, ...]
    blocks: BlockCounters
    loop: LoopCounters
    processes: dict[str, int]
    journal: JournalCounters
    messages: MessageCounters
    l1: L1Counters
    limits: WriterLimits = WriterLimits()
    """Of a node that tells none: the defaults."""

    def stage(self, name: str) -> StageCounters | None:
        """Return the stage ``name``, None where there is none."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def kind(self, name: str) -> KindCounters | None:
        """Return the kind ``name``, None where there is none."""
        return next((kind for kind in self.kinds if kind.kind == name), None)

    def since(self, earlier: "Telemetry") -> "Telemetry":
        """Return what happened after ``earlier``, an older read of the same node.

        Raises ``ValueError`` where ``earlier`` is the newer one or of another start of the node.
        """
        if earlier.at_ns > self.at_ns or earlier.window_ns > self.window_ns:
            raise ValueError("the earlier read is newer, or of another start")
        return Telemetry(
            at_ns=self.at_ns,
            window_ns=self.at_ns - earlier.at_ns,
            cores=self.cores,
            stages=tuple(
                stage if (before := earlier.stage(stage.name)) is None else stage.since(before)
                for stage in self.stages
            ),
            kinds=tuple(
                kind if (past := earlier.kind(kind.kind)) is None else kind.since(past)
                for kind in self.kinds
            ),
            blocks=_since(self.blocks, earlier.blocks),
            loop=_since(self.loop, earlier.loop),
            processes={
                name: spent - earlier.processes.get(name, 0)
                for name, spent in self.processes.items()
            },
            journal=_since(self.journal, earlier.journal),
            messages=_since(self.messages, earlier.messages),
            l1=_since(self.l1, earlier.l1),
            limits=self.limits,
        )


def _gained(now: dict[K, int], before: dict[K, int]) -> dict[K, int]:
    gains = {key: count - before.get(key, 0) for key, count in now.items()}
    return {key: gain for key, gain in gains.items() if gain}


def _since(now: C, before: C) -> C:
    """Return the gain of each field: a count, or a histogram."""
    gains = {}
    for field in now.__struct_fields__:
        count, past = getattr(now, field), getattr(before, field)
        gains[field] = count.since(past) if isinstance(count, HistogramCounts) else count - past
    return type(now)(**gains)
