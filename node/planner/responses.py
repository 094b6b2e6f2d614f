"""How long an action takes below the knee, from what it took in quiet hours.

The writer works in turns. A turn costs what is fixed (c: journal, signature, wake-ups) and what
its actions cost (d each), and while it lasts λT more arrive for the next:

    T = c + λ T d,  so  T = c / (1 − λd) = c / (1 − ρ),  ρ = λ / knee

An action waits for the rest of the turn that is going on and then for its own, so every quantile
of the delay is a multiple of T, plus what no load changes (pipes, sockets, the sender's clock):

    D_q(ρ) = a_q + b_q / (1 − ρ)

``fit_delays`` finds a_q and b_q, both not negative, from points below half load. This is the shape
that a single server has as well (ρ / (1 − ρ), Pollaczek and Khinchine), whose ρ here is that of
full turns: what a turn fixes is shared by more actions the longer it is.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.optimize import nnls

POINTS_MIN = 3


class DelayPoint(msgspec.Struct, frozen=True):
    """What was seen at ``rate`` actions a second, in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


class DelayLaw(msgspec.Struct, frozen=True):
    """D = ``still_ms`` + ``turn_ms`` / (1 − rate / knee), one quantile's."""

    still_ms: float
    turn_ms: float
    knee_per_s: float

    def at(self, rate: float) -> float:
        """Return milliseconds at ``rate``. Raises ``ValueError`` from the knee on."""
        if not 0 <= rate < self.knee_per_s:
            raise ValueError(f"a delay is told below the knee {self.knee_per_s:.0f}, not at {rate}")
        return self.still_ms + self.turn_ms / (1 - rate / self.knee_per_s)


class DelayLaws(msgspec.Struct, frozen=True):
    """The laws of both quantiles."""

    p50: DelayLaw
    p99: DelayLaw


def fit_delays(points: Sequence[DelayPoint], knee_per_s: float) -> DelayLaws:
    """Fit both laws to ``points`` below ``knee_per_s``, with errors taken as relative.

    Raises ``ValueError`` for fewer than ``POINTS_MIN`` points or a rate at or past the knee.
    """
    if len(points) < POINTS_MIN or not knee_per_s > 0:
        raise ValueError(f"{POINTS_MIN} points and a knee are needed")
    if any(not 0 <= point.rate < knee_per_s for point in points):
        raise ValueError("every point lies below the knee")
    return DelayLaws(
        p50=_fit([(point.rate, point.p50_ms) for point in points], knee_per_s),
        p99=_fit([(point.rate, point.p99_ms) for point in points], knee_per_s),
    )


def _fit(points: Sequence[tuple[float, float]], knee_per_s: float) -> DelayLaw:
    stretch = np.array([1 / (1 - rate / knee_per_s) for rate, _ in points])
    delays = np.array([max(delay, 1e-6) for _, delay in points])
    columns = np.stack([np.ones_like(stretch), stretch], axis=1) / delays[:, None]
    still, turn = nnls(columns, np.ones_like(delays))[0]
    return DelayLaw(float(still), float(turn), knee_per_s)
