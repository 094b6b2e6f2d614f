"""Where a node's knee will be, from what it cost in quiet hours.

    calibration ─▶ what one action takes of each resource ─▶ a ceiling each ─▶ the least of them
       (200 replicates: resampled windows)                  (200 ceilings)     (200 knees: P5 … P95)

Every resource has its own law, and the node's is the least (``node.planner.laws.node_limit``):

| Resource | Full when |
|---|---|
| event_loop | of what comes, ``LOST`` would wait for it longer than the lanes let anything wait |
| verification | its busiest process takes a second of a second |
| replica | likewise: it executes every batch again |
| journal | the largest group takes as long to write as to gather |
| machine | all processes but those in the background take all cores, with what is beside them |

L1 is not among them: over the seconds of a ramp what waits for it stays far below the gate's mark.
What it carries over hours is the plan's (``node.planner.answer``).

The loop shares the cores with all others: ``node.planner.shared_cores`` is its law.

What is fixed for a second, a block or a read is shared by more actions the higher the load is, so
costs per action at low load must not be carried over. The calibration tells these parts from each
other, and at the knee a block holds ``FILLED`` of the most that one can: ``block_work``, what is
applied in ``block_us_max``, or what comes in ``delay_target_us``, about the writer's longest turn.
These are the settings of the node that was calibrated (``Source.limits``).
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from node.planner.arrays import Vector
from node.planner.calibration import Calibration, Work, amounts_of
from node.planner.laws import node_limit
from node.planner.regression import LinearLaw
from node.planner.shared_cores import MODEL_ERROR, loop_limit

QUANTILES = (0.05, 0.5, 0.95)
FILLED = 2 / 3
"""What blocks hold at the knee on average, over the most that they can: 0.55 … 0.75 at eight."""

MODEL_SEED = 2_026

_US_PER_S = 1_000_000


def works_in_background(process: str) -> bool:
    """Return whether ``process`` has the lowest priority, and work that may wait: the history's.

    On a full machine it takes what nobody else can use, and is behind for the rest.
    """
    return process.partition("_")[0] == "history"


class FlowShape(msgspec.Struct, frozen=True):
    """One action of a flow, on average."""

    commands: dict[str, float]
    """Commands by kind as telemetry names them; they add up to 1."""
    items: float
    """Orders and cancels in it."""

    def work(self, per_s: float, blocks_per_s: float) -> Work:
        """Return what a second of ``per_s`` actions brings."""
        return Work(
            seconds=1.0,
            messages=per_s,
            blocks=blocks_per_s,
            commands={kind: share * per_s for kind, share in self.commands.items()},
            items=self.items * per_s,
        )


class Surroundings(msgspec.Struct, frozen=True):
    """What is around the node and bounds it.

    ``beside`` are the processor seconds of what shares the machine and is not of the node, each a
    law over second and command: the load generator, and everything else.
    """

    cores: int | None = None
    """None: those that the calibration saw."""
    beside: dict[str, LinearLaw] = {}


class Ceiling(msgspec.Struct, frozen=True):
    """One resource's own limit in actions a second, at three quantiles."""

    resource: str
    p5: float
    p50: float
    p95: float


class Prediction(msgspec.Struct, frozen=True):
    """The knee in actions a second, what sets it, and what would set it next.

    ``ceilings`` are those of all resources, the lowest first.
    """

    p5: float
    p50: float
    p95: float
    bottleneck: str
    next_bottleneck: str | None
    ceilings: tuple[Ceiling, ...]


def predict_knee(
    calibration: Calibration, mix: FlowShape, around: Surroundings | None = None
) -> Prediction:
    """Return the knee that ``calibration`` predicts for a flow of ``mix``.

    Raises ``ValueError`` where the calibration tells of no resource at all.
    """
    around = around or Surroundings()
    limits = ceilings(calibration, mix, around)
    if not limits:
        raise ValueError("the calibration tells of no resource")
    noise = _model_noise(_length(limits))
    knees = np.min(np.stack([_spread(limit, noise.size) for limit in limits.values()]), axis=0)
    p5, p50, p95 = _quantiles(knees * np.exp(noise))
    medians = {name: float(np.median(limit)) for name, limit in limits.items()}
    lowest = node_limit(medians)
    return Prediction(
        p5=p5,
        p50=p50,
        p95=p95,
        bottleneck=lowest.bottleneck,
        next_bottleneck=lowest.next_bottleneck,
        ceilings=tuple(
            Ceiling(name, *_quantiles(limits[name]))
            for name in sorted(medians, key=lambda name: medians[name])
        ),
    )


def ceilings(calibration: Calibration, mix: FlowShape, around: Surroundings) -> dict[str, Vector]:
    """Return each resource's limit in actions a second, by replicate."""
    group = _group(calibration, mix)
    still, moving = _ends(mix, _filled(calibration, mix, around, group))
    everyone = _everyone(calibration, around, still, moving)
    cores = around.cores if around.cores is not None else calibration.source.cores
    loop = _loop(calibration, still, moving)
    limits = {"event_loop": _loop_limits(loop, everyone, cores, calibration.source.patience_s)}
    pools: dict[str, list[Vector]] = {}
    for name, law in calibration.processes.items():
        if name != "node" and not works_in_background(name):
            pools.setdefault(name.partition("_")[0], []).append(
                _limit(*_process(law, still, moving), 1.0)
            )
    # Workers of a pool share its load, as their laws saw it: the busiest is the first to be full.
    limits |= {name: np.min(np.stack(workers), axis=0) for name, workers in pools.items()}
    if cores:
        limits["machine"] = _limit(*everyone, cores)
    journal = _journal(calibration, group)
    if journal is not None:
        limits["journal"] = journal
    return {
        name: _bounded(limit) for name, limit in limits.items() if np.isfinite(np.median(limit))
    }


def _bounded(limit: Vector) -> Vector:
    """Return ``limit`` with the largest finite one for each replicate that knows of no bound."""
    finite = np.isfinite(limit)
    return np.where(finite, limit, limit[finite].max())


def _group(calibration: Calibration, mix: FlowShape) -> float:
    """Return how many actions the largest block holds: by their work, and by the time they take."""
    limits = calibration.source.limits
    by_work = limits.block_work / mix.items
    action_s = sum(share * calibration.command_s(kind) for kind, share in mix.commands.items())
    if action_s <= 0:
        return by_work
    cold_s = calibration.cold.coefficient("block") if calibration.cold is not None else 0.0
    return min(by_work, max(1.0, (limits.block_us_max / _US_PER_S - cold_s) / action_s))


def filled_at_knee(calibration: Calibration, mix: FlowShape, around: Surroundings) -> float:
    """Return how many actions a block holds at the loop's limit, on average."""
    return _filled(calibration, mix, around, _group(calibration, mix))


def _filled(calibration: Calibration, mix: FlowShape, around: Surroundings, group: float) -> float:
    """Return how many actions a block holds at the loop's limit, of at most ``group`` or one.

    Where less than a full block comes in the longest turn, it depends on the limit, and the limit
    on it. By the laws themselves: all replicates have the blocks of their middle.
    """

    def missing(filled: float) -> float:
        rate = _loop_limit_of_means(calibration, around, *_ends(mix, filled))
        return FILLED * min(group, rate * calibration.source.patience_s) - filled

    most = max(FILLED * group, 1.0)
    if missing(most) >= 0:
        return most
    return float(brentq(missing, 1.0, most, rtol=1e-4)) if missing(1.0) > 0 else 1.0


def _ends(mix: FlowShape, filled: float) -> tuple[Work, Work]:
    """Return the work of a second without actions, and with one action, ``filled`` in a block."""
    return mix.work(0.0, 0.0), mix.work(1.0, 1 / filled)


def _loop(calibration: Calibration, still: Work, one: Work) -> tuple[Vector, Vector]:
    fixed = calibration.loop_replicates_s(still)
    return fixed, calibration.loop_replicates_s(one) - fixed


def _process(law: LinearLaw, still: Work, one: Work) -> tuple[Vector, Vector]:
    fixed = law.replicates_at(amounts_of(still))
    return fixed, law.replicates_at(amounts_of(one)) - fixed


def _sharers(calibration: Calibration, around: Surroundings) -> list[LinearLaw]:
    """Return the laws of all that shares the machine, but in the background."""
    of_node = [law for name, law in calibration.processes.items() if not works_in_background(name)]
    return [*of_node, *around.beside.values()]


def _everyone(
    calibration: Calibration, around: Surroundings, still: Work, one: Work
) -> tuple[Vector, Vector]:
    """Return what all of them take: fixed, and for each action."""
    parts = [_process(law, still, one) for law in _sharers(calibration, around)]
    length = max((fixed.size for fixed, _ in parts), default=1)
    return (
        sum((_spread(part, length) for part, _ in parts), np.zeros(length)),
        sum((_spread(part, length) for _, part in parts), np.zeros(length)),
    )


def _loop_limits(
    loop: tuple[Vector, Vector], everyone: tuple[Vector, Vector], cores: int, patience_s: float
) -> Vector:
    """Return each replicate's limit of the loop."""
    length = max(loop[0].size, everyone[0].size)
    own, own_each = (_spread(part, length) for part in loop)
    all_fixed, all_each = (_spread(part, length) for part in everyone)
    # Two fits: what is left of all without the loop may come out below zero, or fall.
    others, others_each = np.maximum(all_fixed - own, 0.0), np.maximum(all_each - own_each, 0.0)
    rows = zip(own.tolist(), own_each.tolist(), others.tolist(), others_each.tolist(), strict=True)
    return np.array(
        [
            loop_limit((fixed, each), (rest, more), cores, patience_s)
            for fixed, each, rest, more in rows
        ]
    )


def _loop_limit_of_means(
    calibration: Calibration, around: Surroundings, still: Work, one: Work
) -> float:
    """Return the loop's limit by the laws themselves, without their replicates."""
    laws = _sharers(calibration, around)
    cores = around.cores if around.cores is not None else calibration.source.cores
    fixed, own = (calibration.loop_s(work) for work in (still, one))
    still_all, all_of_it = (sum(law.at(amounts_of(work)) for law in laws) for work in (still, one))
    each = own - fixed
    others = max(still_all - fixed, 0.0), max(all_of_it - still_all - each, 0.0)
    return loop_limit((fixed, each), others, cores, calibration.source.patience_s)


def _journal(calibration: Calibration, group: float) -> Vector | None:
    """Return n / (a + b n) for the largest ``group`` n, in actions."""
    if calibration.journal is None:
        return None
    commit_s = calibration.journal.replicates_at({"block": 1.0, "command": group})
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(commit_s > 0, group / commit_s, np.inf), dtype=np.float64)


def _limit(fixed: Vector, each: Vector, available: float) -> Vector:
    """Return the rate at which ``fixed`` + rate · ``each`` is all that is ``available``."""
    left = np.maximum(available - fixed, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(each > 0, left / each, np.inf), dtype=np.float64)


def _model_noise(length: int) -> Vector:
    """Return ``MODEL_ERROR`` as so many equally likely logarithms, in an order that means nothing.

    They are a normal law's quantiles and not draws from it, which would shift every prediction by
    what they happened to be.
    """
    middles = (np.arange(length) + 0.5) / length
    return np.random.default_rng(MODEL_SEED).permutation(MODEL_ERROR * ndtri(middles))


def _length(limits: Mapping[str, Vector]) -> int:
    return max(limit.size for limit in limits.values())


def _spread(limit: Vector, length: int) -> Vector:
    """Return one value for each replicate; a law without replicates is as sure as it is told."""
    return limit if limit.size == length else np.full(length, float(np.median(limit)))


def _quantiles(values: Vector) -> tuple[float, float, float]:
    p5, p50, p95 = np.quantile(values, QUANTILES)
    return float(p5), float(p50), float(p95)
