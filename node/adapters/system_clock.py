"""The machine's own clocks, and which of them is believed.

The log's time never goes back, and L1 makes it final: one second in which the wall clock is two
hours ahead would let no order of the next two hours in. So the wall clock is taken at the start and
then carried on by the steady clock, which nobody sets. While the two differ by no more than a few
seconds, as after a correction by NTP, the wall clock is followed; a jump is not. Who may say that
the jump was right is up to the caller (``node.app.clock_watch``).
"""

import time
from collections.abc import Callable
from typing import Final

from node.types.units import NS_PER_MS, NS_PER_S, Millis

FOLLOWED_NS: Final = 5 * NS_PER_S
"""By how much the wall clock may move against the steady one, at once, and is still believed."""

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It counts on while the machine is suspended: a laptop that wakes up has not jumped."""


def _steady_ns() -> int:
    return time.clock_gettime_ns(_STEADY)


class SystemClock:
    """A ``JumpingClock`` that tells the real time."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = _steady_ns,
    ) -> None:
        """Believe the wall clock as it is now."""
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._ahead_ns = wall_ns() - steady_ns()

    def now_ns(self) -> int:
        """Return nanoseconds of a clock that never runs backwards, from an arbitrary start."""
        return time.perf_counter_ns()

    def now_ms(self) -> Millis:
        """Return milliseconds since the Unix epoch, rounded down; see the module for jumps."""
        wall_ns, steady_ns = self._wall_ns(), self._steady_ns()
        if abs(wall_ns - steady_ns - self._ahead_ns) <= FOLLOWED_NS:
            self._ahead_ns = wall_ns - steady_ns
        return Millis((steady_ns + self._ahead_ns) // NS_PER_MS)

    @property
    def jump_ms(self) -> int:
        """Return how far the wall clock has jumped ahead of ``now_ms``; 0 where it is followed."""
        jump_ns = self._wall_ns() - self._steady_ns() - self._ahead_ns
        return 0 if abs(jump_ns) <= FOLLOWED_NS else round(jump_ns / NS_PER_MS)

    def follow(self) -> None:
        """Believe the wall clock as it is now, jump and all."""
        self._ahead_ns = self._wall_ns() - self._steady_ns()
