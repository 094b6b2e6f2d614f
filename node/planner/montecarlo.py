"""The seeded Monte Carlo: many runs of a flow through the pipeline, and what they say together.

Each run has two scales. Its whole duration passes through ``node.planner.tides`` in steps, which
gives backlogs, refusals and settlement; one stretch of it, at a random place and from the state
found there, passes through ``node.planner.events`` event by event, which gives waits and delays
without approximation. A flow of fewer events than a stretch is simulated whole. Between runs, what
varies is chance and the service times' own uncertainty (a bootstrap of their means).

Runs are cut into chunks of fixed size, each with its own seed, so that a result depends on the seed
alone and not on the number of processes.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.planner.chunks import RUNS_PER_CHUNK, Crew, Processes, Progress, over_chunks
from node.planner.course import BlockClock, ordinary
from node.planner.finality import finality_s
from node.planner.pipeline import Pipeline
from node.planner.stretches import EDGES_S, WARM_UP, Tally, pooled, scales_of, stretch_from
from node.planner.tides import Hours, lane_matrix, run_hours

__all__ = [
    "EDGES_S",
    "RUNS_PER_CHUNK",
    "Outcome",
    "Plan",
    "Progress",
    "knees_per_s",
    "simulate",
    "spread",
]

Vector = NDArray[np.float64]
KNEE_HALVINGS = 12
"""The knee is found to 1/4096 of the range searched."""
GOODPUT_MIN = 0.99
"""A run is past its knee when less of its arrivals than this got through."""


class Plan(msgspec.Struct, frozen=True):
    """How much to simulate."""

    runs: int = 1_000
    duration_s: float = 3_600.0
    step_s: float = 1.0
    stretch_events: int = 10_000
    """Events simulated one by one in each run, about."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming every fault."""
        faults = [
            f"{name} = {value}"
            for name, value in msgspec.structs.asdict(self).items()
            if name != "seed" and not value > 0
        ]
        if self.duration_s < self.step_s:
            faults.append("a duration shorter than a step")
        if faults:
            raise ValueError("must be positive: " + ", ".join(faults))

    @property
    def steps(self) -> int:
        """Return the whole steps of a run."""
        return int(self.duration_s / self.step_s)


class Outcome(msgspec.Struct, frozen=True):
    """One row per run; lanes in the pipeline's order. NaN where a lane saw nothing.

    The quantiles of a run are those of its stretch. A lane of few items has a p99 near its largest
    there, which says little; ``pooled_wait_s`` takes all runs' items together.
    """

    wait_p50_s: Vector
    """(runs, L): from entering the lane until the loop begins; so is ``wait_p99_s``."""
    wait_p99_s: Vector
    delay_p50_s: Vector
    """(runs, L): from arrival until durable; so is ``delay_p99_s``."""
    delay_p99_s: Vector
    wait_counts: Vector
    """(chunks, L, buckets): items by wait, between ``EDGES_S``; so is ``delay_counts``."""
    delay_counts: Vector
    arrived: Vector
    """(runs, L): items, over the whole duration; so is ``refused``."""
    refused: Vector
    backlog_peak: Vector
    """(runs,): items that wait for workers, loop or journal, at their most."""
    unposted_peak: Vector
    unposted_end: Vector
    finality_p50_s: Vector
    """(runs,): from durable to final; infinite where the duration ends before. So is the p99."""
    finality_p99_s: Vector

    @property
    def refused_share(self) -> Vector:
        """Return refused over arrived, (runs, L)."""
        return self.refused / np.maximum(self.arrived, 1)

    def pooled_wait_s(self, lane: int, quantile: float) -> float:
        """Return the wait that this share of all runs' items in ``lane`` does not exceed."""
        return pooled(self.wait_counts[:, lane].sum(axis=0), quantile)

    def pooled_delay_s(self, lane: int, quantile: float) -> float:
        """Return the same of the delay from arrival until durable."""
        return pooled(self.delay_counts[:, lane].sum(axis=0), quantile)

    def backlog_exceeds(self, items: float) -> float:
        """Return P(largest backlog > items), over runs."""
        return float((self.backlog_peak > items).mean())


def spread(values: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the 5th, 50th and 95th percentile over runs (nearest rank, so infinities are kept)."""
    low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=0, method="inverted_cdf")
    return low, middle, high


def simulate(
    pipeline: Pipeline,
    plan: Plan,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    crew: Crew | None = None,
) -> Outcome:
    """Run ``plan`` on so many processes; the same seed gives the same result for any number.

    A ``crew`` computes in their stead where one is given.
    """
    parts: list[dict[str, Any]] = over_chunks(
        _simulate_chunk,
        (pipeline, plan),
        plan.runs,
        plan.steps,
        plan.seed,
        crew or Processes(workers),
        progress,
    )
    return Outcome(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def knees_per_s(
    pipeline: Pipeline,
    plan: Plan,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    crew: Crew | None = None,
) -> Vector:
    """Return the knee of each run, in arrivals per second: the rate it still carries.

    Found by halving between zero and twice the analytic limit. A rate is carried when at least
    ``GOODPUT_MIN`` of what arrived in ``duration_s`` got through workers, loop and journal, and
    what is unposted at the end is not more than one L1 block's worth above the same share. That
    share puts the knee of a saturated loop somewhat above the analytic limit: the least urgent lane
    gives way first, so by 1 % of the items, at that lane's cost. Some minutes are long enough.
    """
    parts: list[Vector] = over_chunks(
        _knee_chunk,
        (pipeline, plan),
        plan.runs,
        plan.steps,
        plan.seed,
        crew or Processes(workers),
        progress,
    )
    return np.concatenate(parts)


def _simulate_chunk(
    pipeline: Pipeline, plan: Plan, runs: int, seed: np.random.SeedSequence
) -> dict[str, Vector]:
    """Return the fields of an ``Outcome``."""
    random = np.random.default_rng(seed)
    scales = scales_of(pipeline, runs, random)
    stretch_s = min(plan.stretch_events / pipeline.rate_per_s, plan.duration_s)
    last_start = max(int((plan.duration_s - stretch_s) / plan.step_s), 0)
    keep_at = random.integers(0, last_start + 1, runs)
    course = ordinary(pipeline, plan.steps, plan.step_s)
    hours = run_hours(pipeline, np.ones(runs), scales, keep_at, random, course)
    tally = Tally(runs, len(pipeline.lanes))
    for run in range(runs):
        found = stretch_from(pipeline, hours.kept, run, stretch_s, scales[run], random)
        tally.take(run, found, WARM_UP * stretch_s)
    clock = BlockClock(course.sky, plan.step_s, pipeline.settlement.block_s)
    settled_s = finality_s(hours, pipeline.settlement, clock, plan.step_s)
    return {
        "wait_p50_s": tally.wait_s[:, 0],
        "wait_p99_s": tally.wait_s[:, 1],
        "delay_p50_s": tally.delay_s[:, 0],
        "delay_p99_s": tally.delay_s[:, 1],
        "wait_counts": tally.wait_counts[None],
        "delay_counts": tally.delay_counts[None],
        "arrived": hours.arrived @ lane_matrix(pipeline),
        "refused": hours.refused,
        "backlog_peak": hours.backlog_peak,
        "unposted_peak": hours.unposted_peak,
        "unposted_end": hours.unposted_end,
        "finality_p50_s": settled_s[:, 0],
        "finality_p99_s": settled_s[:, 1],
    }


def _knee_chunk(pipeline: Pipeline, plan: Plan, runs: int, seed: np.random.SeedSequence) -> Vector:
    random = np.random.default_rng(seed)
    scales = scales_of(pipeline, runs, random)
    course = ordinary(pipeline, plan.steps, plan.step_s)
    never = np.full(runs, -1)
    low = np.zeros(runs)
    high = np.full(runs, 2 * pipeline.limit().per_s / pipeline.rate_per_s)
    for _ in range(KNEE_HALVINGS):
        factors = (low + high) / 2
        hours = run_hours(pipeline, factors, scales, never, random, course)
        carried = _carried(hours, pipeline, plan)
        low, high = np.where(carried, factors, low), np.where(carried, high, factors)
    return np.asarray((low + high) / 2 * pipeline.rate_per_s)


def _carried(hours: Hours, pipeline: Pipeline, plan: Plan) -> NDArray[np.bool_]:
    arrived = hours.arrived.sum(axis=1)
    allowed = (1 - GOODPUT_MIN) * arrived
    lost = hours.refused.sum(axis=1) + hours.backlog_end
    a_block = arrived * pipeline.settlement.block_s / plan.duration_s
    carried: NDArray[np.bool_] = (lost <= allowed) & (hours.unposted_end <= allowed + a_block)
    return carried
