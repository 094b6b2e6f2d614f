"""The pipeline that the planner computes with: what arrives, what each stage takes, what bounds it.

    arrivals ─▶ workers ─▶ lanes ─▶ loop ─▶ journal ─▶ batches ─▶ L1
    (Hawkes)    (side by   (bounded)  (one,   (group     (in        (blocks, room,
                 side)                by lane) commit)    flight)    inclusion)

Times are seconds. A node that verifies inside its loop is described by a loop service time that
contains it, and a verification that takes none.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from node.planner.arrays import Vector
from node.planner.hawkes import Hawkes
from node.planner.laws import (
    BatchOnChain,
    LoopStage,
    NodeLimit,
    journal_limit_per_s,
    loop_limit_per_s,
    node_limit,
    pool_limit_per_s,
    settlement_limit_per_s,
)
from node.planner.shared_cores import SharedCores
from node.planner.waiting import Moments


class Gamma(msgspec.Struct, frozen=True):
    """A parametric service time: gamma with this mean and coefficient of variation.

    A variation of 0 is constant service, 1 is exponential. It is taken as known exactly.
    """

    mean_s: float
    variation: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Return what is wrong with it."""
        fine = 0 <= self.mean_s < math.inf and 0 <= self.variation < math.inf
        return [] if fine else [f"mean {self.mean_s} s, variation {self.variation}: not >= 0"]

    @property
    def moments(self) -> Moments:
        """Return E[S] and E[S²]."""
        return Moments(self.mean_s, self.mean_s**2 * (1 + self.variation**2))

    def draw(self, count: int, random: np.random.Generator) -> Vector:
        """Return independent service times."""
        if self.variation == 0 or self.mean_s == 0:
            return np.full(count, self.mean_s)
        shape = self.variation**-2
        return random.gamma(shape, self.mean_s / shape, count)

    @property
    def replicates(self) -> int:
        """Return 0: nothing was measured, so nothing is uncertain."""
        return 0

    def scale(self, _replicate: int) -> float:
        """Return 1."""
        return 1.0

    def stretched(self, factor: float) -> "Gamma":
        """Return the law of times that are ``factor`` as long."""
        return Gamma(self.mean_s * factor, self.variation)


class Estimated(msgspec.Struct, frozen=True):
    """A gamma law whose mean is known as well as ``replicates_s`` of it agree.

    Replicate r belongs to replicate r of every other law of a node: they come from the same
    windows, and a slow one made them all slow.
    """

    mean_s: float
    variation: float
    replicates_s: tuple[float, ...]

    @property
    def faults(self) -> list[str]:
        """Return what is wrong with it."""
        if not self.replicates_s or not all(0 <= mean < math.inf for mean in self.replicates_s):
            return ["no replicates of a mean, or one that is not >= 0"]
        return Gamma(self.mean_s, self.variation).faults

    @property
    def moments(self) -> Moments:
        """Return E[S] and E[S²]."""
        return Gamma(self.mean_s, self.variation).moments

    def draw(self, count: int, random: np.random.Generator) -> Vector:
        """Return independent service times."""
        return Gamma(self.mean_s, self.variation).draw(count, random)

    @property
    def replicates(self) -> int:
        """Return how many replicates there are."""
        return len(self.replicates_s)

    def scale(self, replicate: int) -> float:
        """Return this replicate over the mean."""
        return self.replicates_s[replicate] / self.mean_s if self.mean_s else 1.0

    def stretched(self, factor: float) -> "Estimated":
        """Return the law of times that are ``factor`` as long."""
        longer = tuple(mean * factor for mean in self.replicates_s)
        return Estimated(self.mean_s * factor, self.variation, longer)


ServiceTime = Gamma | Estimated


class Kind(msgspec.Struct, frozen=True):
    """A kind of command: where it waits and what it takes."""

    name: str
    lane: int
    """Index into ``Pipeline.lanes``."""
    loop: ServiceTime
    verify: ServiceTime = Gamma(0.0)
    own: bool = False
    """The node's own work, such as oracle rounds: it does not grow with the flow."""


class Lane(msgspec.Struct, frozen=True):
    """A bounded lane; the order of lanes is their priority, without preemption."""

    name: str
    limit: int
    """Items that may wait; one more is refused."""


class Journal(msgspec.Struct, frozen=True):
    """Group commit: what has gathered, up to ``records_max``, is durable after a + b·n."""

    commit_s: float
    record_s: float
    records_max: int

    @property
    def each_s(self) -> float:
        """Return what a record takes of the disk in full groups."""
        return self.commit_s / self.records_max + self.record_s


class Settlement(msgspec.Struct, frozen=True):
    """How batches reach L1. At each L1 block, what is unposted is sealed as far as slots are free.

    The next block takes those that wait, in order and as far as it has room, with
    ``inclusion_probability``, and none otherwise.
    """

    batch: BatchOnChain
    in_flight_max: int
    block_s: float
    inclusion_probability: float = 1.0
    finality_blocks: int = 64
    sends: bool = True
    """Whether gas costs no more than the node pays for it: nothing is posted otherwise."""

    @property
    def confirmation_s(self) -> float:
        """Return the mean from sealing to inclusion while blocks have room."""
        return self.block_s / self.inclusion_probability


class Pipeline(msgspec.Struct, frozen=True):
    """A whole node under a flow. ``arrivals`` has one kind for each of ``kinds``, in order.

    Where the loop shares its cores, the kinds' times on it are stretched by what that takes
    (``SharedCores.stretch``), and ``shared`` tells the limits of loop and machine.
    """

    kinds: tuple[Kind, ...]
    lanes: tuple[Lane, ...]
    workers: int
    journal: Journal
    settlement: Settlement
    arrivals: Hawkes
    shared: SharedCores | None = None
    unsure: float = 0.0
    """How much the loop's times differ from what is told of them, from run to run, relative (σ)."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming all faults at once."""
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))

    def _faults(self) -> Iterator[str]:
        if len(self.kinds) != self.arrivals.kinds:
            yield f"{self.arrivals.kinds} kinds arrive, {len(self.kinds)} are described"
        elif not self.rate_per_s > 0:
            yield "nothing arrives"
        for kind in self.kinds:
            yield from (f"{kind.name}.loop: {fault}" for fault in kind.loop.faults)
            yield from (f"{kind.name}.verify: {fault}" for fault in kind.verify.faults)
            if not 0 <= kind.lane < len(self.lanes):
                yield f"{kind.name}.lane: {kind.lane} is not within 0..{len(self.lanes) - 1}"
        counts = {kind.loop.replicates for kind in self.kinds} - {0}
        if len(counts) > 1:
            yield f"kinds.loop: {sorted(counts)} replicates, the same number of each allowed"
        yield from (f"{lane.name}.limit: below 1" for lane in self.lanes if lane.limit < 1)
        if self.workers < 1:
            yield f"workers: {self.workers} is below 1"
        journal, settlement = self.journal, self.settlement
        if not (journal.commit_s >= 0 and journal.record_s >= 0 and journal.records_max >= 1):
            yield "journal: costs must not be negative, and a group holds at least one record"
        if not (settlement.in_flight_max >= 1 and 0 < settlement.block_s < math.inf):
            yield "settlement: one batch in flight and a positive block time, at least"
        if not 0 < settlement.inclusion_probability <= 1:
            yield "settlement.inclusion_probability: not within (0, 1]"
        if settlement.finality_blocks < 0:
            yield "settlement.finality_blocks: negative"
        if settlement.batch.items < 1:
            yield "settlement.batch.items: below 1"

    @property
    def grows(self) -> Vector:
        """Return 1 for each kind that clients send and 0 for the node's own."""
        return np.array([0.0 if kind.own else 1.0 for kind in self.kinds])

    @property
    def rate_per_s(self) -> float:
        """Return the mean of all arrivals from outside together."""
        return float((self.arrivals.mean_rates_per_s * self.grows).sum())

    @property
    def shares(self) -> Vector:
        """Return the share of each kind in the arrivals from outside; 0 for the node's own."""
        return self.arrivals.mean_rates_per_s * self.grows / self.rate_per_s

    def limits_per_s(self) -> dict[str, float]:
        """Return the analytic ceilings of each resource for arrivals from outside.

        They are loop, workers, journal and l1, and machine where the loop shares its cores.

        What the node's own work takes of a resource at its own rate is not there for others.
        """
        loop_s = np.array([kind.loop.moments.mean_s for kind in self.kinds])
        verify_s = sum(self.shares * [kind.verify.moments.mean_s for kind in self.kinds])
        own = self.arrivals.mean_rates_per_s * (1 - self.grows)
        free = max(1 - float(own @ loop_s), 0.0)
        stages = [
            LoopStage(float(share), float(mean_s))
            for share, mean_s in zip(self.shares, loop_s, strict=True)
        ]
        journal, chain = self.journal, self.settlement
        l1 = self.l1_limit_per_s(chain.batch, chain.inclusion_probability)
        records = journal_limit_per_s(journal.records_max, journal.commit_s, journal.record_s)
        loop = free * loop_limit_per_s(stages) if free else 0.0
        shared = {} if self.shared is None else {"machine": self.shared.machine_per_s}
        return {
            "loop": loop if self.shared is None else self.shared.loop_per_s,
            **shared,
            "workers": pool_limit_per_s(self.workers, float(verify_s)),
            "journal": max(records - float(own.sum()), 0.0),
            "l1": l1 if chain.sends else 0.0,
        }

    def l1_limit_per_s(self, batch: BatchOnChain, inclusion: float) -> float:
        """Return what L1 takes of arrivals from outside, where it takes ``batch`` by that chance.

        What the node posts of its own, the oracle's rounds, goes with them.
        """
        chain, own = self.settlement, self.arrivals.mean_rates_per_s * (1 - self.grows)
        posted = settlement_limit_per_s(batch, chain.in_flight_max, chain.block_s, inclusion)
        return max(posted - float(own.sum()), 0.0)

    def limit(self) -> NodeLimit:
        """Return the least of these, what sets it, and what would set it next."""
        return node_limit(self.limits_per_s())
