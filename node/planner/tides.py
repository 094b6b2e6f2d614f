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

from node.planner.arrays import Indexes, Vector
from node.planner.course import Course
from node.planner.exposure import Exposure
from node.planner.hawkes import Hawkes
from node.planner.pipeline import Pipeline
from node.planner.scenario import RISK_ADDING
from node.planner.slots import Slots


class Tide:
    """Arrivals of each kind, step by step, for all runs of a chunk."""

    def __init__(
        self, process: Hawkes, factors: Vector, step_s: float, grows: Vector | None = None
    ) -> None:
        """Start in the mean stationary state of each run's ``factors`` times the rates.

        ``grows`` is 0 for kinds that no factor applies to, and 1 for the others.
        """
        self._grows = np.ones(process.kinds) if grows is None else grows
        by_kind = 1 + (factors[:, None] - 1) * self._grows
        self._immigrants = by_kind * process.baseline_per_s * step_s
        decays = process.decays_per_s[:, None, None]
        span = decays * step_s
        fallen = -np.expm1(-span)
        in_step = 1 - fallen / span
        self._falling = fallen[:, :, 0]
        self._in_step = (process.branching * in_step).sum(axis=0)
        self._later = process.branching * (1 - in_step)
        mean = np.einsum("mij,j->mi", process.branching / decays, process.mean_rates_per_s)
        self.excitation: Vector = by_kind[:, None, :] * mean
        """Expected direct children still to come, of shape (runs, M, D)."""

    def advance(self, random: np.random.Generator, rate: float = 1.0) -> Vector:
        """Return the arrivals of the next step, of shape (runs, D); ``rate`` multiplies them."""
        immigrants = self._immigrants * (1 + (rate - 1) * self._grows)
        falling = self.excitation * self._falling
        self.excitation -= falling
        counts: Vector = random.poisson(immigrants + falling.sum(axis=1)).astype(np.float64)
        born = counts
        while self._in_step.size and (expected := born @ self._in_step.T).any():
            born = random.poisson(expected).astype(np.float64)
            counts = counts + born
        self.excitation += np.einsum("mij,rj->rmi", self._later, counts)
        return counts


class Kept(msgspec.Struct, frozen=True):
    """The state of each run at the beginning of its kept step."""

    pool: Vector
    """Items before the workers, (runs, D)."""
    lanes: Vector
    """Items in each lane, (runs, L)."""
    journal: Vector
    """Items before the disk, (runs,)."""
    excitation: Vector


class Hours(msgspec.Struct, frozen=True):
    """What became of each run."""

    arrived: Vector
    """(runs, D)"""
    refused: Vector
    """(runs, L)"""
    lane_peak: Vector
    """(runs, L), items"""
    backlog_end: Vector
    """Sum of what waits before workers, loop and journal; (runs,)"""
    unposted_peak: Vector
    """The most items that are in no block of L1, in flight or not, (runs,)."""
    unposted_end: Vector
    in_flight_peak: int
    paid_eth: Vector
    """For the gas of what is on L1, (runs,)."""
    committed: Vector
    """Cumulative at the end of each step, (runs, steps); so is ``included``."""
    included: Vector
    kept: Kept
    gated: Vector
    """Items of risk-adding lanes refused because too much is unposted, (runs, L)."""
    stale: Vector
    """The same because the mark was too old."""
    closed: Vector
    """Share of each step in which the gate was closed, (runs, steps)."""
    busy: Vector
    """Share of the loop's time in use, (runs, steps)."""
    waiting: Vector
    """Items before workers, loop and journal at the end of each step, (runs, steps)."""
    unwritten: Vector
    """Of those, what is before the journal alone."""
    refused_by: Vector
    """Cumulative refusals of any cause, (runs, steps)."""


class Stages:
    """Fluid contents of workers, lanes and journal for all runs of a chunk."""

    def __init__(self, pipeline: Pipeline, scales: Vector, step_s: float) -> None:
        """Start empty; a lane of liquidations refuses none, as they are proposed again."""
        runs = scales.size
        kinds, lanes = len(pipeline.kinds), len(pipeline.lanes)
        self._step_s = step_s
        own = {kind.lane for kind in pipeline.kinds if kind.name == LIQUIDATE}
        self._limits = [
            np.inf if place in own else float(lane.limit)
            for place, lane in enumerate(pipeline.lanes)
        ]
        loop = [kind.loop.moments for kind in pipeline.kinds]
        self._loop_s = np.array([moments.mean_s for moments in loop]) * scales[:, None]
        spread = np.array([moments.square_s2 - moments.mean_s**2 for moments in loop])
        self._loop_variance = np.maximum(spread, 0) * scales[:, None] ** 2
        self._verify_s = np.array([kind.verify.moments.mean_s for kind in pipeline.kinds])
        self._worker_s = pipeline.workers * step_s
        self._to_lane = lane_matrix(pipeline)
        journal = pipeline.journal
        self._journal_items = step_s / journal.each_s if journal.each_s else np.inf
        self.pool = np.zeros((runs, kinds))
        self.items = np.zeros((runs, lanes))
        self.journal = np.zeros(runs)
        self.refused = np.zeros((runs, lanes))
        self.served = np.zeros((runs, lanes))
        """Items that the loop took from each lane in the last step."""
        self.busy = np.zeros(runs)
        """Share of the last step in which the loop worked."""
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
            self.served[:, lane] = served
            done += served
        self.busy = 1 - left_s / self._step_s
        return done

    def backlog(self) -> Vector:
        """Return the items that wait anywhere before they are durable."""
        total: Vector = self.pool.sum(axis=1) + self.items.sum(axis=1) + self.journal
        return total


class Door:
    """What refuses work before it enters: the gate, and marks that are too old."""

    def __init__(self, pipeline: Pipeline, course: Course, runs: int) -> None:
        lanes = [pipeline.lanes[kind.lane].name for kind in pipeline.kinds]
        self._adds_risk = np.array([name in RISK_ADDING for name in lanes], dtype=np.float64)
        self._to_lane = lane_matrix(pipeline)
        self._course = course
        self.closed = np.full(runs, course.unposted_at_start >= course.gate_items)
        self.gated = np.zeros((runs, len(pipeline.lanes)))
        self.stale = np.zeros((runs, len(pipeline.lanes)))

    def admit(self, step: int, counts: Vector) -> Vector:
        """Return what of ``counts`` may enter; the gate judges first."""
        gated = counts * self._adds_risk * self.closed[:, None]
        stale = (counts - gated) * self._adds_risk * self._course.stale[step]
        self.gated += gated @ self._to_lane
        self.stale += stale @ self._to_lane
        admitted: Vector = counts - gated - stale
        return admitted

    def judge(self, unposted: Vector) -> None:
        """Close at the limit, open at half of it."""
        limit = self._course.gate_items
        self.closed = np.where(self.closed, unposted > limit / 2, unposted >= limit)


def lane_matrix(pipeline: Pipeline) -> Vector:
    """Return the matrix that sums kinds by lane, (D, L)."""
    matrix = np.zeros((len(pipeline.kinds), len(pipeline.lanes)))
    matrix[np.arange(len(pipeline.kinds)), [kind.lane for kind in pipeline.kinds]] = 1.0
    return matrix


LIQUIDATE = "liquidate"
"""The kind that prices bring and not clients."""


def run_hours(
    pipeline: Pipeline,
    factors: Vector,
    scales: Vector,
    keep_at: Indexes,
    random: np.random.Generator,
    course: Course,
    exposure: Exposure | None = None,
) -> Hours:
    """Run one flow per element of ``factors`` along ``course``.

    ``factors`` multiply the rates, ``scales`` the loop's service times; ``keep_at`` names the step
    at whose beginning each run's state is kept. With an ``exposure``, the pipeline has a kind
    ``LIQUIDATE``. A step must not be longer than an L1 block.
    """
    step_s, runs = course.step_s, factors.size
    if step_s > pipeline.settlement.block_s:
        raise ValueError(f"a step of {step_s} s is longer than an L1 block")
    tide = Tide(pipeline.arrivals, factors, step_s, pipeline.grows)
    stages = Stages(pipeline, scales, step_s)
    slots = Slots(pipeline.settlement, course.sky, runs, random)
    slots.unposted += course.unposted_at_start
    door = Door(pipeline, course, runs)
    track = _Track(runs, pipeline, course, stages, tide)
    place = _liquidations_place(pipeline) if exposure is not None else None
    for step in range(course.steps):
        track.keep(np.flatnonzero(keep_at == step))
        counts = tide.advance(random, float(course.rate[step]))
        track.arrived += counts
        admitted = door.admit(step, counts)
        if exposure is not None and place is not None:
            found = exposure.trigger(step, random)
            track.arrived[:, place] += found
            admitted[:, place] += found
        durable = stages.advance(admitted, random)
        if exposure is not None and place is not None:
            exposure.execute(step, stages.served[:, pipeline.kinds[place].lane])
        slots.unposted += durable
        track.peak(slots)
        slots.advance(step, (step + 1) * step_s, random)
        door.judge(slots.outstanding)
        track.note(step, durable, slots, door)
    return track.hours(slots, door)


def _liquidations_place(pipeline: Pipeline) -> int:
    """Return the index of the kind that liquidations are; they have their lane to themselves."""
    names = [kind.name for kind in pipeline.kinds]
    if LIQUIDATE not in names:
        raise ValueError(f"prices set off liquidations, but no kind is called {LIQUIDATE}")
    place = names.index(LIQUIDATE)
    assert [kind.lane for kind in pipeline.kinds].count(pipeline.kinds[place].lane) == 1
    return place


class _Track:
    """Writes down what happens, while it does."""

    def __init__(
        self, runs: int, pipeline: Pipeline, course: Course, stages: Stages, tide: Tide
    ) -> None:
        kinds, lanes, steps = len(pipeline.kinds), len(pipeline.lanes), course.steps
        self._stages, self._tide = stages, tide
        self.kept = Kept(
            stages.pool.copy(), stages.items.copy(), stages.journal.copy(), tide.excitation.copy()
        )
        self.arrived = np.zeros((runs, kinds))
        self.lane_peak = np.zeros((runs, lanes))
        self.unposted_peak = np.zeros(runs)
        self.series = {
            # A step writes a column, so that is what lies together in memory.
            name: np.zeros((runs, steps), order="F")
            for name in (
                "committed",
                "included",
                "closed",
                "busy",
                "waiting",
                "unwritten",
                "refused_by",
            )
        }
        self._total = np.full(runs, course.unposted_at_start)

    def keep(self, here: Indexes) -> None:
        """Keep the state of these runs."""
        stages = self._stages
        self.kept.pool[here], self.kept.lanes[here] = stages.pool[here], stages.items[here]
        self.kept.journal[here] = stages.journal[here]
        self.kept.excitation[here] = self._tide.excitation[here]

    def peak(self, slots: Slots) -> None:
        """Note the most that was unposted: just before L1 takes from it."""
        np.maximum(self.unposted_peak, slots.outstanding, out=self.unposted_peak)

    def note(self, step: int, durable: Vector, slots: Slots, door: Door) -> None:
        """Note the end of a step."""
        self._total += durable
        np.maximum(self.lane_peak, self._stages.items, out=self.lane_peak)
        refused = self._stages.refused + door.gated + door.stale
        for name, values in (
            ("committed", self._total),
            ("included", slots.included),
            ("closed", door.closed),
            ("busy", self._stages.busy),
            ("waiting", self._stages.backlog()),
            ("unwritten", self._stages.journal),
            ("refused_by", refused.sum(axis=1)),
        ):
            self.series[name][:, step] = values

    def hours(self, slots: Slots, door: Door) -> Hours:
        """Return all of it."""
        return Hours(
            arrived=self.arrived,
            refused=self._stages.refused,
            lane_peak=self.lane_peak,
            backlog_end=self._stages.backlog(),
            unposted_peak=self.unposted_peak,
            unposted_end=slots.outstanding,
            in_flight_peak=slots.in_flight_peak,
            paid_eth=slots.paid_eth,
            kept=self.kept,
            gated=door.gated,
            stale=door.stale,
            **self.series,
        )
