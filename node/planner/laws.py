"""The node's ceilings, stage by stage, and their minimum: the limit and the resource that sets it.

All rates are items (commands) from outside per second, all times are seconds. A ceiling of
``math.inf`` means that the resource never binds. Nothing here is random; what a ceiling does to
waiting is in ``node.planner.waiting``.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from scipy.optimize import nnls


def _at_least_zero(**values: float) -> None:
    """Raise ``ValueError`` naming every value that is negative or not a number."""
    faults = [f"{name} = {value}" for name, value in values.items() if not value >= 0]
    if faults:
        raise ValueError("must not be negative: " + ", ".join(faults))


def _above_zero(**values: float) -> None:
    """Raise ``ValueError`` naming every value that is not above zero and finite."""
    faults = [f"{name} = {value}" for name, value in values.items() if not 0 < value < math.inf]
    if faults:
        raise ValueError("must be positive and finite: " + ", ".join(faults))


class LoopStage(msgspec.Struct, frozen=True):
    """One stage of those that share an event loop."""

    visits_per_item: float
    service_s: float
    """Mean seconds of one visit."""


def loop_limit_per_s(stages: Iterable[LoopStage], hop_s: float = 0.0) -> float:
    """Return 1 / sum(v_s (S_s + hop)), the items per second that saturate one event loop.

    The utilization law U = X D with the service demands D_s = v_s S_s added, as the stages share
    one server (Denning and Buzen 1978). ``hop_s`` is what the loop itself spends to resume a task.
    Valid for any arrival process and any order of service; infinite where nothing takes time.
    ``1 / max S_s`` would hold only for stages with a processor each.
    """
    demand_s = 0.0
    for stage in stages:
        _at_least_zero(visits_per_item=stage.visits_per_item, service_s=stage.service_s)
        demand_s += stage.visits_per_item * (stage.service_s + hop_s)
    _at_least_zero(hop_s=hop_s)
    return 1 / demand_s if demand_s else math.inf


def journal_limit_per_s(records_per_commit: float, fsync_s: float, record_s: float = 0.0) -> float:
    """Return n / (T + n r): the records per second of a journal that commits groups of n.

    ``fsync_s`` (T) is the fixed cost of a commit, ``record_s`` (r) the cost of each record in it. A
    group commit takes what has gathered, so ``records_per_commit`` is the *largest* group; below
    the limit, groups are smaller. With r = 0 this is the brief form n / T.
    """
    _above_zero(records_per_commit=records_per_commit)
    _at_least_zero(fsync_s=fsync_s, record_s=record_s)
    commit_s = fsync_s + records_per_commit * record_s
    return records_per_commit / commit_s if commit_s else math.inf


def pool_limit_per_s(workers: int, service_s: float) -> float:
    """Return c / S: the items per second of ``workers`` that work side by side.

    Valid while each worker has a processor of its own; where they contend, feed ``workers`` through
    ``ScalabilityLaw`` first.
    """
    _above_zero(workers=workers)
    _at_least_zero(service_s=service_s)
    return workers / service_s if service_s else math.inf


class BatchOnChain(msgspec.Struct, frozen=True):
    """What one batch takes on L1, and what one L1 block has."""

    items: float
    gas: float
    bytes: float
    block_gas: float
    """The gas of an L1 block that this node can get."""
    block_bytes: float

    def per_block(self) -> int:
        """Return how many whole batches fit an L1 block; a batch never spans two."""
        _above_zero(items=self.items, gas=self.gas, bytes=self.bytes)
        _at_least_zero(block_gas=self.block_gas, block_bytes=self.block_bytes)
        return math.floor(min(self.block_gas / self.gas, self.block_bytes / self.bytes))


def settlement_limit_per_s(
    batch: BatchOnChain, in_flight: int, block_s: float, confirmation_s: float
) -> float:
    """Return items · min(in flight / E[confirmation], batches per block / block time).

    Two ceilings that do not multiply. Little's law on the unconfirmed batches gives the first: with
    at most ``in_flight`` of them, each unconfirmed for ``confirmation_s`` on average, no more than
    in_flight / E[confirmation] leave per second. The chain's own room gives the second. (The
    product in_flight · per block / E[confirmation] would count ``in_flight`` in *blocks'* worth;
    with batches counted, it promises more than the chain has room for.) Zero where no batch
    fits a block. Valid for confirmation times of any law.
    """
    _at_least_zero(in_flight=in_flight)
    _above_zero(block_s=block_s, confirmation_s=confirmation_s)
    room = batch.per_block()
    # Without room for one batch nothing is ever confirmed, however many are in flight.
    return batch.items * min(in_flight / confirmation_s, room / block_s) if room else 0.0


class NodeLimit(msgspec.Struct, frozen=True):
    """The node's ceiling, what sets it, and what would set it next."""

    per_s: float
    bottleneck: str
    next_per_s: float
    """The ceiling once the bottleneck is gone; infinite where there was one resource only."""
    next_bottleneck: str | None


def node_limit(limits_per_s: Mapping[str, float]) -> NodeLimit:
    """Return the minimum over resources, each given by its own ceiling in items per second.

    Exact for resources that work side by side, as throughput is the same through all of them
    (forced flow law, visits already counted in each ceiling). Raises ``ValueError`` where none is
    given or one is negative or not a number.
    """
    if not limits_per_s:
        raise ValueError("a node has at least one resource")
    _at_least_zero(**limits_per_s)
    ranked = sorted(limits_per_s, key=lambda name: (limits_per_s[name], name))
    return NodeLimit(
        per_s=limits_per_s[ranked[0]],
        bottleneck=ranked[0],
        next_per_s=limits_per_s[ranked[1]] if len(ranked) > 1 else math.inf,
        next_bottleneck=ranked[1] if len(ranked) > 1 else None,
    )


class ScalabilityLaw(msgspec.Struct, frozen=True):
    """X(N) = γN / (1 + α(N−1) + βN(N−1)), the Universal Scalability Law (Gunther 1993, 2007).

    α is contention (serialized share), β coherence (cost of each pair that must agree). α = β = 0
    is linear, β = 0 is Amdahl's law. Valid for workers of one kind under one workload.
    """

    per_worker_per_s: float
    """γ: items per second of one worker alone."""
    contention: float
    coherence: float

    def throughput_per_s(self, workers: float) -> float:
        """Return X(N) for ``workers`` >= 1."""
        if not workers >= 1:
            raise ValueError(f"the law starts at one worker, not at {workers}")
        n = workers
        slowdown = 1 + self.contention * (n - 1) + self.coherence * n * (n - 1)
        return self.per_worker_per_s * n / slowdown

    @property
    def best_workers(self) -> float:
        """Return N* = √((1−α)/β), at least 1: more workers than this lose. Infinite for β = 0."""
        if self.contention >= 1:
            return 1.0
        if self.coherence <= 0:
            return math.inf
        return max(math.sqrt((1 - self.contention) / self.coherence), 1.0)


def fit_scalability(workers: Sequence[float], throughput_per_s: Sequence[float]) -> ScalabilityLaw:
    """Fit the law to measured throughputs, by non-negative least squares.

    N / X = (1 + α(N−1) + βN(N−1)) / γ is linear in (1/γ, α/γ, β/γ), and all three are not negative
    in the physical range, so the fit has one optimum. Each row is weighted by X/N, which makes
    errors relative. Raises ``ValueError`` for fewer than three different worker counts (the law has
    three parameters) or a measurement that is not positive.
    """
    n = np.asarray(workers, dtype=np.float64)
    x = np.asarray(throughput_per_s, dtype=np.float64)
    if n.shape != x.shape or len(set(n.tolist())) < 3:
        raise ValueError("three different worker counts are needed, each with a throughput")
    if not (np.all(n >= 1) and np.all(x > 0) and np.all(np.isfinite(x))):
        raise ValueError("worker counts start at 1 and throughputs are positive")
    columns = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)
    inverse, contention, coherence = nnls(columns * (x / n)[:, None], np.ones_like(n))[0]
    if inverse <= 0:
        raise ValueError("no law fits: throughput grows faster than the number of workers")
    return ScalabilityLaw(
        per_worker_per_s=float(1 / inverse),
        contention=float(contention / inverse),
        coherence=float(coherence / inverse),
    )


def little_residual(mean_held: float, rate_per_s: float, mean_sojourn_s: float) -> float:
    """Return |L − λW| / L, the disagreement of a stage's own three measurements (Little 1961).

    Near zero for any stable stage over a window that is long beside its sojourn times; a residual
    of some percent says that one of the three is measured wrongly, or that the window is too short
    (the edge error is at most the items held at both ends over the items that went through). Zero
    for an empty stage, infinite where items were never held and yet took time.
    """
    _at_least_zero(mean_held=mean_held, rate_per_s=rate_per_s, mean_sojourn_s=mean_sojourn_s)
    expected = rate_per_s * mean_sojourn_s
    if mean_held == 0:
        return 0.0 if expected == 0 else math.inf
    return abs(mean_held - expected) / mean_held
