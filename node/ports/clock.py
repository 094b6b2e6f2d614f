"""Time, as the stations are given it: a simulation hands in its own."""

from typing import Protocol

from node.types.units import Millis


class Clock(Protocol):
    """Two readings that never mix: one to measure with, one to stamp with."""

    def now_ns(self) -> int:
        """Return nanoseconds that never run backwards; only differences mean anything."""
        ...

    def now_ms(self) -> Millis:
        """Return milliseconds since the Unix epoch; it may step back or ahead by some seconds."""
        ...


class JumpingClock(Clock, Protocol):
    """A clock behind which there is one that people and programs set; a jump is not followed."""

    @property
    def jump_ms(self) -> int:
        """Return how far the other one has jumped ahead of ``now_ms``; 0 where it has not."""
        ...

    def follow(self) -> None:
        """Believe the other one as it is now, jump and all."""
        ...
