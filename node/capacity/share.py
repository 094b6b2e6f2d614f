"""Work that anyone may ask for, held to a share of the time of the loop that makes blocks."""

from collections.abc import Callable
from typing import Final, TypeVar

from node.types.errors import RateLimited
from node.types.units import NS_PER_MS

SHARE: Final = 20
"""The work takes at most one part in so many of the time,"""
BURST_NS: Final = 200_000_000
"""and so much at once after a silence."""


T = TypeVar("T")


class Share:
    """A leaky bucket of time: what a piece of work took goes in when it is done."""

    __slots__ = ("_empty_at_ns", "_of", "_part")

    def __init__(self, of: str, part: int = SHARE) -> None:
        """``of`` names the work to those who are refused; it takes one ``part`` of the time."""
        self._of = of
        self._part = part
        self._empty_at_ns = 0

    def require(self, now_ns: int) -> None:
        """Raise ``RateLimited`` while as much was done as fits; the last may have been longer."""
        over_ns = self._empty_at_ns - now_ns - self._part * BURST_NS
        if over_ns > 0:
            raise RateLimited(of=self._of, retry_after_ms=-(-over_ns // NS_PER_MS))

    def held_ns(self, now_ns: int) -> int:
        """Return how much of what was done the time since has not paid for, rounded down."""
        return max(0, self._empty_at_ns - now_ns) // self._part

    def spent(self, begun_ns: int, ended_ns: int) -> None:
        """Count work that took from ``begun_ns`` to ``ended_ns``."""
        start_ns = max(self._empty_at_ns, begun_ns)
        self._empty_at_ns = start_ns + self._part * (ended_ns - begun_ns)


def work_within(shares: tuple[Share, ...], work: Callable[[], T], now_ns: Callable[[], int]) -> T:
    """Return what ``work`` makes, done at the cost of all ``shares``. Raises ``RateLimited``."""
    begun_ns = now_ns()
    for share in shares:
        share.require(begun_ns)
    return work_counted(shares, work, begun_ns, now_ns)


def work_counted(
    shares: tuple[Share, ...], work: Callable[[], T], begun_ns: int, now_ns: Callable[[], int]
) -> T:
    """Return what ``work`` makes, and count it against all ``shares``, even where none fits."""
    try:
        return work()
    finally:
        ended_ns = now_ns()
        for share in shares:
            share.spent(begun_ns, ended_ns)
