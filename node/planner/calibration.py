"""What the planner knows of a node and of a flow: every figure measured, each with its error.

    reads of /telemetry ─▶ windows below half load ─▶ service laws, loop, journal, processes, L1
    recorded flow       ─▶ arrivals, sizes, depth   ─▶ flow

Times are seconds, bytes are bytes, gas is gas. Replicates are the same figures from resampled
windows; replicate r of one law belongs to replicate r of every other, so that a prediction is
computed once for each r and its spread is the prediction's.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.planner.hawkes import Hawkes
from node.planner.pipeline import Gamma
from node.planner.regression import LinearLaw, interval_of
from node.planner.waiting import Moments

Vector = NDArray[np.float64]

VERSION = 1
"""Raised when a field changes its meaning; a file of another version is refused."""
LOAD_MAX = 0.5
"""Windows count in which neither the loop nor any process was busier than this."""

TRANSITION = "transition"
"""The stage whose services are told by kind of command."""
ANY = ""
"""The kind of a service law that makes no difference between kinds."""

Row = tuple[float, ...]


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
    load_low: float = 0.0
    load_high: float = 0.0
    """Least and greatest busy share of the loop in them."""
    load_max: float = LOAD_MAX
    cores: int = 0
    tape: str = ""
    notes: tuple[str, ...] = ()
    """What the windows could not tell apart, in words."""


class ServiceLaw(msgspec.Struct, frozen=True):
    """How long ``stage`` works on one item of ``kind`` (``ANY``: whatever it is)."""

    stage: str
    kind: str
    runs_on: str
    """loop, pool, thread, process or l1, as telemetry says."""
    servers: int
    mean_s: float
    square_s2: float
    """E[S²]."""
    mean_error_s: float
    """Standard error of the mean, over resampled windows."""
    window_s: float
    """How far the means of single windows spread beyond chance (a standard deviation)."""
    n: int
    replicates_s: Row
    """The mean again, of each resample."""
    sample_s: Row = ()
    """Equally likely service times, where a histogram was kept; empty otherwise."""

    @property
    def moments(self) -> Moments:
        """Return E[S] and E[S²]."""
        return Moments(self.mean_s, max(self.square_s2, self.mean_s**2))

    @property
    def gamma(self) -> Gamma:
        """Return the gamma law with these two moments."""
        if not self.mean_s:
            return Gamma(0.0)
        return Gamma(self.mean_s, max(self.square_s2 / self.mean_s**2 - 1, 0.0) ** 0.5)

    def interval_s(self, level: float = 0.95) -> tuple[float, float]:
        """Return what the mean lies within, at this confidence."""
        return interval_of(np.asarray(self.replicates_s), level)


class ChainLaw(msgspec.Struct, frozen=True):
    """What batches take of L1, and how long L1 takes."""

    batches: int
    commands_per_batch: float
    gas: LinearLaw
    """Over batch, byte."""
    data_bytes: LinearLaw
    """Over batch and the kinds of command that the windows tell apart, else over command."""
    inclusion_s: Row
    """Equally likely times from sealing to the block that holds the batch."""
    finality_s: Row


class KindFlow(msgspec.Struct, frozen=True):
    """How often a kind of command came, and what it held."""

    rate_per_s: float
    items_per_command: float
    fills_per_command: float


class SizeLaw(msgspec.Struct, frozen=True):
    """Lognormal law of order sizes, in the tape's own units, beside what was seen."""

    log_mean: float
    log_deviation: float
    distance: float
    """Kolmogorov and Smirnov's D of the lognormal."""
    sample: Row
    """Equally likely sizes as seen."""
    n: int


class ArrivalLaw(msgspec.Struct, frozen=True):
    """A marked Hawkes process over ``kinds``; rows of matrices are children, columns parents.

    An event's children number ``branching`` · size^``mark_power`` / E[size^``mark_power``].
    """

    kinds: tuple[str, ...]
    baseline_per_s: Row
    branching: tuple[tuple[Row, ...], ...]
    """[scale][child][parent]"""
    decays_per_s: Row
    baseline_error: tuple[float | None, ...]
    branching_error: tuple[tuple[tuple[float | None, ...], ...], ...]
    decays_error: tuple[float | None, ...]
    """Standard errors; None where a parameter lies on its bound."""
    mark_power: float
    mark_power_error: float | None
    distance: Row
    """Kolmogorov and Smirnov's D of the rescaled waiting times, by kind."""
    p_value: Row
    poisson_distance: Row
    poisson_p_value: Row
    aic: float
    poisson_aic: float
    events: int
    seconds: float
    converged: bool

    @property
    def process(self) -> Hawkes:
        """Return the process of the times. Raises ``ValueError`` unless it is stationary."""
        kinds = len(self.kinds)
        return Hawkes(
            np.asarray(self.baseline_per_s, dtype=np.float64),
            np.asarray(self.branching, dtype=np.float64).reshape(-1, kinds, kinds),
            np.asarray(self.decays_per_s, dtype=np.float64),
        )


class FlowLaw(msgspec.Struct, frozen=True):
    """The shape of the flow: what comes, how much of it is cancelled, what it meets."""

    kinds: dict[str, KindFlow]
    cancel_ratio: float
    """Commands that cancel for each command that places."""
    oracle_interval_s: float | None = None
    """Mean time between oracle rounds; None where none was seen."""
    arrivals: ArrivalLaw | None = None
    sizes: SizeLaw | None = None
    resting_orders: float | None = None
    """Orders in the book, a mean over time; likewise the two below."""
    levels: float | None = None
    """Price levels of both sides."""
    touch_size: float | None = None
    """Size at the best bid and the best ask together, in the tape's units."""


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

    Over second, message, block and item: what parsing, answering, publishing and watching take.
    """
    blocks: LinearLaw | None = None
    """Seconds of the loop for making blocks, beside their commands; over block and command."""
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

        The sum over what is measured directly (commands by kind, blocks) and what is left of the
        loop's time beside it. A kind that was never seen costs what the dearest seen one does.
        """
        laws = [self.service(TRANSITION, kind) or self._dearest for kind in work.commands]
        direct = sum(
            count * law.mean_s
            for law, count in zip(laws, work.commands.values(), strict=True)
            if law is not None
        )
        amounts = amounts_of(work)
        return direct + sum(law.at(amounts) for law in (self.loop, self.blocks) if law is not None)

    def loop_replicates_s(self, work: Work) -> Vector:
        """Return the same by each replicate: how sure ``loop_s`` is."""
        laws = [self.service(TRANSITION, kind) or self._dearest for kind in work.commands]
        amounts = amounts_of(work)
        parts = [law.replicates_at(amounts) for law in (self.loop, self.blocks) if law is not None]
        parts += [
            count * np.asarray(law.replicates_s)
            for law, count in zip(laws, work.commands.values(), strict=True)
            if law is not None
        ]
        return np.asarray(sum(parts, np.zeros(1)), dtype=np.float64)

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
        "command": sum(work.commands.values()),
        "item": work.items,
    }
