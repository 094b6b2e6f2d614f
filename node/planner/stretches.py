"""Stretches of an hour, event by event, from the state that the coarse hour had come to."""

import math

import numpy as np

from node.planner.arrays import Kinds, Vector
from node.planner.events import Stretch, run_stretch
from node.planner.pipeline import Pipeline
from node.planner.tides import Kept

WARM_UP = 0.1
"""Share of a stretch that passes before it is counted."""

EDGES_S = np.concatenate([[0.0], np.geomspace(1e-7, 1e5, 64 * 12 + 1), [np.inf]])
"""Edges of the buckets that pool times over runs: 64 in each factor of ten, each 3.7 % wide."""


def scales_of(pipeline: Pipeline, runs: int, random: np.random.Generator) -> Vector:
    """Return how much longer the loop takes than is told, for each run.

    By bootstrap: a run draws one replicate and all kinds take theirs of it, as errors of one
    measurement do not cancel between kinds. And by what no measurement of one hour tells of
    another: ``Pipeline.unsure``, log-normal.
    """
    loops = [kind.loop for kind in pipeline.kinds]
    shares = pipeline.shares * [loop.moments.mean_s for loop in loops]
    count = max(loop.replicates for loop in loops)
    scales = np.ones(runs)
    if pipeline.unsure:
        scales = np.exp(pipeline.unsure * random.standard_normal(runs))
    if not (count and shares.sum()):
        return scales
    by_kind = np.array([[loop.scale(place) for loop in loops] for place in range(count)])
    by_replicate = by_kind @ shares / shares.sum()
    return np.asarray(scales * by_replicate[random.integers(count, size=runs)])


def stretch_from(
    pipeline: Pipeline,
    kept: Kept,
    run: int,
    stretch_s: float,
    scale: float,
    enters: Vector,
    random: np.random.Generator,
) -> Stretch:
    """Run a stretch from where the hour had come to.

    ``enters``: the share of each kind that is let in. What is refused at the door still makes
    others come, as it did in the hour.
    """
    times, kinds = pipeline.arrivals.draw(stretch_s, random, kept.excitation[run])
    let_in = random.random(times.size) < enters[kinds]
    times, kinds = times[let_in], kinds[let_in]
    verified = _kinds_in_lanes(pipeline, kept, run, random)
    behind = np.repeat(np.arange(len(pipeline.kinds)), np.rint(kept.pool[run]).astype(np.int64))
    waiting = np.concatenate([verified, random.permutation(behind)])
    return run_stretch(
        pipeline,
        np.concatenate([np.zeros(waiting.size), times]),
        np.concatenate([waiting, kinds]),
        random,
        scale,
        verified.size,
        float(kept.journal[run]) * pipeline.journal.each_s or -math.inf,
    )


class Tally:
    """Quantiles of each run's stretch by lane, and what all items of a chunk waited in buckets."""

    def __init__(self, runs: int, lanes: int) -> None:
        self.wait_s = np.full((runs, 2, lanes), np.nan)
        self.delay_s = np.full((runs, 2, lanes), np.nan)
        self.wait_counts = np.zeros((lanes, EDGES_S.size - 1))
        self.delay_counts = np.zeros((lanes, EDGES_S.size - 1))
        self.wait_sums_s = np.zeros(lanes)

    def take(self, run: int, stretch: Stretch, counted_from_s: float, weight: float) -> None:
        """Count what arrived from then on and was served; in buckets each as ``weight`` items."""
        counted = (stretch.arrivals_s >= counted_from_s) & ~np.isnan(stretch.wait_s)
        for lane in range(self.wait_counts.shape[0]):
            mine = counted & (stretch.lanes == lane)
            if not mine.any():
                continue
            waits, delays = stretch.wait_s[mine], stretch.delay_s[mine]
            self.wait_s[run, :, lane] = np.quantile(waits, [0.5, 0.99])
            self.delay_s[run, :, lane] = np.quantile(delays, [0.5, 0.99])
            self.wait_counts[lane] += weight * np.histogram(waits, EDGES_S)[0]
            self.delay_counts[lane] += weight * np.histogram(delays, EDGES_S)[0]
            self.wait_sums_s[lane] += weight * waits.sum()


def pooled(counts: Vector, quantile: float) -> float:
    """Return the upper edge of the bucket that holds the quantile; NaN where there is no item."""
    reached = np.cumsum(counts)
    if not reached[-1]:
        return float("nan")
    return float(EDGES_S[1 + np.searchsorted(reached, quantile * reached[-1])])


def _kinds_in_lanes(pipeline: Pipeline, kept: Kept, run: int, random: np.random.Generator) -> Kinds:
    """Return kinds for what waits in the lanes at the beginning of a stretch, lane by lane.

    A lane knows how many wait in it, not which: they are drawn by their shares of its arrivals, or
    evenly where none of its kinds has a rate of its own (liquidations follow from prices).
    """
    drawn = [np.zeros(0, dtype=np.int64)]
    lane_of = np.array([kind.lane for kind in pipeline.kinds])
    rates = pipeline.arrivals.mean_rates_per_s
    for lane, items in enumerate(kept.lanes[run]):
        members = np.flatnonzero(lane_of == lane)
        if round(items) and members.size:
            weights = rates[members] if rates[members].sum() else np.ones(members.size)
            drawn.append(random.choice(members, round(items), p=weights / weights.sum()))
    return np.concatenate(drawn)
