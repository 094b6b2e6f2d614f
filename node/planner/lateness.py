"""How late liquidations begin, and what that costs.

From the moment in which the *price* passes a position's trigger until the loop begins on its
liquidation: the age of the mark that shows it (up to an oracle interval, or what is left of a
stall), the risk processor's turn, the wait in the lane. The wait has two parts: whole steps, where
the lane holds more than the loop can serve (first in, first out), and within a round, behind the
liquidations that the same mark set off and behind what the loop has in hand.
"""

import msgspec
import numpy as np

from node.planner.arrays import Indexes, Vector
from node.planner.course import Course
from node.planner.exposure import Exposure
from node.planner.pipeline import Pipeline
from node.planner.scenario import LANES, Scenario
from node.planner.tides import LIQUIDATE, Hours

PARTS = 4
"""Each step's liquidations are followed by as many representatives, at even quantiles."""


class Late(msgspec.Struct, frozen=True):
    """Each representative's delay and debt, and the sums of each run."""

    delay_s: Vector
    """(n,), all runs together; so are ``wait_s`` and ``weight``."""
    wait_s: Vector
    """The part in the lane."""
    weight: Vector
    """Liquidations that each stands for."""
    run: Indexes
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
    delay_s, wait_s, weight, run, debt = columns
    runs = exposure.price.shape[0]
    where = run.astype(np.int64)
    notional = scenario.positions.notional
    return Late(
        delay_s=delay_s,
        wait_s=wait_s,
        weight=weight,
        run=where,
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
) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """Return delay, wait, weight, run and debt per notional of each representative."""
    side, step_s = exposure.sides[place], course.step_s
    runs, steps = np.nonzero(exposure.triggered[place])
    run, step = np.repeat(runs, PARTS), np.repeat(steps, PARTS)
    rank = np.tile((np.arange(PARTS) + 0.5) / PARTS, runs.size)
    weight = np.repeat(exposure.triggered[place][runs, steps] / PARTS, PARTS)
    low = side.share(exposure.reached[place][run, step])
    high = side.share(exposure.reached[place][run, step + 1])
    distance = side.distance_of(low + rank * (high - low))
    crossed_s = _crossings_s(course, exposure, place, (run, step), distance)
    seen_s = _seen_s(scenario, course, crossed_s, step, random)
    wait_s = _waits_s(scenario, pipeline, exposure, hours, (run, step, rank), random)
    delay_s = seen_s - crossed_s + scenario.risk.turn_ms / 1_000 + wait_s
    # Prices jump: a step's whole move counts for whatever is closed within it.
    closed = np.ceil((crossed_s + delay_s) / step_s).astype(np.int64)
    against = -side.sign * exposure.price[run, np.clip(closed, 0, course.steps)]
    debt = side.shortfall(distance, np.maximum(against, distance))
    return delay_s, wait_s, weight, run.astype(np.float64), debt


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
    exposure: Exposure,
    hours: Hours,
    cohort: tuple[Indexes, Indexes, Vector],
    random: np.random.Generator,
) -> Vector:
    """Return the waits in the lane of the given (run, step, rank within the step)."""
    run, step, rank = cohort
    urgent = LANES.index("liquidation")
    rates, services = pipeline.arrivals.mean_rates_per_s, [k.loop.moments for k in pipeline.kinds]
    above = sum(
        rate * moments.mean_s
        for rate, moments, kind in zip(rates, services, pipeline.kinds, strict=True)
        if kind.lane < urgent
    )
    each_s = next(k.loop.moments.mean_s for k in pipeline.kinds if k.name == LIQUIDATE)
    step_s = scenario.extent.step_s
    per_round = min(scenario.oracle.interval_s / step_s, 1.0)
    found = exposure.triggered.sum(axis=0)[run, step]
    behind_s = rank * found * per_round * each_s / max(1 - above, 1e-9)
    # Length-biased: what is in hand when somebody looks is more likely to be long.
    weights = rates * pipeline.grows
    mean_s = sum(w * m.mean_s for w, m in zip(weights, services, strict=True)) / weights.sum()
    square = sum(w * m.square_s2 for w, m in zip(weights, services, strict=True)) / weights.sum()
    in_hand_s = random.random(run.size) * (square / mean_s if mean_s else 0.0)
    busy = random.random(run.size) < hours.busy[run, step]
    held_s = _held_s(exposure, cohort, step_s)
    return np.asarray(np.where(busy, in_hand_s, 0.0) + behind_s + held_s)


def _held_s(exposure: Exposure, cohort: tuple[Indexes, Indexes, Vector], step_s: float) -> Vector:
    """Return the whole steps that the lane's fluid holds each back."""
    run, step, rank = cohort
    triggered = exposure.triggered.sum(axis=0)
    came, went = np.cumsum(triggered, axis=1), np.cumsum(exposure.executed, axis=1)
    held = np.zeros(run.size)
    behind = np.flatnonzero((came - went > 0.5).any(axis=1))
    for one in behind:
        mine = np.flatnonzero(run == one)
        number = came[one, step[mine]] - (1 - rank[mine]) * triggered[one, step[mine]]
        done = np.searchsorted(went[one], number * (1 - 1e-9))
        held[mine] = np.maximum(done - step[mine], 0) * step_s
    return held
