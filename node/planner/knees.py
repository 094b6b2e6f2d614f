"""The knee by Monte Carlo: the rate that a node still carries, found again in each of many runs.

A run is an ordinary one (``node.planner.course.ordinary``) through ``node.planner.tides``, in
steps. Between runs, what varies is chance and the service times' own uncertainty (a bootstrap of
their means).
"""

import math

import msgspec
import numpy as np

from node.planner.arrays import Flags, Vector
from node.planner.chunks import Crew, Processes, Progress, over_chunks
from node.planner.course import ordinary
from node.planner.pipeline import Pipeline
from node.planner.stretches import scales_of
from node.planner.tides import Hours, run_hours

KNEE_HALVINGS = 12
"""The knee is found to 1/4096 of the range searched."""
_MEDIAN = 0.6745
"""Of the size of a standard normal variable."""
GOODPUT_MIN = 0.99
"""A run is past its knee when less of its arrivals than this got through."""


class Plan(msgspec.Struct, frozen=True):
    """How much to simulate."""

    runs: int
    duration_s: float
    step_s: float = 1.0
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


def knees_per_s(
    pipeline: Pipeline,
    plan: Plan,
    *,
    progress: Progress | None = None,
    crew: Crew | None = None,
) -> Vector:
    """Return the knee of each run, in arrivals per second: the rate it still carries.

    Found by halving between zero and twice the analytic limit. A rate is carried when at least
    ``GOODPUT_MIN`` of what arrived in ``duration_s`` got through workers, loop and journal, and
    what is on no block of L1 at the end, in flight or not, is no more than the rest, what comes in
    one block, what comes while a batch waits for the block that takes it, and what the lot leaves
    of half of the runs at just the rate that L1 takes: by then it is a random walk that never falls
    below 0, and its end the size of a normal variable.
    What may be missing puts the knee of a saturated loop somewhat above the analytic limit: the
    least urgent lane gives way first, so by 1 % of the items, at that lane's cost. Some minutes are
    long enough.
    """
    parts: list[Vector] = over_chunks(
        _knee_chunk,
        (pipeline, plan),
        plan.runs,
        plan.steps,
        plan.seed,
        crew or Processes(),
        progress,
    )
    return np.concatenate(parts)


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


def _carried(hours: Hours, pipeline: Pipeline, plan: Plan) -> Flags:
    arrived = hours.arrived.sum(axis=1)
    allowed = (1 - GOODPUT_MIN) * arrived
    lost = hours.refused.sum(axis=1) + hours.backlog_end
    chain = pipeline.settlement
    blocks, chance = plan.duration_s / chain.block_s, max(chain.inclusion_probability, 1e-9)
    by_lot = _MEDIAN * math.sqrt(blocks * (1 - chance) / chance)
    under_way = arrived / blocks * (1 + 1 / chance + by_lot)
    carried: Flags = (lost <= allowed) & (hours.unposted_end <= allowed + under_way)
    return carried
