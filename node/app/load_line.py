"""The load line of a running node: its windows, its laws put to work, and the channel "load".

The window is the last 10 to 20 seconds, whoever asked meanwhile, or the time since the start where
too little came in to say what an item costs. A figure costs a few milliseconds to work out, on the
loop that makes blocks: it is worked out for those who ask, at most every ``FRESH_NS``, and at no
other time. Only the window moves by itself, once in ``SPAN_NS``.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from node.adapters.http.framing import text_frame
from node.app.load_parts import batch_line, mark_line, risk_line
from node.app.long_commands import kind_lines
from node.app.telemetry import Meters, runs_on
from node.capacity.lines import (
    Chain,
    Work,
    chain_limits,
    headroom,
    held_up_limit,
    journal_limit,
    loop_limit,
    machine_limit,
    process_limit,
    ranked,
    stage_limit,
    stage_line,
)
from node.capacity.loadline import Backlog, LaneLine, Limit, LoadLine, StageLine
from node.capacity.registry import CapacityMark, RollingWindow
from node.capacity.report import MEDIAN_PPM, StageReport
from node.capacity.stage import lane_of
from node.capacity.telemetry import Telemetry
from node.publisher.feeds import LOAD
from node.publisher.service import Publisher
from node.types.units import MS_PER_S, NS_PER_S, PPM_ONE, US_PER_MS

if TYPE_CHECKING:
    from node.app.node import Node

PUSH_S: Final = 0.5
"""How often the channel "load" speaks, while anybody listens."""
FRESH_NS: Final = 400_000_000
"""An answer no older than this is given again."""
SPAN_NS: Final = 10 * NS_PER_S
ITEMS_MIN: Final = 100
"""Fewer items than this say nothing of what an item costs."""

RESOURCES_OF: Final = {
    "verification": ("verification",),
    "journal": ("journal",),
    "batcher": ("replica",),
    "settlement": ("l1", "l1_in_flight", "l1_bytes", "l1_gas"),
    "inbox": (),
    "history": (),
}
"""Whose limit the stages share that do not run on the event loop."""


class _Mark(msgspec.Struct, frozen=True):
    """Everything that was counted up to one instant."""

    stages: CapacityMark
    rest: Telemetry


class LoadWatch:
    """Compares the present with a mark of the recent past."""

    def __init__(self, node: "Node", meters: Meters) -> None:
        """Open the window now; all stages must be registered."""
        self._node = node
        self._meters = meters
        self._workers = node.config.sequencer.signature_workers
        mark = self._mark()
        self._window = RollingWindow(SPAN_NS, mark.rest.at_ns, mark)
        self._loop_idle = self._machine_idle = 0.0
        self._line: LoadLine | None = None
        self._limits: list[Limit] = []
        self._told_ns = 0

    def line(self) -> LoadLine:
        """Return the load line, at most ``FRESH_NS`` old."""
        now_ns = self._node.base.clock.now_ns()
        if self._line is None or now_ns - self._told_ns >= FRESH_NS:
            self._line = self._work_out()
            self._told_ns = now_ns
        return self._line

    @property
    def limits(self) -> list[Limit]:
        """Return every limit that is known, the least first, as of ``line``."""
        self.line()
        return self._limits

    def move(self) -> None:
        """Let the window move on where it is time to; somebody must call this once a span."""
        if self._window.is_due(self._node.base.clock.now_ns()):
            self._move(self._mark())

    def _move(self, now: _Mark) -> None:
        self._window.move(now.rest.at_ns, now)
        self._note_idle(now.rest.since(self._window.begin.rest))

    def _mark(self) -> _Mark:
        rest = self._meters.read()
        return _Mark(self._node.capacity.mark(rest.at_ns), rest)

    def _work_out(self) -> LoadLine:
        node, now = self._node, self._mark()
        if self._window.is_due(now.rest.at_ns):
            self._move(now)
        begin = self._window.begin
        recent = now.rest.since(begin.rest)
        reports = node.capacity.reports_between(begin.stages, now.stages)
        enough = items_of(recent) >= ITEMS_MIN
        told = recent if enough else now.rest
        costs = reports if enough else node.capacity.reports_between(None, now.stages)
        self._limits = self._rank(told, costs)
        rate = items_of(recent) * NS_PER_S / max(recent.window_ns, 1)
        least = self._limits[0] if self._limits else None
        return LoadLine(
            at_ms=node.base.clock.now_ms(),
            uptime_s=round(now.rest.window_ns / NS_PER_S, 3),
            rate_per_s=rate,
            stages=self._stages(reports, rate),
            lanes=tuple(_lane(report) for report in reports if lane_of(report.name)),
            kinds=kind_lines(node),
            bottleneck=least,
            next_bottleneck=self._limits[1] if len(self._limits) > 1 else None,
            headroom=headroom(rate, None if least is None else least.limit_per_s),
            knee=node.knee.read(),
            fee=node.price.line() if node.base.rules.fees.ceiling else None,
            risk=risk_line(node),
            batches=batch_line(node),
            marks=mark_line(node),
            gate=node.sequencer.gate,
            refusals=dict(node.ingress.stage.refused),
            conserved=node.capacity.all_conserved,
        )

    def _note_idle(self, recent: Telemetry) -> None:
        """Remember what the node spends with nobody there, as the last quiet window says."""
        if items_of(recent) == 0:
            self._loop_idle = recent.loop.busy_ns / recent.window_ns
            self._machine_idle = sum(recent.processes.values()) / recent.window_ns

    def _rank(self, told: Telemetry, costs: tuple[StageReport, ...]) -> list[Limit]:
        """Return every limit that the figures of one window give, the least first."""
        items = items_of(told)
        work = Work(
            elapsed_s=told.window_ns / NS_PER_S,
            items=items,
            loop_busy_s=told.loop.busy_ns / NS_PER_S,
            loop_waited_s=told.loop.waited_ns / NS_PER_S,
            machine_busy_s=sum(told.processes.values()) / NS_PER_S,
            cores=told.cores,
            loop_idle=self._loop_idle,
            machine_idle=self._machine_idle,
        )
        stopped = self._stopped()
        if items < ITEMS_MIN:
            return ranked(stopped)
        by_name = {report.name: report for report in costs}
        # Without workers of its own, verification is a part of the loop's work.
        pool = [stage_limit("verification", by_name["verification"], self._workers, items)]
        return ranked(
            [
                loop_limit(work),
                machine_limit(work),
                *(pool if self._workers else ()),
                journal_of(told, self._node.sequencer.block_work),
                process_limit("replica", work, told.processes.get("replica", 0) / NS_PER_S),
                *(stopped or self._chain(told)),
            ]
        )

    def _stopped(self) -> list[Limit]:
        """Return the limit of an L1 that is away, or that nothing is sent to; empty otherwise."""
        settlement = self._node.settlement
        cause = settlement.hold_up if settlement.chain_away or settlement.held_back else None
        return [] if cause is None else [held_up_limit(cause)]

    def _chain(self, told: Telemetry) -> list[Limit]:
        """Return the limits of L1; what the window cannot say of batches the start can."""
        span = told if told.l1.commands > 0 and told.l1.gas > 0 else self._meters.read()
        pace, config = self._node.settlement.pace, self._node.config
        l1, spread, each = span.l1, commands_an_item(span), commands_an_item(told)
        if l1.commands <= 0 or pace.block_ms is None or not spread or not each:
            return []
        flight_ms = l1.inclusion_ms.distribution().quantile(MEDIAN_PPM)
        return chain_limits(
            Chain(
                item_bytes=l1.data_bytes / l1.commands * spread,
                item_gas=l1.gas / l1.commands * spread,
                in_flight=config.settlement.in_flight_max,
                inclusion_s=(flight_ms or 0) / MS_PER_S,
                block_s=pace.block_ms / MS_PER_S,
                block_gas=pace.block_gas,
                batch_items=config.batcher.commands_max / each,
                batch_bytes=config.batcher.data_bytes_max,
                batch_gas=config.batcher.gas_max,
                included=self._node.price.included_ppm / PPM_ONE,
            )
        )

    def _stages(self, reports: tuple[StageReport, ...], rate: float) -> tuple[StageLine, ...]:
        return tuple(
            stage_line(
                report,
                runs_on(report.name, self._workers),
                self._limit_of(report.name),
                rate,
                self._waiting(report),
            )
            for report in reports
        )

    def _waiting(self, report: StageReport) -> Backlog:
        """Return what waits at a stage; its bytes are known where blocks are encoded already."""
        node = self._node
        match report.name:
            case "batcher":
                return Backlog(report.depth, bytes=node.batcher.held_bytes)
            case "batch_outbox":
                return Backlog(report.depth, bytes=sum(len(batch.data) for batch in node.outbox))
            case "settlement":
                pressure = node.settlement.pressure
                return Backlog(pressure.batches, bytes=pressure.data_bytes, gas=pressure.gas)
            case _:
                return Backlog(report.depth)

    def _limit_of(self, stage: str) -> Limit | None:
        """Return the limit of what ``stage`` runs on; of L1's laws, the one that binds."""
        of_loop = stage == "verification" and not self._workers
        resources = ("loop",) if of_loop else RESOURCES_OF.get(stage, ("loop",))
        return next((limit for limit in self._limits if limit.resource in resources), None)


def items_of(told: Telemetry) -> int:
    """Return the commands that the transition took in a window, rejected ones too."""
    return sum(kind.commands for kind in told.kinds)


def commands_an_item(told: Telemetry) -> float:
    """Return the log's commands for each item: blocks are opened, rejected items are not there.

    L1 is told of commands. With one item a block they are twice as many; 0 where every item was
    rejected, and where there was none.
    """
    return told.blocks.commands / max(items_of(told), 1)


def journal_of(told: Telemetry, block_work: int) -> Limit | None:
    """Return the limit of the journal, where a block holds ``block_work`` now.

    That is one of orders and cancels, by number and by the time that they took lately; of commands
    a block holds as many fewer as they carry more.
    """
    journal, work = told.journal, max(sum(kind.items for kind in told.kinds), 1)
    commit_s = journal.total_ns / max(journal.appends, 1) / NS_PER_S
    return journal_limit(max(block_work * items_of(told) / work, 1.0), commit_s)


def _lane(report: StageReport) -> LaneLine:
    return LaneLine(
        name=lane_of(report.name),
        depth=report.depth,
        capacity=report.capacity or 0,
        waited_p99_ms=None if report.wait_us is None else report.wait_us.p99 / US_PER_MS,
        refused=report.refused,
    )


async def push_load(publisher: Publisher, watch: LoadWatch) -> None:
    """Move the window, and tell the channel "load" while anybody listens, until cancelled."""
    while True:
        await asyncio.sleep(PUSH_S)
        watch.move()
        publisher.tell(LOAD)


def load_frame(line: LoadLine) -> bytes:
    """Return the message of the channel: the fields of the line, and the channel's name."""
    return text_frame(b'{"channel":"load",' + msgspec.json.encode(line)[1:])
