"""The forecast of a scenario by a seeded Monte Carlo: many runs, and what became of each.

Each run has two scales. Its whole duration passes through ``node.planner.tides`` in steps, which
gives backlogs, refusals and settlement; one stretch of it, at a random place and from the state
found there, passes through ``node.planner.events`` event by event, which gives waits and delays
without approximation. The analytic law beside it is ``node.planner.conclude``'s.
"""

from typing import Any

import msgspec
import numpy as np

from node.planner.arrays import Indexes, Vector
from node.planner.calibration import Calibration
from node.planner.chunks import Crew, Processes, Progress, over_chunks
from node.planner.course import BlockClock, Course, course_of
from node.planner.exposure import Exposure
from node.planner.finality import finality_s
from node.planner.hawkes import Hawkes
from node.planner.knees import Plan, knees_per_s
from node.planner.lateness import Late, lateness
from node.planner.model import pipeline_of
from node.planner.pipeline import Pipeline
from node.planner.prices import Record, log_paths
from node.planner.scenario import LANES, RISK_ADDING, Scenario
from node.planner.stretches import EDGES_S, WARM_UP, Tally, scales_of, stretch_from
from node.planner.tides import LIQUIDATE, Hours, lane_matrix, run_hours

SERIES_POINTS = 120
"""Moments at which figures over time are kept."""
_URGENT = LANES.index("liquidation")


class Drawn(msgspec.Struct, frozen=True):
    """What the Monte Carlo found: the scenario's pipeline, its course, columns by name."""

    full: Pipeline
    """The node at its limit."""
    pipeline: Pipeline
    """The node at the flow's highest rate, or its limit."""
    course: Course
    columns: dict[str, Vector]
    """One row per run, but for ``*_counts`` and ``wait_sums_s``, which have one per chunk."""
    knees_per_s: Vector


def draw(
    scenario: Scenario,
    calibration: Calibration | None = None,
    record: Record | None = None,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Drawn:
    """Run the scenario; the same seed gives the same columns whoever computes.

    ``progress`` is told of the runs of the knee first and of the scenario's runs then, as one sum.
    """
    who = crew or Processes()
    extent = scenario.extent
    full = pipeline_of(scenario, calibration)
    course = course_of(scenario, full)
    peak_per_s = full.rate_per_s * float(course.rate.max())
    pipeline = pipeline_of(scenario, calibration, peak_per_s)
    everything = extent.knee_runs + extent.runs

    def tell(before: int) -> Progress | None:
        return progress and (lambda done, _all: progress(before + done, everything))

    knees = knees_of(scenario, full, crew=who, progress=tell(0))
    parts: list[dict[str, Any]] = over_chunks(
        _chunk,
        (scenario, pipeline, record),
        extent.runs,
        scenario.steps,
        extent.seed,
        who,
        tell(extent.knee_runs),
    )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Drawn(full, pipeline, course, columns, knees)


def knees_of(
    scenario: Scenario,
    pipeline: Pipeline,
    *,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> Vector:
    """Return the knee of each of ``extent.knee_runs``, with L1 and market as ordinary."""
    extent = scenario.extent
    if not pipeline.limit().per_s:
        return np.zeros(extent.knee_runs)
    plan = Plan(
        runs=extent.knee_runs,
        duration_s=scenario.knee_s,
        step_s=extent.step_s,
        seed=extent.seed,
    )
    return knees_per_s(pipeline, plan, crew=crew, progress=progress)


def _chunk(
    scenario: Scenario,
    pipeline: Pipeline,
    record: Record | None,
    runs: int,
    seed: np.random.SeedSequence,
) -> dict[str, Vector]:
    random = np.random.default_rng(seed)
    course = course_of(scenario, pipeline)
    scales = scales_of(pipeline, runs, random)
    paths = log_paths(scenario.market, course.steps, course.step_s, runs, random, record)
    exposure = Exposure(scenario.positions, scenario.market, course, paths)
    left_s = scenario.extent.horizon_s - _longest_stretch_s(scenario, pipeline)
    last_start = max(int(left_s / course.step_s), 0)
    keep_at = random.integers(0, last_start + 1, runs)
    hours = run_hours(pipeline, np.ones(runs), scales, keep_at, random, course, exposure)
    late = lateness(scenario, pipeline, course, exposure, hours, random)
    tally = _stretches(scenario, pipeline, course, (hours, exposure, keep_at, scales), random)
    clock = BlockClock(course.sky, course.step_s, pipeline.settlement.block_s)
    final_s = finality_s(hours, pipeline.settlement, clock, course.step_s)
    return {
        **_lane_columns(pipeline, hours, tally, late, runs),
        **_liquidation_columns(scenario, exposure, late, runs),
        **_chain_columns(course, hours),
        **_series_columns(course, hours, exposure),
        "finality_p50_s": final_s[:, 0],
        "finality_p99_s": final_s[:, 1],
    }


def _stretches(
    scenario: Scenario,
    pipeline: Pipeline,
    course: Course,
    found: tuple[Hours, Exposure, Indexes, Vector],
    random: np.random.Generator,
) -> Tally:
    """Simulate one stretch of each run exactly, under the flow that is there then."""
    hours, exposure, keep_at, scales = found
    tally = Tally(keep_at.size, len(pipeline.lanes))
    adds_risk = np.array([pipeline.lanes[kind.lane].name in RISK_ADDING for kind in pipeline.kinds])
    longest_s = _longest_stretch_s(scenario, pipeline)
    for run, step in enumerate(keep_at.tolist()):
        set_off = float(exposure.triggered[:, run, step].sum()) / course.step_s
        open_share = (1 - hours.closed[run, step]) * (1 - course.stale[step])
        enters = np.where(adds_risk, open_share, 1.0)
        there = _flow_at(pipeline, float(course.rate[step]), set_off)
        stretch_s = scenario.extent.stretch_events / max(there.rate_per_s, pipeline.rate_per_s)
        stretch_s = min(stretch_s, scenario.extent.horizon_s)
        stretch = stretch_from(there, hours.kept, run, stretch_s, scales[run], enters, random)
        # Stretches begin evenly in time, so what came in a short one stands for the more.
        tally.take(run, stretch, WARM_UP * stretch_s, longest_s / stretch_s)
    return tally


def _longest_stretch_s(scenario: Scenario, pipeline: Pipeline) -> float:
    """Return how long a stretch is while the flow is at its ordinary rate, or below it."""
    return scenario.extent.stretch_events / pipeline.rate_per_s


def _flow_at(pipeline: Pipeline, rate: float, set_off_per_s: float) -> Pipeline:
    """Return the pipeline under the flow of one moment."""
    process = pipeline.arrivals
    baseline = process.baseline_per_s * (1 + (max(rate, 1e-6) - 1) * pipeline.grows)
    names = [kind.name for kind in pipeline.kinds]
    baseline[names.index(LIQUIDATE)] = set_off_per_s
    arrivals = Hawkes(baseline, process.branching, process.decays_per_s)
    return msgspec.structs.replace(pipeline, arrivals=arrivals)


def _lane_columns(
    pipeline: Pipeline, hours: Hours, tally: Tally, late: Late, runs: int
) -> dict[str, Vector]:
    """Return the lanes' columns; the liquidation lane's are those of all its liquidations."""
    wait_s, delay_s = tally.wait_s, tally.delay_s
    one = next(kind for kind in pipeline.kinds if kind.name == LIQUIDATE)
    written_s = hours.unwritten[late.run, late.step] * pipeline.journal.each_s
    after_s = one.loop.moments.mean_s + pipeline.journal.commit_s + written_s
    waits_after = late.wait_s + after_s
    for told_s, values in ((wait_s, late.wait_s), (delay_s, waits_after)):
        told_s[:, :, _URGENT] = weighted_quantiles(values, late.weight, late.run, runs)
    tally.wait_counts[_URGENT] = np.histogram(late.wait_s, EDGES_S, weights=late.weight)[0]
    tally.delay_counts[_URGENT] = np.histogram(waits_after, EDGES_S, weights=late.weight)[0]
    tally.wait_sums_s[_URGENT] = float(late.wait_s @ late.weight)
    return {
        "wait_p50_s": wait_s[:, 0],
        "wait_p99_s": wait_s[:, 1],
        "delay_p50_s": delay_s[:, 0],
        "delay_p99_s": delay_s[:, 1],
        "wait_counts": tally.wait_counts[None],
        "delay_counts": tally.delay_counts[None],
        "wait_sums_s": tally.wait_sums_s[None],
        "arrived": hours.arrived @ lane_matrix(pipeline),
        "refused_lane": hours.refused,
        "refused_gate": hours.gated,
        "refused_stale": hours.stale,
    }


def _liquidation_columns(
    scenario: Scenario, exposure: Exposure, late: Late, runs: int
) -> dict[str, Vector]:
    after_s = scenario.risk.late_after_ms / 1_000
    count = exposure.triggered.sum(axis=(0, 2))
    was_late = np.bincount(late.run, late.weight * (late.delay_s > after_s), runs)
    quantiles = weighted_quantiles(late.delay_s, late.weight, late.run, runs)
    return {
        "liquidations": count,
        "late": was_late,
        "liquidation_p50_s": quantiles[:, 0],
        "liquidation_p99_s": quantiles[:, 1],
        "liquidation_counts": np.histogram(late.delay_s, EDGES_S, weights=late.weight)[0][None],
        "liquidated": late.notional,
        "bad_debt": late.debt,
    }


def weighted_quantiles(values: Vector, weights: Vector, run: Indexes, runs: int) -> Vector:
    """Return p50 and p99 of each run's weighted values, (runs, 2); NaN for a run without any."""
    found = np.full((runs, 2), np.nan)
    order = np.lexsort((values, run))
    sorted_runs = run[order]
    for one in np.unique(sorted_runs).tolist():
        low, high = np.searchsorted(sorted_runs, [one, one + 1])
        mine = order[low:high]
        ranks = np.cumsum(weights[mine]) / weights[mine].sum()
        places = np.minimum(np.searchsorted(ranks, [0.5, 0.99]), mine.size - 1)
        found[int(one)] = values[mine][places]
    return found


def _chain_columns(course: Course, hours: Hours) -> dict[str, Vector]:
    return {
        "unposted_peak": hours.unposted_peak,
        "unposted_end": hours.unposted_end,
        "gate_closed_s": hours.closed.sum(axis=1) * course.step_s,
        "in_flight_peak": np.full(hours.unposted_peak.size, float(hours.in_flight_peak)),
        "cost_eth": hours.paid_eth,
    }


def series_places(steps: int) -> Indexes:
    """Return the steps at whose ends figures over time are kept."""
    return np.unique(np.linspace(0, steps - 1, SERIES_POINTS).astype(np.int64))


def _series_columns(course: Course, hours: Hours, exposure: Exposure) -> dict[str, Vector]:
    at = series_places(course.steps)
    outstanding = hours.committed - hours.included
    found = {
        "unposted": outstanding[:, at],
        "waiting": hours.waiting[:, at],
        "busy": hours.busy[:, at],
        "closed": hours.closed[:, at],
        "refused": hours.refused_by[:, at],
        "price": np.exp(exposure.price[:, at + 1]),
        "liquidated": np.cumsum(exposure.executed, axis=1)[:, at],
    }
    return {f"series_{name}": np.asarray(values) for name, values in found.items()}
