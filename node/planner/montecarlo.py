"""The seeded Monte Carlo: many runs of a flow through the pipeline, and what they say together.

Each run has two scales. Its whole duration passes through ``node.planner.tides`` in steps, which
gives backlogs, refusals and settlement; one stretch of it, at a random place and from the state
found there, passes through ``node.planner.events`` event by event, which gives waits and delays
without approximation. A flow of fewer events than a stretch is simulated whole. Between runs, what
varies is chance and the service times' own uncertainty (a bootstrap of their means).

Runs are cut into chunks of fixed size, each with its own seed, so that a result depends on the seed
alone and not on the number of processes.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.planner.events import Stretch, run_stretch
from node.planner.pipeline import Pipeline
from node.planner.tides import Hours, Kept, run_hours

Vector = NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Called with the runs that are done and the runs in all."""

RUNS_PER_CHUNK = 250
KNEE_HALVINGS = 12
"""The knee is found to 1/4096 of the range searched."""
GOODPUT_MIN = 0.99
"""A run is past its knee when less of its arrivals than this got through."""
WARM_UP = 0.1
"""Share of a stretch that passes before it is counted."""

EDGES_S = np.concatenate([[0.0], np.geomspace(1e-7, 1e5, 64 * 12 + 1), [np.inf]])
"""Edges of the buckets that pool times over runs: 64 in each factor of ten, each 3.7 % wide."""

_Result = TypeVar("_Result")


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
        return _pooled(self.wait_counts[:, lane], quantile)

    def pooled_delay_s(self, lane: int, quantile: float) -> float:
        """Return the same of the delay from arrival until durable."""
        return _pooled(self.delay_counts[:, lane], quantile)

    def backlog_exceeds(self, items: float) -> float:
        """Return P(largest backlog > items), over runs."""
        return float((self.backlog_peak > items).mean())


def _pooled(counts: Vector, quantile: float) -> float:
    """Return the upper edge of the bucket that holds the quantile; NaN where there is no item."""
    reached = np.cumsum(counts.sum(axis=0))
    if not reached[-1]:
        return float("nan")
    return float(EDGES_S[1 + np.searchsorted(reached, quantile * reached[-1])])


def spread(values: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the 5th, 50th and 95th percentile over runs (nearest rank, so infinities are kept)."""
    low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=0, method="inverted_cdf")
    return low, middle, high


def simulate(
    pipeline: Pipeline, plan: Plan, *, workers: int = 1, progress: Progress | None = None
) -> Outcome:
    """Run ``plan`` on so many processes; the same seed gives the same result for any number."""
    parts = _over_chunks(_simulate_chunk, pipeline, plan, workers, progress)
    return Outcome(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Outcome.__struct_fields__
        }
    )


def knees_per_s(
    pipeline: Pipeline, plan: Plan, *, workers: int = 1, progress: Progress | None = None
) -> Vector:
    """Return the knee of each run, in arrivals per second: the rate it still carries.

    Found by halving between zero and twice the analytic limit. A rate is carried when at least
    ``GOODPUT_MIN`` of what arrived in ``duration_s`` got through workers, loop and journal, and
    what is unposted at the end is not more than one L1 block's worth above the same share. That
    share puts the knee of a saturated loop somewhat above the analytic limit: the least urgent lane
    gives way first, so by 1 % of the items, at that lane's cost. Some minutes are long enough.
    """
    return np.concatenate(_over_chunks(_knee_chunk, pipeline, plan, workers, progress))


def _over_chunks(
    work: Callable[[Pipeline, Plan, int, np.random.SeedSequence], _Result],
    pipeline: Pipeline,
    plan: Plan,
    workers: int,
    progress: Progress | None,
) -> list[_Result]:
    sizes = [
        min(RUNS_PER_CHUNK, plan.runs - first) for first in range(0, plan.runs, RUNS_PER_CHUNK)
    ]
    seeds = np.random.SeedSequence(plan.seed).spawn(len(sizes))
    tell = progress or (lambda _done, _all: None)
    if workers == 1:
        results = []
        for size, seed in zip(sizes, seeds, strict=True):
            results.append(work(pipeline, plan, size, seed))
            tell(sum(sizes[: len(results)]), plan.runs)
        return results
    # A fresh interpreter each: forking a process that has threads may hang it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [
            pool.submit(work, pipeline, plan, size, seed)
            for size, seed in zip(sizes, seeds, strict=True)
        ]
        for done in _as_they_finish(futures):
            tell(sum(size for i, size in enumerate(sizes) if futures[i] in done), plan.runs)
        return [future.result() for future in futures]


def _as_they_finish(futures: list[Future[_Result]]) -> Iterator[set[Future[_Result]]]:
    """Yield all that are finished, each time that one more is."""
    pending = set(futures)
    while pending:
        pending = wait(pending, return_when=FIRST_COMPLETED).not_done
        yield set(futures) - pending


def _scales(pipeline: Pipeline, runs: int, random: np.random.Generator) -> Vector:
    """Return how much longer the loop takes than was measured, by bootstrap, for each run."""
    shares = pipeline.shares * [kind.loop.moments.mean_s for kind in pipeline.kinds]
    if not shares.sum():
        return np.ones(runs)
    drawn = [[kind.loop.resampled_scale(random) for kind in pipeline.kinds] for _ in range(runs)]
    return np.asarray(np.array(drawn) @ shares / shares.sum())


def _simulate_chunk(
    pipeline: Pipeline, plan: Plan, runs: int, seed: np.random.SeedSequence
) -> Outcome:
    random = np.random.default_rng(seed)
    scales = _scales(pipeline, runs, random)
    stretch_s = min(plan.stretch_events / pipeline.rate_per_s, plan.duration_s)
    last_start = max(int((plan.duration_s - stretch_s) / plan.step_s), 0)
    keep_at = random.integers(0, last_start + 1, runs)
    ones = np.ones(runs)
    hours = run_hours(pipeline, ones, scales, keep_at, plan.steps, plan.step_s, random)
    tally = _Tally(runs, len(pipeline.lanes))
    for run in range(runs):
        found = _stretch(pipeline, hours.kept, run, stretch_s, scales[run], random)
        tally.take(run, found, WARM_UP * stretch_s)
    finality_s = np.stack([_finality_s(hours, run, pipeline, plan) for run in range(runs)])
    to_lane = np.zeros((len(pipeline.kinds), len(pipeline.lanes)))
    to_lane[np.arange(len(pipeline.kinds)), [kind.lane for kind in pipeline.kinds]] = 1.0
    return Outcome(
        wait_p50_s=tally.wait_s[:, 0],
        wait_p99_s=tally.wait_s[:, 1],
        delay_p50_s=tally.delay_s[:, 0],
        delay_p99_s=tally.delay_s[:, 1],
        wait_counts=tally.wait_counts[None],
        delay_counts=tally.delay_counts[None],
        arrived=hours.arrived @ to_lane,
        refused=hours.refused,
        backlog_peak=hours.backlog_peak,
        unposted_peak=hours.unposted_peak,
        unposted_end=hours.unposted_end,
        finality_p50_s=finality_s[:, 0],
        finality_p99_s=finality_s[:, 1],
    )


def _stretch(
    pipeline: Pipeline,
    kept: Kept,
    run: int,
    stretch_s: float,
    scale: float,
    random: np.random.Generator,
) -> Stretch:
    """Run a stretch from where the hour had come to."""
    times, kinds = pipeline.arrivals.draw(stretch_s, random, kept.excitation[run])
    waiting = _waiting_kinds(pipeline, kept, run, random)
    return run_stretch(
        pipeline,
        np.concatenate([np.zeros(waiting.size), times]),
        np.concatenate([waiting, kinds]),
        random,
        scale,
    )


class _Tally:
    """Quantiles of each run's stretch by lane, and all items of a chunk in buckets."""

    def __init__(self, runs: int, lanes: int) -> None:
        self.wait_s = np.full((runs, 2, lanes), np.nan)
        self.delay_s = np.full((runs, 2, lanes), np.nan)
        self.wait_counts = np.zeros((lanes, EDGES_S.size - 1))
        self.delay_counts = np.zeros((lanes, EDGES_S.size - 1))

    def take(self, run: int, stretch: Stretch, counted_from_s: float) -> None:
        """Count what arrived from then on and was served."""
        counted = (stretch.arrivals_s >= counted_from_s) & ~np.isnan(stretch.wait_s)
        for lane in range(self.wait_counts.shape[0]):
            mine = counted & (stretch.lanes == lane)
            if not mine.any():
                continue
            waits, delays = stretch.wait_s[mine], stretch.delay_s[mine]
            self.wait_s[run, :, lane] = np.quantile(waits, [0.5, 0.99])
            self.delay_s[run, :, lane] = np.quantile(delays, [0.5, 0.99])
            self.wait_counts[lane] += np.histogram(waits, EDGES_S)[0]
            self.delay_counts[lane] += np.histogram(delays, EDGES_S)[0]


def _waiting_kinds(
    pipeline: Pipeline, kept: Kept, run: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return kinds for what waits at the beginning of a stretch, lane by lane, then the workers'.

    A lane knows how many wait in it, not which: they are drawn by their shares of its arrivals.
    """
    drawn = []
    lane_of = np.array([kind.lane for kind in pipeline.kinds])
    for lane, items in enumerate(kept.lanes[run]):
        members = np.flatnonzero(lane_of == lane)
        weights = pipeline.shares[members]
        if round(items) and weights.sum():
            drawn.append(random.choice(members, round(items), p=weights / weights.sum()))
    behind = np.repeat(np.arange(len(pipeline.kinds)), np.rint(kept.pool[run]).astype(np.int64))
    return np.concatenate([*drawn, random.permutation(behind)]).astype(np.int64)


def _finality_s(hours: Hours, run: int, pipeline: Pipeline, plan: Plan) -> Vector:
    """Return p50 and p99, over items, of the time from durable to final.

    Items leave in order, so an item that is the n-th to be durable is included when the n-th is.
    What never is counts as infinite; what became durable in the last moments is left out, as its
    time has not come: the ordinary confirmation, twice over.
    """
    committed, included = hours.committed[run], hours.included[run]
    settlement = pipeline.settlement
    open_s = plan.duration_s - 2 * (settlement.confirmation_s + settlement.block_s)
    counted = max(int(open_s / plan.step_s), 1)
    # Sums of floats: a hair less than the whole is the whole.
    reached = np.searchsorted(included, committed[:counted] * (1 - 1e-9))
    waited = np.where(reached < included.size, (reached - np.arange(counted)) * plan.step_s, np.inf)
    weights = np.diff(committed[:counted], prepend=0.0)
    if not weights.sum():
        return np.full(2, np.nan)
    order = np.argsort(waited)
    ranks = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(ranks, [0.5, 0.99]), counted - 1)
    return np.asarray(waited[order][places] + settlement.finality_blocks * settlement.block_s)


def _knee_chunk(pipeline: Pipeline, plan: Plan, runs: int, seed: np.random.SeedSequence) -> Vector:
    random = np.random.default_rng(seed)
    scales = _scales(pipeline, runs, random)
    never = np.full(runs, -1)
    low = np.zeros(runs)
    high = np.full(runs, 2 * pipeline.limit().per_s / pipeline.rate_per_s)
    for _ in range(KNEE_HALVINGS):
        factors = (low + high) / 2
        hours = run_hours(pipeline, factors, scales, never, plan.steps, plan.step_s, random)
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
