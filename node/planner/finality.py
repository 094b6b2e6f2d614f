"""From durable to final: how long what was acknowledged waits for L1."""

import numpy as np

from node.planner.arrays import Vector
from node.planner.course import BlockClock
from node.planner.pipeline import Settlement
from node.planner.tides import Hours


def finality_s(hours: Hours, settlement: Settlement, clock: BlockClock, step_s: float) -> Vector:
    """Return p50 and p99, over items, of the time from durable to final, of shape (runs, 2).

    Items leave in order, so an item that is the n-th to be durable is included when the n-th is,
    for good (a reorg may take it back before). What never is counts as infinite; what became
    durable in the last moments is left out, as its time has not come: the ordinary confirmation,
    twice over.
    """
    return np.stack(
        [
            _of_run(hours.committed[run], hours.included[run], settlement, clock, step_s)
            for run in range(hours.committed.shape[0])
        ]
    )


def _of_run(
    committed: Vector, included: Vector, settlement: Settlement, clock: BlockClock, step_s: float
) -> Vector:
    open_s = committed.size * step_s - 2 * (settlement.confirmation_s + settlement.block_s)
    counted = max(int(open_s / step_s), 1)
    for_good = np.minimum.accumulate(included[::-1])[::-1]
    # Sums of floats: a hair less than the whole is the whole.
    reached = np.searchsorted(for_good, committed[:counted] * (1 - 1e-9))
    included_s: Vector = reached.astype(np.float64) * step_s
    final_s = clock.after(included_s, settlement.finality_blocks)
    waited = np.where(reached < included.size, final_s - np.arange(counted) * step_s, np.inf)
    weights = np.diff(committed[:counted], prepend=0.0)
    if not weights.sum():
        return np.full(2, np.nan)
    order = np.argsort(waited)
    ranks = np.cumsum(weights[order]) / weights.sum()
    places = np.minimum(np.searchsorted(ranks, [0.5, 0.99]), counted - 1)
    return np.asarray(waited[order][places])
