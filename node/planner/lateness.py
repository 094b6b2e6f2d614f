"""How late liquidations begin, and what that costs.

From the moment in which the *price* passes a position's trigger until the loop begins on its
liquidation: the age of the mark that shows it (up to an oracle interval, or what is left of a
stall), the risk processor's turn, the wait in the lane: behind the liquidations that the same mark
set off, behind those of earlier marks that the loop has not come to, and behind what it has in
hand. One that the loop does not come to within the horizon waits as long as what is before it
takes.
"""

import msgspec
import numpy as np

from node.planner.arrays import Indexes, Vector
from node.planner.course import Course
from node.planner.exposure import Exposure
from node.planner.pipeline import Pipeline
from node.planner.scenario import LANES, Scenario
from node.planner.tides import LIQUIDATE, Hours

EDGES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.96, 0.98, 1.0])
"""Each step's liquidations are followed by one representative between each two of these quantiles:
the last are what a p99 is made of."""
RANKS, WEIGHTS = (EDGES[:-1] + EDGES[1:]) / 2, np.diff(EDGES)


class Late(msgspec.Struct, frozen=True):
    """Each representative's delay and debt, and the sums of each run."""

    delay_s: Vector
    """(n,), all runs together; so are ``wait_s`` and ``weight``."""
    wait_s: Vector
    """The part in the lane."""
    weight: Vector
    """Liquidations that each stands for."""
    run: Indexes
    step: Indexes
    """In which the mark set it off."""
    debt: Vector
    """(runs,), quote units."""
    notional: Vector
    """(runs,), what was liquidated."""


def lateness(
    scenario: Scenario,
    pipeline: Pipeline,
    course: Course,
    exposure: Exposure,
    hours: Hours,
    random: np.random.Generator,
) -> Late:
    """Return how late the liquidations of a chunk were."""
    parts = [
        _of_side(place, scenario, pipeline, course, exposure, hours, random) for place in (0, 1)
    ]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    delay_s, wait_s, weight, run, step, debt = columns
    runs = exposure.price.shape[0]
    where = run.astype(np.int64)
    notional = scenario.positions.notional
    return Late(
        delay_s=delay_s,
        wait_s=wait_s,
        weight=weight,
        run=where,
        step=step.astype(np.int64),
        debt=np.asarray(np.bincount(where, debt * weight, runs) * notional),
        notional=np.asarray(np.bincount(where, weight, runs) * notional),
    )


def _of_side(
    place: int,
    scenario: Scenario,
    pipeline: Pipeline,
    course: Course,
    exposure: Exposure,
    hours: Hours,
    random: np.random.Generator,
) -> tuple[Vector, Vector, Vector, Vector, Vector, Vector]:
    """Return delay, wait, weight, run, step and debt per notional of each representative."""
    side, step_s = exposure.sides[place], course.step_s
    runs, steps = np.nonzero(exposure.triggered[place])
    run, step = np.repeat(runs, RANKS.size), np.repeat(steps, RANKS.size)
    rank = np.tile(RANKS, runs.size)
    weight = np.repeat(exposure.triggered[place][runs, steps], RANKS.size)
    weight = weight * np.tile(WEIGHTS, runs.size)
    low = side.share(exposure.reached[place][run, step])
    high = side.share(exposure.reached[place][run, step + 1])
    distance = side.distance_of(low + rank * (high - low))
    crossed_s = _crossings_s(course, exposure, place, (run, step), distance)
    seen_s = _seen_s(scenario, course, crossed_s, step, random)
    wait_s = _waits_s(scenario, pipeline, course, exposure, hours, (run, step, rank), random)
    delay_s = seen_s - crossed_s + scenario.risk.turn_ms / 1_000 + wait_s
    # Prices jump: a step's whole move counts for whatever is closed within it.
    closed = np.ceil((crossed_s + delay_s) / step_s).astype(np.int64)
    against = -side.sign * exposure.price[run, np.clip(closed, 0, course.steps)]
    debt = side.shortfall(distance, np.maximum(against, distance))
    return delay_s, wait_s, weight, run.astype(np.float64), step.astype(np.float64), debt


def _crossings_s(
    course: Course,
    exposure: Exposure,
    place: int,
    cohort: tuple[Indexes, Indexes],
    distance: Vector,
) -> Vector:
    """Return when the price passed each distance, since the round that still found it short of it.

    It moves evenly within a step. Between two rounds it may pass and come back; that nobody sees,
    so it does not count.
    """
    run, step = cohort
    against = -exposure.sides[place].sign * exposure.price
    rounds = np.where(course.rounds, np.arange(course.steps), -1)
    # Of each step, the end of the last round before it: an index into the prices.
    before = np.concatenate([[0], np.maximum.accumulate(rounds)[:-1] + 1])
    low, high = against[run, step], against[run, step + 1]
    crossed = step + np.clip((distance - low) / np.maximum(high - low, 1e-15), 0.0, 1.0)
    for one in np.flatnonzero(before[step] < step).tolist():
        begin = before[step[one]]
        path = against[run[one], begin : step[one] + 2]
        at = max(int(np.argmax(path >= distance[one])), 1)
        rise = max(path[at] - path[at - 1], 1e-15)
        crossed[one] = begin + at - np.clip((path[at] - distance[one]) / rise, 0.0, 1.0)
    return np.asarray(crossed * course.step_s)


def _seen_s(
    scenario: Scenario,
    course: Course,
    crossed_s: Vector,
    step: Indexes,
    random: np.random.Generator,
) -> Vector:
    """Return when a mark shows it: the next round, or the end of the step that has one at last."""
    step_s, interval_s = course.step_s, scenario.oracle.interval_s
    if interval_s > step_s:
        return np.asarray((step + 1) * step_s)
    next_round_s = crossed_s + random.random(crossed_s.size) * interval_s
    same_step = np.floor(crossed_s / step_s + 1e-9) >= step
    return np.where(same_step, next_round_s, (step + 1) * step_s)


def _waits_s(
    scenario: Scenario,
    pipeline: Pipeline,
    course: Course,
    exposure: Exposure,
    hours: Hours,
    cohort: tuple[Indexes, Indexes, Vector],
    random: np.random.Generator,
) -> Vector:
    """Return the waits in the lane of the given (run, step, rank within the step)."""
    run, step, _ = cohort
    urgent = LANES.index("liquidation")
    rates, services = pipeline.arrivals.mean_rates_per_s, [k.loop.moments for k in pipeline.kinds]
    above = sum(
        rate * moments.mean_s
        for rate, moments, kind in zip(rates, services, pipeline.kinds, strict=True)
        if kind.lane < urgent
    )
    each_s = next(k.loop.moments.mean_s for k in pipeline.kinds if k.name == LIQUIDATE)
    work_s = exposure.triggered.sum(axis=0) * (each_s / max(1 - above, 1e-9))
    rounds = _rounds_in(scenario, course)
    # Where there are several in a step, that of a stall's end is seen at the end of its step.
    late = (rounds == 1) & (rounds.max(initial=0) > 1)
    drained_s = np.where(late, 0.0, course.step_s)
    behind_s = _behind_s(work_s, rounds, course.step_s, drained_s, cohort)
    # Length-biased: what is in hand when somebody looks is more likely to be long.
    weights = rates * pipeline.grows
    mean_s = sum(w * m.mean_s for w, m in zip(weights, services, strict=True)) / weights.sum()
    square = sum(w * m.square_s2 for w, m in zip(weights, services, strict=True)) / weights.sum()
    in_hand_s = random.random(run.size) * (square / mean_s if mean_s else 0.0)
    busy = random.random(run.size) < hours.busy[run, step]
    return np.asarray(np.where(busy, in_hand_s, 0.0) + behind_s)


def _rounds_in(scenario: Scenario, course: Course) -> Vector:
    """Return the rounds of each step: one where the step before had none, as it shows all."""
    several = max(course.step_s / scenario.oracle.interval_s, 1.0)
    after_one = np.concatenate([[True], course.rounds[:-1]])
    return np.where(course.rounds, np.where(after_one, several, 1.0), 0.0)


def _behind_s(
    work_s: Vector,
    rounds: Vector,
    step_s: float,
    drained_s: Vector,
    cohort: tuple[Indexes, Indexes, Vector],
) -> Vector:
    """Return the work before each of the cohort, of its own round and of those before.

    First in, first out: Lindley's recursion, from round to round.
    ``work_s``: what each run's liquidations of a step take, (runs, steps). It comes in ``rounds``
    even parts; by the step's end ``drained_s`` of it is done. What is left goes on behind the
    horizon.
    """
    run, step, rank = cohort
    standing, held = np.zeros_like(work_s), np.zeros(work_s.shape[0])
    for place in range(work_s.shape[1]):
        standing[:, place] = held
        held = np.maximum(held + work_s[:, place] - drained_s[place], 0.0)
    per_step = rounds[step]
    number = np.floor(rank * per_step)
    each_s = work_s[run, step] / per_step
    before_s = np.maximum(standing[run, step] + number * (each_s - step_s / per_step), 0.0)
    return np.asarray(before_s + (rank * per_step - number) * each_s)
