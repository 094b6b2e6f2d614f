"""How long an action takes below the knee, from what it took well below it.

A server that is held for G on average by whatever is before an arrival (work of the actions that
came earlier, a turn of the writer, a batch that other processes take the cores for) keeps it for

    D = a + G ρ / (1 − ρ),   ρ = λ / knee

This is the mean of Pollaczek and Khinchine, with G for the mean residual service time; in heavy
traffic the wait is exponential (Kingman 1961), so each of its quantiles grows in the same way, and
a quantile q of the delay is D_q = a_q + g_q ρ / (1 − ρ). Both are fitted: a_q is what no load
changes (pipes, sockets, fsync), g_q is read off points at a known share of the predicted knee.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.optimize import nnls

POINTS_MIN = 3
SPREAD_MIN = 0.15
"""The highest share of the knee that is needed to tell growth from noise."""


class DelayPoint(msgspec.Struct, frozen=True):
    """What was seen at ``rate`` actions a second, in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


class DelayLaw(msgspec.Struct, frozen=True):
    """D = ``still_ms`` + ``growth_ms`` ρ / (1 − ρ), one quantile's; ρ = rate / knee."""

    still_ms: float
    growth_ms: float
    knee_per_s: float

    def at(self, rate: float) -> float:
        """Return milliseconds at ``rate``. Raises ``ValueError`` from the knee on."""
        if not 0 <= rate < self.knee_per_s:
            raise ValueError(f"a delay is told below the knee {self.knee_per_s:.0f}, not at {rate}")
        return self.still_ms + self.growth_ms * _growth(rate / self.knee_per_s)


class DelayLaws(msgspec.Struct, frozen=True):
    """The laws of both quantiles."""

    p50: DelayLaw
    p99: DelayLaw


def fit_delays(points: Sequence[DelayPoint], knee_per_s: float) -> DelayLaws:
    """Return the laws that agree best with ``points``, all of them below the knee.

    The sum of the squared relative errors is least, with neither term below zero. Raises
    ``ValueError`` for fewer than ``POINTS_MIN`` points, a delay of nothing, a rate at or past the
    knee, or points that all lie below ``SPREAD_MIN`` of it.
    """
    if len(points) < POINTS_MIN or not knee_per_s > 0:
        raise ValueError(f"{POINTS_MIN} points and a knee are needed")
    if any(not 0 <= point.rate < knee_per_s for point in points):
        raise ValueError("every point lies below the knee")
    if any(not (point.p50_ms > 0 and point.p99_ms > 0) for point in points):
        raise ValueError("every delay takes its time")
    if max(point.rate for point in points) < SPREAD_MIN * knee_per_s:
        raise ValueError(f"a point at {SPREAD_MIN:.0%} of the knee or above is needed")
    return DelayLaws(
        p50=_law([(p.rate, p.p50_ms) for p in points], knee_per_s),
        p99=_law([(p.rate, p.p99_ms) for p in points], knee_per_s),
    )


def _law(points: Sequence[tuple[float, float]], knee_per_s: float) -> DelayLaw:
    rows = [(1 / delay, _growth(rate / knee_per_s) / delay) for rate, delay in points]
    (still_ms, growth_ms), _ = nnls(np.array(rows), np.ones(len(rows)))
    return DelayLaw(float(still_ms), float(growth_ms), knee_per_s)


def _growth(load: float) -> float:
    return load / (1 - load)
