"""What the planner knows of a node and of a flow: every figure measured, each with its error.

    reads of /telemetry ─▶ windows below half load ─▶ services, cold, loop, journal, processes, L1
    recorded flow       ─▶ arrivals, sizes, depth   ─▶ flow

Times are seconds, bytes are bytes, gas is gas. Replicates are the same figures from resampled
windows; replicate r of one law belongs to replicate r of every other, so that a prediction is
computed once for each r and its spread is the prediction's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from node.capacity.telemetry import Telemetry, WriterLimits
from node.planner.arrays import Vector
from node.planner.chain_law import ChainLaw, chain_law
from node.planner.flow_law import FlowLaw, KindFlow
from node.planner.regression import LinearLaw, fit_linear, resamples_of
from node.planner.service_law import (
    ANY,
    TRANSITION,
    ServiceLaw,
    kind_laws,
    stage_laws,
)
from node.planner.windows import WINDOWS_MIN, Windows, commands_of, refusals_noted, windows_of

VERSION = 2
"""Raised when a field changes its meaning; a file of another version is refused."""
LOAD_MAX = 0.5
"""Windows count in which neither the loop nor any process was busier than this."""

SHARED_FROM = 16.0
"""Messages in a block, on average over a window, from which on it can be told what they share.

Told from smaller ones it is a guess: at the knees of ten nodes 0.62 … 1.46 of it was seen."""

_LOOP_TERMS = ("message", "block", "second", "shared", "item")
_WORK = "work"
"""Seconds that the commands of a window take at the means of their kinds."""

_SEED = 0
"""Of the resamples: the same reads give the same calibration."""
_NS = 1e-9


class Source(msgspec.Struct, frozen=True):
    """Where a calibration comes from."""

    what: Literal["telemetry", "tape", "both"]
    windows: int = 0
    """Windows that were used, each between two reads."""
    windows_left_out: int = 0
    """Windows that were busier than ``load_max``, or in which nothing happened."""
    seconds: float = 0.0
    """How long the windows lasted that were used."""
    commands: int = 0
    messages: int = 0
    blocks: int = 0
    load_low: float = 0.0
    load_high: float = 0.0
    """Least and greatest busy share of the loop in them."""
    load_max: float = LOAD_MAX
    cores: int = 0
    limits: WriterLimits = WriterLimits()
    """Of the node that was read."""
    tape: str = ""
    notes: tuple[str, ...] = ()
    """What the windows could not tell apart, and that much was refused in them, in words."""

    @property
    def patience_s(self) -> float:
        """Return for how long something may wait before its lane sheds."""
        return self.limits.delay_target_us * 1e-6


class Work(msgspec.Struct, frozen=True):
    """What a stretch of time brings to the loop; any of them may be a rate per second."""

    seconds: float
    messages: float
    blocks: float
    commands: Mapping[str, float]
    """By kind."""
    items: float
    """Orders and cancels that the commands held."""


class Calibration(msgspec.Struct, frozen=True):
    """Everything a prediction is computed from. Parts that no source told are empty or None."""

    source: Source
    services: tuple[ServiceLaw, ...] = ()
    loop: LinearLaw | None = None
    """Seconds of the loop's processor *beside* the transition's commands and blocks.

    Over message, block, second, shared and item: what parsing, answering, publishing and watching
    take.
    """
    cold: LinearLaw | None = None
    """Seconds that the transition's commands take longer for being few; over block and second.

    What the first of a block fetches, the next find warm, and a loop that has rested finds more of
    it cold. It is in the means of ``services``, as much as a mean command of the windows had.
    """
    blocks: LinearLaw | None = None
    """Seconds of the loop for making blocks, beside their commands; over block, command, second."""
    journal: LinearLaw | None = None
    """Seconds until a block is durable, over block and command: a + b·n for each commit."""
    processes: dict[str, LinearLaw] = {}
    """Processor seconds of each process of the node, over second, block, command and item."""
    l1: ChainLaw | None = None
    flow: FlowLaw | None = None
    version: int = VERSION

    def service(self, stage: str, kind: str = ANY) -> ServiceLaw | None:
        """Return the law of ``stage`` and ``kind``, None where nothing of it was seen."""
        return next((law for law in self.services if (law.stage, law.kind) == (stage, kind)), None)

    def loop_s(self, work: Work) -> float:
        """Return the seconds of the loop that ``work`` takes; one each second is all of them.

        The sum over what is measured directly (commands by kind, what is cold to them, blocks) and
        what is left of the loop's time beside it. A kind that was never seen costs what the dearest
        seen one does.
        """
        amounts = amounts_of(work)
        direct = sum(count * self.command_s(kind) for kind, count in work.commands.items())
        laws = (self.loop, self.cold, self.blocks)
        return direct + sum(law.at(amounts) for law in laws if law is not None)

    def loop_replicates_s(self, work: Work) -> Vector:
        """Return the same by each replicate: how sure ``loop_s`` is."""
        amounts = amounts_of(work)
        laws = (self.loop, self.cold, self.blocks)
        parts = [law.replicates_at(amounts) for law in laws if law is not None]
        cold_s = self.cold.replicates_at(self._mean_command) if self.cold is not None else 0.0
        for kind, count in work.commands.items():
            if (law := self._law_of(kind)) is not None:
                parts.append(count * np.maximum(np.asarray(law.replicates_s) - cold_s, 0.0))
        return np.asarray(sum(parts, np.zeros(1)), dtype=np.float64)

    def command_s(self, kind: str) -> float:
        """Return what one more command of ``kind`` takes in the transition, where all is warm."""
        law = self._law_of(kind)
        if law is None:
            return 0.0
        cold_s = self.cold.at(self._mean_command) if self.cold is not None else 0.0
        return max(law.mean_s - cold_s, 0.0)

    @property
    def _mean_command(self) -> dict[str, float]:
        """Return the blocks and the seconds for each command of the windows."""
        commands = self.source.commands
        if not commands:
            return {}
        return {"block": self.source.blocks / commands, "second": self.source.seconds / commands}

    def _law_of(self, kind: str) -> ServiceLaw | None:
        return self.service(TRANSITION, kind) or self._dearest

    @property
    def tells_work(self) -> bool:
        """Return whether it tells what work costs; one of a tape knows a flow alone."""
        return self.loop is not None or self._dearest is not None

    @property
    def measured_work(self) -> Work:
        """Return what a mean second of the windows brought: the mix and the rate measured at."""
        kinds = self.flow.kinds if self.flow is not None else {}
        seconds = self.source.seconds or 1.0
        return Work(
            seconds=1.0,
            messages=self.source.messages / seconds,
            blocks=self.source.blocks / seconds,
            commands={name: kind.rate_per_s for name, kind in kinds.items()},
            items=sum(kind.rate_per_s * kind.items_per_command for kind in kinds.values()),
        )

    @property
    def _dearest(self) -> ServiceLaw | None:
        seen = [law for law in self.services if law.stage == TRANSITION and law.kind != ANY]
        return max(seen, key=lambda law: law.mean_s, default=None)


def amounts_of(work: Work) -> dict[str, float]:
    """Return ``work`` by the terms of the linear laws."""
    return {
        "second": work.seconds,
        "message": work.messages,
        "block": work.blocks,
        "shared": shared_by(work.messages, work.blocks),
        "command": sum(work.commands.values()),
        "item": work.items,
    }


def calibrate(
    reads: Sequence[Telemetry], load_max: float = LOAD_MAX, windows_min: int = WINDOWS_MIN
) -> Calibration:
    """Return what successive ``reads`` of one node tell, from windows at most ``load_max`` busy.

    To tell the cost of a message from that of a block or of a second, the windows should have
    different loads: at one load these amounts keep one proportion, and ``Source.notes`` says which
    of them then carries the others. Raises ``MeasurementInvalid`` with all faults (see
    ``windows_of``). The same reads give the same calibration.
    """
    windows = windows_of(reads, load_max, windows_min)
    random = np.random.default_rng(_SEED)
    used = windows.used
    resamples = resamples_of(len(used), random)
    amounts = _amounts(used)
    largest = _largest_block(used)
    terms = [term for term in _LOOP_TERMS if term != "shared" or largest >= SHARED_FROM]
    loop = fit_linear(
        _column([loop_beside_s(window) for window in used]), _chosen(amounts, *terms), resamples
    )
    kinds = tuple(kind_laws(used, resamples))
    amounts[_WORK] = _work(used, kinds)
    journal = _chosen(amounts, "block", "command")
    # Work comes before time: what grows with both is taken to grow with the load.
    each_process = _chosen(amounts, "command", "second", "block", "item")
    return Calibration(
        source=_source(windows, load_max, loop, largest),
        services=(*kinds, *stage_laws(used, resamples)),
        loop=loop,
        cold=fit_linear(
            _column([sum(kind.total_ns for kind in window.kinds) for window in used], _NS),
            _chosen(amounts, _WORK, "block", "second"),
            resamples,
        ).without(_WORK),
        blocks=fit_linear(
            _column([window.blocks.total_ns for window in used], _NS),
            _chosen(amounts, "block", "command", "second"),
            resamples,
        ),
        journal=fit_linear(_column([w.journal.total_ns for w in used], _NS), journal, resamples),
        processes={
            name: fit_linear(
                _column([window.processes.get(name, 0) for window in used], _NS),
                each_process,
                resamples,
            )
            for name in sorted({name for window in used for name in window.processes})
        },
        l1=chain_law(reads, random),
        flow=_flow(used),
    )


def with_flow(node: Calibration, tape: Calibration) -> Calibration:
    """Return what ``node`` costs under what ``tape`` flows like.

    What each kind of command held while it was measured stays the node's, and so does the oracle's
    interval where the tape tells none; arrivals, sizes, cancels and depth are the tape's.
    """
    flow, measured = tape.flow, node.flow
    if flow is not None and measured is not None:
        oracle_s = flow.oracle_interval_s or measured.oracle_interval_s
        flow = msgspec.structs.replace(flow, kinds=measured.kinds, oracle_interval_s=oracle_s)
    source = msgspec.structs.replace(node.source, what="both", tape=tape.source.tape)
    return msgspec.structs.replace(node, source=source, flow=flow)


def loop_beside_s(window: Telemetry) -> float:
    """Return the seconds of the loop beside commands and blocks; negative where it was robbed.

    Commands and blocks are timed by the wall clock, the loop by the processor: on a machine that is
    busy with other things the former can exceed the latter.
    """
    direct_ns = sum(kind.total_ns for kind in window.kinds) + window.blocks.total_ns
    return (window.loop.busy_ns - direct_ns) * _NS


def shared_by(messages: float, blocks: float) -> float:
    """Return ``blocks`` · ln(1 + n), for n = ``messages`` / ``blocks``.

    What the messages of a block share makes the next of them cheaper: the k-th pays about 1/k of
    it, and all n the sum, which grows as the logarithm does. Without it a cost per message that is
    told from small blocks is too high for large ones. Blocks of different sizes count as so many
    of their mean size, which charges them with too much.
    """
    return blocks * math.log1p(messages / blocks) if blocks else 0.0


def window_amounts(window: Telemetry) -> dict[str, float]:
    """Return what ``window`` brought, by the terms of the linear laws."""
    messages, blocks = float(window.messages.incoming), float(window.blocks.count)
    return {
        "second": window.window_ns * _NS,
        "message": messages,
        "block": blocks,
        "shared": shared_by(messages, blocks),
        "command": float(commands_of(window)),
        "item": float(sum(kind.items for kind in window.kinds)),
    }


def _amounts(windows: Sequence[Telemetry]) -> dict[str, Vector]:
    rows = [window_amounts(window) for window in windows]
    return {term: _column([row[term] for row in rows]) for term in rows[0]}


def _work(windows: Sequence[Telemetry], kinds: Iterable[ServiceLaw]) -> Vector:
    mean_s = {law.kind: law.mean_s for law in kinds}
    return _column(
        [
            sum(kind.commands * mean_s.get(kind.kind, 0.0) for kind in window.kinds)
            for window in windows
        ]
    )


def _chosen(amounts: Mapping[str, Vector], *terms: str) -> dict[str, Vector]:
    return {term: amounts[term] for term in terms}


def _column(values: Sequence[float], unit: float = 1.0) -> Vector:
    return np.asarray(values, dtype=np.float64) * unit


def _largest_block(windows: Sequence[Telemetry]) -> float:
    """Return the most messages that the blocks of a window held, on average."""
    held = [
        window.messages.incoming / window.blocks.count for window in windows if window.blocks.count
    ]
    return max(held, default=0.0)


def _source(windows: Windows, load_max: float, loop: LinearLaw, largest: float) -> Source:
    used = windows.used
    loads = [window.loop.busy_ns / window.window_ns for window in used]
    missing = [term for term in _LOOP_TERMS if term not in loop.terms]
    notes = [
        f"loop: blocks held {largest:.1f} messages at most, too few to tell what those of"
        f" {SHARED_FROM:.0f} and more share"
        if term == "shared" and largest < SHARED_FROM
        else f"loop: {term} cannot be told from the terms before it"
        for term in missing
    ]
    if not any(loop.coefficients):
        notes.append("loop: commands and blocks took more time than the processor was charged for")
    notes += refusals_noted(used)
    if used[-1].limits.spare_core:
        notes.append(
            "cores: sequencer.spare_core is set; the law of the loop's waits is of shared ones"
        )
    return Source(
        what="telemetry",
        windows=len(used),
        windows_left_out=windows.busy + windows.idle,
        seconds=sum(window.window_ns for window in used) * _NS,
        commands=sum(commands_of(window) for window in used),
        messages=sum(window.messages.incoming for window in used),
        blocks=sum(window.blocks.count for window in used),
        load_low=min(loads),
        load_high=max(loads),
        load_max=load_max,
        cores=used[-1].cores,
        limits=used[-1].limits,
        notes=tuple(notes),
    )


def _flow(windows: Sequence[Telemetry]) -> FlowLaw:
    seconds = sum(window.window_ns for window in windows) * _NS
    kinds = {}
    for name in sorted({kind.kind for window in windows for kind in window.kinds}):
        seen = [kind for window in windows if (kind := window.kind(name)) is not None]
        commands = sum(kind.commands for kind in seen)
        if commands:
            kinds[name] = KindFlow(
                rate_per_s=commands / seconds,
                items_per_command=sum(kind.items for kind in seen) / commands,
                fills_per_command=sum(kind.fills for kind in seen) / commands,
            )
    rates = {name: kind.rate_per_s for name, kind in kinds.items()}
    placed = rates.get("place", 0.0) + rates.get("bulk", 0.0)
    cancelled = rates.get("cancel", 0.0) + rates.get("cancel_all", 0.0)
    rounds = rates.get("oracle_round", 0.0)
    return FlowLaw(
        kinds=kinds,
        cancel_ratio=cancelled / placed if placed else 0.0,
        oracle_interval_s=1 / rounds if rounds else None,
    )
