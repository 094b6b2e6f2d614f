"""Time, as the stations are given it: a simulation hands in its own."""

from typing import Protocol

from node.types.units import Millis


class Clock(Protocol):
    """Two readings that never mix: one to measure with, one to stamp with."""

    def now_ns(self) -> int:
        """Return nanoseconds that never run backwards; only differences mean anything."""
        ...

    def now_ms(self) -> Millis:
        """Return the wall-clock time in milliseconds since the Unix epoch; it may jump."""
        ...
