"""The answer to ``/telemetry``: every counter of the node, since it started."""

from typing import TYPE_CHECKING, Final

import msgspec

from node.adapters.process_times import ProcessTimes, cores, named
from node.capacity.kinds import KindMeter
from node.capacity.stage import StageSnapshot
from node.capacity.telemetry import (
    HistogramCounts,
    JournalCounters,
    L1Counters,
    LoopCounters,
    RunsOn,
    StageCounters,
    Telemetry,
    WriterLimits,
)
from node.capacity.traffic import Traffic
from node.types.marks import Standing
from node.types.units import US_PER_MS

if TYPE_CHECKING:
    from node.app.node import Node

RUNS_ON: Final[dict[str, RunsOn]] = {
    "verification": "pool",
    "journal": "thread",
    "batcher": "process",
    "history": "process",
    "settlement": "l1",
    "inbox": "l1",
}
"""What the stages work with that do not run on the event loop."""

COUNTS: Final[dict[str, str]] = {
    "ingress": "messages",
    "verification": "messages",
    "publisher": "blocks",
    "risk": "blocks",
    "triggers": "blocks",
    "batch_inlet": "blocks",
    "history": "blocks",
    "batch_outbox": "batches",
    "settlement": "batches",
    "inbox": "deposits",
}
"""The unit of the stages that do not count commands."""


def runs_on(stage: str, workers: int) -> RunsOn:
    """Return what the stage of that name works with.

    Without ``workers`` (``sequencer.signature_workers``) the loop recovers signatures itself.
    """
    if stage == "verification" and not workers:
        return "loop"
    return RUNS_ON.get(stage, "loop")


class Meters:
    """What is measured beside the stages; made and read in the thread of the event loop."""

    def __init__(self, node: "Node") -> None:
        """Start to count now."""
        self._node = node
        self._started_ns = node.base.clock.now_ns()
        platform = node.base.platform
        self._busy_before_ns = platform.busy_ns()
        self._waited_before_ns = platform.waited_ns()
        self._waited_ns = 0
        self._times = ProcessTimes(self.children)
        self._on_l1: dict[str, int] = {}
        self.kinds = KindMeter(node.base.clock.now_ns)
        self.traffic = Traffic()
        self.cores = cores()

    def read(self) -> Telemetry:
        """Return the counters without those of the stages (some 50 us)."""
        now_ns, journal = self._node.base.clock.now_ns(), self._node.base.journal
        sequencer = self._node.config.sequencer
        window_ns = now_ns - self._started_ns
        return Telemetry(
            at_ns=now_ns,
            window_ns=window_ns,
            cores=self.cores,
            stages=(),
            kinds=self.kinds.kinds(),
            blocks=self.kinds.blocks(),
            loop=self.loop(),
            processes=self.processes(),
            journal=JournalCounters(
                appends=journal.fsync_ns.count,
                bytes=journal.bytes_written,
                total_ns=journal.fsync_ns.total,
            ),
            messages=self.traffic.read(),
            l1=self._l1(),
            limits=WriterLimits(
                sequencer.block_work,
                round(sequencer.block_ms_max * US_PER_MS),
                round(sequencer.delay_target_ms * US_PER_MS),
                sequencer.spare_core,
            ),
        )

    def loop(self) -> LoopCounters:
        """Return what the thread of the event loop did since the start (some 20 us)."""
        waited_ns = self._node.base.platform.waited_ns()
        # The kernel's file does not open where too many are: then nothing is known to have been
        # gained, and a counter never falls.
        if waited_ns is not None:
            if self._waited_before_ns is None:
                self._waited_before_ns = waited_ns
            self._waited_ns = waited_ns - self._waited_before_ns
        return LoopCounters(
            busy_ns=self.busy_ns(),
            elapsed_ns=self._node.base.clock.now_ns() - self._started_ns,
            turns=self.kinds.turns,
            waited_ns=self._waited_ns,
        )

    def busy_ns(self) -> int:
        """Return the processor time of the event loop's thread since the start, in nanoseconds."""
        return self._node.base.platform.busy_ns() - self._busy_before_ns

    def processes(self) -> dict[str, int]:
        """Return the processor time of each process of the node, in nanoseconds."""
        return self._times.read()

    def children(self) -> dict[str, int]:
        """Return the ids of the processes that the node has started and that live, by name."""
        replica = self._node.base.replica.pid
        beside = {} if replica is None else {"replica": replica}
        workers = named("verification", self._node.gate.worker_pids)
        return workers | beside | self._node.risk.pids | self._node.history.pids

    def on_l1(self) -> dict[str, int]:
        """Return the most batches that have stood on L1, and their commands, bytes and gas.

        What a reorg takes back stays counted, and does not count again when it comes back: so the
        first of the log's commands are meant, as many as ``commands``.
        """
        standings = self._node.standings
        stands = {
            "batches": standings.reached[Standing.POSTED],
            "commands": standings.da_commands,
            "data_bytes": standings.da_bytes,
            "gas": self._node.settlement.spending.gas_used,
        }
        self._on_l1 = {name: max(count, self._on_l1.get(name, 0)) for name, count in stands.items()}
        return self._on_l1

    def _l1(self) -> L1Counters:
        standings = self._node.standings
        return L1Counters(
            **self.on_l1(),
            inclusion_ms=HistogramCounts.of(standings.flights_ms.snapshot()),
            finality_ms=HistogramCounts.of(standings.finality_ms.snapshot()),
        )


def telemetry_of(node: "Node") -> Telemetry:
    """Return all counters of ``node``; a few milliseconds, most of it for the histograms."""
    read = node.meters.read()
    workers = node.config.sequencer.signature_workers
    stages = tuple(_stage(stage.snapshot(), workers) for stage in node.capacity.stages)
    return msgspec.structs.replace(read, stages=stages)


def _stage(snapshot: StageSnapshot, workers: int) -> StageCounters:
    return StageCounters(
        name=snapshot.name,
        runs_on=runs_on(snapshot.name, workers),
        servers=snapshot.servers,
        arrived=snapshot.arrived,
        done=snapshot.done,
        refused=snapshot.refused,
        busy_ns=snapshot.busy_ns,
        service=HistogramCounts.of(snapshot.service),
        waiting=HistogramCounts.of(snapshot.waiting),
        counts=COUNTS.get(snapshot.name, "commands"),
    )
