"""The machine's own clocks."""

import time

from node.types.units import NS_PER_MS, Millis


class SystemClock:
    """A ``Clock`` that tells the real time."""

    def now_ns(self) -> int:
        """Return nanoseconds of a clock that never runs backwards, from an arbitrary start."""
        return time.perf_counter_ns()

    def now_ms(self) -> Millis:
        """Return milliseconds since the Unix epoch, rounded down."""
        return Millis(time.time_ns() // NS_PER_MS)
