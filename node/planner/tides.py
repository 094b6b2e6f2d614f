"""Many hours at once, coarsely: backlogs, refusals and settlement, step by step.

A step is a fraction of an L1 block. All runs of a chunk advance together, one numpy operation for
all of them, so that the cost does not depend on the rate of the flow. Within a step work flows
evenly (a fluid): what waits less than a step is not seen here but in ``node.planner.events``, which
continues from the state kept at ``Hours.kept``. What is random at this scale stays random: arrivals
are drawn as the clusters of their process, work has the variance of its service times, blocks
include batches by lot.

Two approximations in the arrivals, both of order decay · step: parents lie evenly within their
step, and children's own parents too. Mean rates and the mean offspring are exact.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.planner.hawkes import Hawkes
from node.planner.pipeline import Pipeline, Settlement

Vector = NDArray[np.float64]
Indexes = NDArray[np.int64]


class Tide:
    """Arrivals of each kind, step by step, for all runs of a chunk."""

    def __init__(self, process: Hawkes, factors: Vector, step_s: float) -> None:
        """Start in the mean stationary state of each run's ``factors`` times the rates."""
        self._immigrants = factors[:, None] * process.baseline_per_s * step_s
        decays = process.decays_per_s[:, None, None]
        span = decays * step_s
        fallen = -np.expm1(-span)
        in_step = 1 - fallen / span
        self._falling = fallen[:, :, 0]
        self._in_step = (process.branching * in_step).sum(axis=0)
        self._later = process.branching * (1 - in_step)
        mean = np.einsum("mij,j->mi", process.branching / decays, process.mean_rates_per_s)
        self.excitation: Vector = factors[:, None, None] * mean
        """Expected direct children still to come, of shape (runs, M, D)."""

    def advance(self, random: np.random.Generator) -> Vector:
        """Return the arrivals of the next step, of shape (runs, D)."""
        falling = self.excitation * self._falling
        self.excitation -= falling
        counts: Vector = random.poisson(self._immigrants + falling.sum(axis=1)).astype(np.float64)
        born = counts
        while self._in_step.size and (expected := born @ self._in_step.T).any():
            born = random.poisson(expected).astype(np.float64)
            counts = counts + born
        self.excitation += np.einsum("mij,rj->rmi", self._later, counts)
        return counts


class Slots:
    """Batches in flight of each run, oldest first, and what is not yet in one."""

    def __init__(self, settlement: Settlement, runs: int, random: np.random.Generator) -> None:
        self._settlement = settlement
        self._room = settlement.batch.per_block()
        self._sizes = np.zeros((runs, settlement.in_flight_max))
        self._next_block_s = random.random(runs) * settlement.block_s
        self.unposted = np.zeros(runs)
        self.included = np.zeros(runs)
        self.in_flight_peak = 0

    def advance(self, now_s: float, random: np.random.Generator) -> None:
        """Let every run whose next L1 block is due have it; blocks are longer than a step."""
        due = np.flatnonzero(self._next_block_s <= now_s)
        if not due.size:
            return
        self._next_block_s[due] += self._settlement.block_s
        sizes = self._sizes[due]
        held = np.count_nonzero(sizes, axis=1)
        taken = random.binomial(held, self._settlement.inclusion_probability)
        taken = np.minimum(taken, self._room)
        places = np.arange(sizes.shape[1])
        self.included[due] += np.where(places < taken[:, None], sizes, 0).sum(axis=1)
        behind = np.concatenate([sizes, np.zeros_like(sizes)], axis=1)
        sizes = np.take_along_axis(behind, places + taken[:, None], axis=1)
        held -= taken
        batch = self._settlement.batch.items
        left = self.unposted[due, None] - (places - held[:, None]) * batch
        sealed = np.where(places >= held[:, None], np.clip(left, 0, batch), 0)
        self.unposted[due] = np.maximum(self.unposted[due] - sealed.sum(axis=1), 0)
        self._sizes[due] = sizes + sealed
        now_held = int(np.count_nonzero(self._sizes[due], axis=1).max())
        self.in_flight_peak = max(self.in_flight_peak, now_held)


class Kept(msgspec.Struct, frozen=True):
    """The state of each run at the beginning of its kept step."""

    pool: Vector
    """Items before the workers, (runs, D)."""
    lanes: Vector
    """Items in each lane, (runs, L)."""
    excitation: Vector


class Hours(msgspec.Struct, frozen=True):
    """What became of each run."""

    arrived: Vector
    """(runs, D)"""
    refused: Vector
    """(runs, L)"""
    lane_peak: Vector
    """(runs, L), items"""
    backlog_peak: Vector
    """Largest sum of what waited before workers, loop and journal; (runs,)"""
    backlog_end: Vector
    unposted_peak: Vector
    unposted_end: Vector
    in_flight_peak: int
    committed: Vector
    """Cumulative at the end of each step, (runs, steps); so is ``included``."""
    included: Vector
    kept: Kept


class Stages:
    """Fluid contents of workers, lanes and journal for all runs of a chunk."""

    def __init__(self, pipeline: Pipeline, scales: Vector, step_s: float) -> None:
        runs = scales.size
        kinds, lanes = len(pipeline.kinds), len(pipeline.lanes)
        self._step_s = step_s
        self._limits = [float(lane.limit) for lane in pipeline.lanes]
        loop = [kind.loop.moments for kind in pipeline.kinds]
        self._loop_s = np.array([moments.mean_s for moments in loop]) * scales[:, None]
        spread = np.array([moments.square_s2 - moments.mean_s**2 for moments in loop])
        self._loop_variance = np.maximum(spread, 0) * scales[:, None] ** 2
        self._verify_s = np.array([kind.verify.moments.mean_s for kind in pipeline.kinds])
        self._worker_s = pipeline.workers * step_s
        self._to_lane = np.zeros((kinds, lanes))
        self._to_lane[np.arange(kinds), [kind.lane for kind in pipeline.kinds]] = 1.0
        journal = pipeline.journal
        group_s = journal.commit_s + journal.records_max * journal.record_s
        self._journal_items = step_s * journal.records_max / group_s if group_s else np.inf
        self.pool = np.zeros((runs, kinds))
        self.items = np.zeros((runs, lanes))
        self.journal = np.zeros(runs)
        self.refused = np.zeros((runs, lanes))
        self._work_s = np.zeros((runs, lanes))

    def advance(self, arrived: Vector, random: np.random.Generator) -> Vector:
        """Return the items that became durable in one step."""
        self.pool += arrived
        wanted_s = self.pool @ self._verify_s
        share = np.minimum(1.0, self._worker_s / np.maximum(wanted_s, 1e-300))[:, None]
        verified = self.pool * share
        self.pool -= verified
        work = verified * self._loop_s
        noise = random.standard_normal(work.shape) * np.sqrt(verified * self._loop_variance)
        self._work_s += np.maximum(work + noise, 0) @ self._to_lane
        self.items += verified @ self._to_lane
        self.journal += self._serve_lanes()
        durable = np.minimum(self.journal, self._journal_items)
        self.journal -= durable
        return durable

    def _serve_lanes(self) -> Vector:
        """Give the step's time to the lanes in order; refuse what is left above their limits."""
        left_s = np.full(self.journal.size, self._step_s)
        done = np.zeros(self.journal.size)
        for lane, limit in enumerate(self._limits):
            work, items = self._work_s[:, lane], self.items[:, lane]
            given = np.minimum(work, left_s)
            left_s = left_s - given
            share = np.where(work > 0, given / np.maximum(work, 1e-300), 1.0)
            served = items * share
            rest = items - served
            over = np.maximum(rest - limit, 0)
            kept = np.where(rest > 0, 1 - over / np.maximum(rest, 1e-300), 1.0)
            self._work_s[:, lane] = (work - given) * kept
            self.items[:, lane] = rest - over
            self.refused[:, lane] += over
            done += served
        return done

    def backlog(self) -> Vector:
        """Return the items that wait anywhere before they are durable."""
        total: Vector = self.pool.sum(axis=1) + self.items.sum(axis=1) + self.journal
        return total


def run_hours(
    pipeline: Pipeline,
    factors: Vector,
    scales: Vector,
    keep_at: Indexes,
    steps: int,
    step_s: float,
    random: np.random.Generator,
) -> Hours:
    """Run one flow per element of ``factors`` for ``steps``.

    ``factors`` multiply the rates, ``scales`` the loop's service times; ``keep_at`` names the step
    at whose beginning each run's state is kept. A step must not be longer than an L1 block.
    """
    if step_s > pipeline.settlement.block_s:
        raise ValueError(f"a step of {step_s} s is longer than an L1 block")
    runs = factors.size
    tide = Tide(pipeline.arrivals, factors, step_s)
    stages = Stages(pipeline, scales, step_s)
    slots = Slots(pipeline.settlement, runs, random)
    kept = Kept(stages.pool.copy(), stages.items.copy(), tide.excitation.copy())
    arrived, lane_peak = np.zeros_like(stages.pool), np.zeros_like(stages.items)
    backlog_peak, unposted_peak = np.zeros(runs), np.zeros(runs)
    committed, included = np.zeros((runs, steps)), np.zeros((runs, steps))
    total = np.zeros(runs)
    for step in range(steps):
        here = np.flatnonzero(keep_at == step)
        kept.pool[here], kept.lanes[here] = stages.pool[here], stages.items[here]
        kept.excitation[here] = tide.excitation[here]
        counts = tide.advance(random)
        arrived += counts
        durable = stages.advance(counts, random)
        slots.unposted += durable
        total += durable
        np.maximum(unposted_peak, slots.unposted, out=unposted_peak)
        slots.advance((step + 1) * step_s, random)
        np.maximum(lane_peak, stages.items, out=lane_peak)
        np.maximum(backlog_peak, stages.backlog(), out=backlog_peak)
        committed[:, step], included[:, step] = total, slots.included
    return Hours(
        arrived=arrived,
        refused=stages.refused,
        lane_peak=lane_peak,
        backlog_peak=backlog_peak,
        backlog_end=stages.backlog(),
        unposted_peak=unposted_peak,
        unposted_end=slots.unposted,
        in_flight_peak=slots.in_flight_peak,
        committed=committed,
        included=included,
        kept=kept,
    )
