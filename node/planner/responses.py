"""How long an action takes below the knee, from what it took well below it.

Half of all wait for no more than what is before them: a turn of the loop, in which whatever came
meanwhile is worked off together. A turn that begins with F to do, and each second of which brings
ρ more, lasts F / (1 − ρ) (the cycle of gated service: Takagi 1986). So, with ρ what the load adds,

    D_½ = a + g ρ / (1 − ρ),   ρ = ``GATHERED`` λ / knee

One in a hundred meets more than that: a batch or a block that others take the cores for. What comes
to a server that is busy for a share u of its time waits longer than t with probability

    P(W > t) = u e^(−(1 − u) t / G)

exactly where service times are exponential (M/M/1, G their mean: Erlang 1909), and for any queue in
heavy traffic (Kingman 1961). Nobody waits but the share u, so the quantile q of the delay is

    D_q = a_q + g_q [ln(u / (1 − q))]⁺ / (1 − u)

a is what no load changes (pipes, sockets, fsync), g what holds an action up. Both are fitted.

The loop is busy for far more than ρ: at a low load each action pays for a block of its own, at a
high one blocks are shared. At the knee it idles for what chance leaves it (1 − u_knee: told by
``waiting.carried_utilization``), and from ``IDLE_FROM`` of it on the idle time falls by the same
factor for each step up, 1 − u = (1 − u_knee) e^(b (1 − λ / knee)), with b read off the windows.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

import msgspec
import numpy as np
from scipy.optimize import nnls

POINTS_MIN: Final = 3
IDLE_FROM: Final = 0.25
"""The share of the knee from which on the logarithm of the idle time falls in one line."""
TOLD_FROM: Final = 0.2
"""The lowest share of the knee at which a delay is told: there the idle time is nearly right."""
BUSY_MAX: Final = 0.98
"""A window's own share may be told as all of it: chance, as its load is below half."""
FULL_MAX: Final = 0.999
"""Where a loop is never idle, no delay has an end."""
TAIL: Final = 0.99
GATHERED: Final = 0.9
"""ρ at the knee: with 0.85 … 0.9 fifteen runs agreed best. Lanes shed before turns grow for ever:
there one lasts eleven times as long as an empty one with single orders and cancels (13 ms over
1.2), four times with bulks of 20 (9 over 2.2), for which it is too much."""


class DelayPoint(msgspec.Struct, frozen=True):
    """What was seen at ``rate`` actions a second: quantiles in milliseconds, by name.

    ``busy`` is the share of the loop's time that work and waiting for a core took.
    """

    rate: float
    busy: float
    delay_ms: dict[str, float]


class DelayLaw(msgspec.Struct, frozen=True):
    """D = ``still_ms`` + ``growth_ms`` · growth, which each quantile has of its own."""

    still_ms: float
    growth_ms: float

    def at(self, growth: float) -> float:
        """Return milliseconds."""
        return self.still_ms + self.growth_ms * growth


class DelayLaws(msgspec.Struct, frozen=True):
    """The laws of the two quantiles; ``full`` is u at the knee, and ``fall`` is b."""

    full: float
    fall: float
    p50: DelayLaw
    p99: DelayLaw

    def at(self, load: float) -> dict[str, float]:
        """Return milliseconds at ``load``, a share of the knee, by the name of the quantile.

        Raises ``ValueError`` from the knee on, and below ``TOLD_FROM`` of it.
        """
        if not TOLD_FROM <= load < 1:
            raise ValueError(f"a delay is told from {TOLD_FROM:.0%} of the knee to it, not {load}")
        busy = 1 - (1 - self.full) * math.exp(self.fall * (1 - load))
        return {
            "p50": self.p50.at(_turn_growth(load)),
            "p99": self.p99.at(_tail_growth(busy)),
        }


def _turn_growth(load: float) -> float:
    """Return ρ / (1 − ρ): by how many of its own lengths an empty turn has become longer."""
    return GATHERED * load / (1 - GATHERED * load)


def _tail_growth(busy: float) -> float:
    """Return [ln(u / (1 − q))]⁺ / (1 − u) for q = ``TAIL``."""
    waits = busy / (1 - TAIL)
    return math.log(waits) / (1 - busy) if waits > 1 else 0.0


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
    if any(not point.delay_ms.get(name, 0.0) > 0 for point in points for name in ("p50", "p99")):
        raise ValueError("every delay takes its time")
    full = min(full, FULL_MAX)
    loads = [point.rate / knee_per_s for point in points]
    busy = [min(point.busy, BUSY_MAX) for point in points]
    falls = [
        math.log((1 - share) / (1 - full)) / (1 - load)
        for load, share in zip(loads, busy, strict=True)
        if load >= IDLE_FROM
    ]
    if not falls:
        raise ValueError(f"a point at {IDLE_FROM:.0%} of the knee or above is needed")
    return DelayLaws(
        full,
        # Where delays are told, a loop is never idle for more than all of its time.
        min(max(fmean(falls), 0.0), -math.log(1 - full) / (1 - TOLD_FROM)),
        _law(
            [_turn_growth(load) for load in loads],
            [point.delay_ms["p50"] for point in points],
        ),
        _law([_tail_growth(share) for share in busy], [point.delay_ms["p99"] for point in points]),
    )


def _law(growths: Sequence[float], delays: Sequence[float]) -> DelayLaw:
    rows = [(1 / delay, growth / delay) for growth, delay in zip(growths, delays, strict=True)]
    (still_ms, growth_ms), _ = nnls(np.array(rows), np.ones(len(rows)))
    return DelayLaw(float(still_ms), float(growth_ms))
