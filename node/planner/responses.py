"""How long an action takes below the knee, from what it took well below it.

What comes to a server that is busy for a share u of its time waits longer than t with probability

    P(W > t) = u e^(−(1 − u) t / G)

exactly where service times are exponential (M/M/1, G their mean: Erlang 1909), and for any queue in
heavy traffic (Kingman 1961). So nobody waits but the share u, and the quantile q of the delay is

    D_q = a_q + g_q [ln(u / (1 − q))]⁺ / (1 − u)

a_q is what no load changes (pipes, sockets, fsync); g_q what holds an action up: whatever is before
it on the loop, and a batch or a block that others take the cores for. Both are fitted.

The loop is busy for far more than λ / knee: at a low load each action pays for a block of its own,
at a high one blocks are shared. At the knee it idles for what chance leaves it (``full``: told by
``waiting.carried_utilization``), and from ``IDLE_FROM`` of it on what it idles besides falls in one
line, 1 − u = 1 − full + κ (1 − λ / knee), with κ read off the windows.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

import msgspec
import numpy as np
from scipy.optimize import nnls

POINTS_MIN: Final = 3
IDLE_FROM: Final = 0.3
"""The share of the knee from which on the idle time falls in one line with the load."""
TOLD_FROM: Final = 0.2
"""The lowest share of the knee at which a delay is told: there the line is nearly right."""
BUSY_MAX: Final = 0.98
"""A window's own share may be told as all of it: chance, as its load is below half."""
FULL_MAX: Final = 0.999
"""Where a loop is never idle, no delay has an end."""
QUANTILES: Final = {"p50": 0.5, "p99": 0.99}


class DelayPoint(msgspec.Struct, frozen=True):
    """What was seen at ``rate`` actions a second: quantiles in milliseconds, by name.

    ``busy`` is the share of the loop's time that work and waiting for a core took.
    """

    rate: float
    busy: float
    delay_ms: dict[str, float]


class DelayLaw(msgspec.Struct, frozen=True):
    """D = ``still_ms`` + ``growth_ms`` [ln(u / (1 − q))]⁺ / (1 − u), of the quantile q."""

    quantile: float
    still_ms: float
    growth_ms: float

    def at(self, busy: float) -> float:
        """Return milliseconds where the loop is ``busy`` for that share."""
        return self.still_ms + self.growth_ms * _growth(self.quantile, busy)


class DelayLaws(msgspec.Struct, frozen=True):
    """The laws by the name of their quantile; ``full`` is u at the knee, and ``idle`` is κ."""

    full: float
    idle: float
    quantiles: dict[str, DelayLaw]

    def at(self, load: float) -> dict[str, float]:
        """Return milliseconds at ``load``, a share of the knee.

        Raises ``ValueError`` from the knee on, and below ``TOLD_FROM`` of it.
        """
        if not TOLD_FROM <= load < 1:
            raise ValueError(f"a delay is told from {TOLD_FROM:.0%} of the knee to it, not {load}")
        busy = self.full - self.idle * (1 - load)
        return {name: law.at(busy) for name, law in self.quantiles.items()}


def fit_delays(points: Sequence[DelayPoint], knee_per_s: float, full: float) -> DelayLaws:
    """Return the laws that agree best with ``points``, all of them below the knee.

    ``full`` is the share of its time for which the loop is busy there.

    The sum of the squared relative errors is least, with neither term below zero. Raises
    ``ValueError`` for fewer than ``POINTS_MIN`` points, a delay of nothing, a rate at or past the
    knee, or no point at ``IDLE_FROM`` of it or above.
    """
    if len(points) < POINTS_MIN or not knee_per_s > 0:
        raise ValueError(f"{POINTS_MIN} points and a knee are needed")
    if any(not 0 <= point.rate < knee_per_s for point in points):
        raise ValueError("every point lies below the knee")
    if any(not point.delay_ms.get(name, 0.0) > 0 for point in points for name in QUANTILES):
        raise ValueError("every delay takes its time")
    full = min(full, FULL_MAX)
    busy = [min(point.busy, BUSY_MAX) for point in points]
    idle = [
        (full - share) / (1 - point.rate / knee_per_s)
        for point, share in zip(points, busy, strict=True)
        if point.rate >= IDLE_FROM * knee_per_s
    ]
    if not idle:
        raise ValueError(f"a point at {IDLE_FROM:.0%} of the knee or above is needed")
    return DelayLaws(
        full,
        # A loop is never idle for more than what its load leaves it.
        min(max(fmean(idle), 0.0), full),
        {
            name: _law(quantile, busy, [point.delay_ms[name] for point in points])
            for name, quantile in QUANTILES.items()
        },
    )


def _law(quantile: float, busy: Sequence[float], delays: Sequence[float]) -> DelayLaw:
    rows = [
        (1 / delay, _growth(quantile, share) / delay)
        for share, delay in zip(busy, delays, strict=True)
    ]
    (still_ms, growth_ms), _ = nnls(np.array(rows), np.ones(len(rows)))
    return DelayLaw(quantile, float(still_ms), float(growth_ms))


def _growth(quantile: float, busy: float) -> float:
    waits = busy / (1 - quantile)
    return math.log(waits) / (1 - busy) if waits > 1 else 0.0
