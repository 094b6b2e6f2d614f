"""How long an action takes below the knee, from what it took in quiet hours.

The writer works in turns. A turn costs what is fixed (c: making a block and making it durable) and
what its actions cost (d each), and while it lasts λT more arrive for the next:

    T = c + λ T d,  so  T = c / (1 − λd) = c / (1 − ρ),  ρ = λ / knee

An action waits for the rest of the turn that is going on and then for its own, so every quantile
of the delay is a multiple of T, plus what no load changes (pipes, sockets, the sender's clock):

    D_q(ρ) = a_q + k_q c / (1 − ρ)

For turns that are all alike, the rest is uniform and k is 1.5 for the median and 1.99 for p99; for
turns as uneven as an exponential law, rest and turn are its sum of two, and k is 1.68 and 6.64.
Turns of a real node lie between; their middle is taken. The calibration tells c, the quiet points
tell a_q: growth comes from the law, and not from the noise of points at which nothing grows yet.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

from node.planner.calibration import Calibration

POINTS_MIN = 3
TURNS = {"p50": (1.5 + 1.68) / 2, "p99": (1.99 + 6.64) / 2}
"""k: how many turns a quantile of the delay holds."""

_MS_PER_S = 1_000


class DelayPoint(msgspec.Struct, frozen=True):
    """What was seen at ``rate`` actions a second, in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


class DelayLaw(msgspec.Struct, frozen=True):
    """D = ``still_ms`` + ``turns_ms`` / (1 − rate / knee), one quantile's."""

    still_ms: float
    turns_ms: float
    knee_per_s: float

    def at(self, rate: float) -> float:
        """Return milliseconds at ``rate``. Raises ``ValueError`` from the knee on."""
        if not 0 <= rate < self.knee_per_s:
            raise ValueError(f"a delay is told below the knee {self.knee_per_s:.0f}, not at {rate}")
        return self.still_ms + self.turns_ms / (1 - rate / self.knee_per_s)


class DelayLaws(msgspec.Struct, frozen=True):
    """The laws of both quantiles."""

    p50: DelayLaw
    p99: DelayLaw


def turn_ms(calibration: Calibration) -> float:
    """Return what a turn takes whatever is in it: making a block, and making it durable."""
    laws = (calibration.blocks, calibration.journal)
    return sum(law.coefficient("block") for law in laws if law is not None) * _MS_PER_S


def fit_delays(points: Sequence[DelayPoint], knee_per_s: float, fixed_ms: float) -> DelayLaws:
    """Return the laws for turns of ``fixed_ms`` that agree with ``points`` below the knee.

    What no load changes is the median of what the points leave for it, and at least nothing.
    Raises ``ValueError`` for fewer than ``POINTS_MIN`` points or a rate at or past the knee.
    """
    if len(points) < POINTS_MIN or not knee_per_s > 0 or not fixed_ms >= 0:
        raise ValueError(f"{POINTS_MIN} points, a knee and a turn are needed")
    if any(not 0 <= point.rate < knee_per_s for point in points):
        raise ValueError("every point lies below the knee")
    return DelayLaws(
        p50=_law([(p.rate, p.p50_ms) for p in points], knee_per_s, TURNS["p50"] * fixed_ms),
        p99=_law([(p.rate, p.p99_ms) for p in points], knee_per_s, TURNS["p99"] * fixed_ms),
    )


def _law(points: Sequence[tuple[float, float]], knee_per_s: float, turns_ms: float) -> DelayLaw:
    left = [delay - turns_ms / (1 - rate / knee_per_s) for rate, delay in points]
    return DelayLaw(max(0.0, median(left)), turns_ms, knee_per_s)
