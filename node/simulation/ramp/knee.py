"""Where the knee is: a search by rates, pure, so that it can be tried on curves that are known.

    climb      ×2 from a low rate until one is not carried
    approach   the goodput of that point is about the capacity: try there
    bracket    halve what lies between the highest carried and the lowest not carried rate

Two windows of three decide about a rate: a hiccup is no knee, and a lucky moment is none either.
(While climbing, the first window that is carried is enough.)

A rate is carried when goodput is at least ``goodput_share`` of what was offered and the p99 of the
delay stays under ``p99_ms_max``. The knee is the geometric middle of the last bracket. Past it the
curve may fall (retrograde): no step of the search reads more out of a failed point than a guess
for the next rate, so that cannot mislead it.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import geometric_mean, quantiles
from typing import Final

import msgspec

from node.simulation.ramp.points import RampPoint

_DECISIVE: Final = 2
_LONG_STEP: Final = 1.2
_NO_CHANCE: Final = 2
"""More of the same answers than these are no chance: the knee is elsewhere."""


class SearchLimits(msgspec.Struct, frozen=True):
    """``resolution``: the ratio of the bracket's ends at which the search is over."""

    first_per_s: float = 250.0
    highest_per_s: float = 50_000.0
    climb: float = 2.0
    resolution: float = 1.06
    goodput_share: float = 0.98
    p99_ms_max: float = 250.0
    points_max: int = 32


class Knee(msgspec.Struct, frozen=True):
    """Actions a second. ``low`` was carried, ``high`` was not, ``per_s`` is their middle.

    ``open_ended``: even the highest rate allowed was carried, so the knee lies above ``low``.
    """

    per_s: float
    low: float
    high: float
    open_ended: bool = False


def is_carried(point: RampPoint, *, limits: SearchLimits) -> bool:
    """Return whether the node carried what was offered."""
    p99 = point.delay_ms["p99"]
    enough = point.goodput_per_s >= limits.goodput_share * point.offered_per_s
    return enough and p99 is not None and p99 <= limits.p99_ms_max


def knee_at_speed(
    points: Sequence[RampPoint], yardstick_ms: float, limits: SearchLimits
) -> float | None:
    """Return the knee of a machine on which the yardstick takes ``yardstick_ms``.

    A rate r was as hard for a machine on which it took y as r · y / ``yardstick_ms`` is for this
    one. The knee lies between two of ``points``, where the fewest speak against it: carried above
    it, or not carried below. Of several such places it is the geometric middle of the outermost.
    None where fewer speak for none of them carried, or all, as where none was timed.
    """
    judged = sorted(
        (point.offered_per_s * point.yardstick_ms / yardstick_ms, is_carried(point, limits=limits))
        for point in points
        if point.yardstick_ms is not None
    )
    against = [
        sum(carried is (rate > low) for rate, carried in judged) for (low, _), _ in pairwise(judged)
    ]
    carried = sum(carried for _, carried in judged)
    least = min(against, default=math.inf)
    if least > min(carried, len(judged) - carried) or carried in (0, len(judged)):
        return None
    best = [place for place, count in enumerate(against) if count == least]
    return math.sqrt(judged[best[0]][0] * judged[best[-1] + 1][0])


class KneeSearch:
    """Ask ``next_rate``, measure there, ``note`` the point; over when ``next_rate`` is None."""

    def __init__(self, limits: SearchLimits) -> None:
        self._limits = limits
        self._low = 0.0
        self._high = math.inf
        self._guess: float | None = None
        self._rate = 0.0
        self._windows: list[bool] = []
        self._points = 0

    def next_rate(self) -> float | None:
        """Return the rate to measure next, None when the knee is known well enough."""
        limits, low, high = self._limits, self._low, self._high
        if self._points >= limits.points_max or low >= limits.highest_per_s:
            return None
        if self._windows:
            return self._rate
        if math.isinf(high):
            return min(max(low * limits.climb, limits.first_per_s), limits.highest_per_s)
        if low and high <= low * limits.resolution:
            return None
        if self._guess is not None:
            return self._guess
        return math.sqrt(low * high) if low else high / limits.climb

    def note(self, point: RampPoint) -> None:
        """Take in what was measured at the rate that was asked for."""
        self._points += 1
        rate = self._rate = point.wanted_per_s
        climbing = math.isinf(self._high)
        self._windows.append(is_carried(point, limits=self._limits))
        yes = self._windows.count(True)
        if yes == _DECISIVE or (climbing and self._windows == [True]):
            self._guess = None
            self._low = max(self._low, rate)
        elif len(self._windows) - yes == _DECISIVE:
            self._guess = self._approach(point) if climbing else None
            self._high = min(self._high, rate)
        else:
            return
        self._windows.clear()

    def knee(self) -> Knee:
        """Return what is known so far. Raises ``ValueError`` when no rate was carried."""
        low, high = self._low, self._high
        if not low:
            raise ValueError("not even the lowest rate was carried")
        if math.isinf(high):
            return Knee(low, low, high=low, open_ended=True)
        return Knee(math.sqrt(low * high), low, high)

    def _approach(self, point: RampPoint) -> float | None:
        """Return the goodput of a failed point, where that lies well within the bracket."""
        margin = math.sqrt(self._limits.resolution)
        inside = self._low * margin < point.goodput_per_s < point.wanted_per_s / margin
        return point.goodput_per_s if inside else None


class Staircase:
    """Goes up after a rate that was carried, and down after one that was not; see ``knee``.

    The up-and-down method (Dixon and Mood 1948): rates gather around the one that is carried as
    often as not, and follow it where the machine's speed moves. It goes in long steps until it
    first turns round, as where it begins is a guess, and when one answer comes again and again:
    then the knee is far away, and every short step on the way there would count for it. It never
    asks for more than ``highest_per_s``.
    """

    def __init__(self, first_per_s: float, limits: SearchLimits) -> None:
        self.rate = min(first_per_s, limits.highest_per_s)
        """What to measure next, in actions a second."""
        self._limits = limits
        self._up: bool | None = None
        self._same = 0
        self._step = _LONG_STEP
        self._around: list[float] = []

    def note(self, point: RampPoint) -> None:
        """Take in what was measured at ``rate``."""
        up = is_carried(point, limits=self._limits)
        turned = self._up is not None and self._up is not up
        if turned or self._around:
            self._around.append(self.rate)
        self._same = 1 if turned else self._same + 1
        self._up = up
        if turned:
            self._step = self._limits.resolution
        elif self._same > _NO_CHANCE:
            self._step = min(self._step**2, _LONG_STEP)
        step = self._step if up else 1 / self._step
        self.rate = min(self.rate * step, self._limits.highest_per_s)

    def knee(self) -> Knee:
        """Return the geometric mean of the rates since it first turned round, the next included.

        Half of them lie between ``low`` and ``high``. Raises ``ValueError`` where it never turned.
        """
        if not self._around:
            raise ValueError("every rate was carried, or none")
        asked = [*self._around, self.rate]
        low, _, high = quantiles(asked, n=4, method="inclusive")
        return Knee(geometric_mean(asked), low, high)
