"""Which part of a second the event loop can have of a core: what the price holds its work against.

Of each second the loop works for L, is ready without a core for W, and is idle for the rest. What
it worked or could have worked is 1 - W; at a loop that is never idle that is L / (L + W), the load
line's, and one that is mostly idle keeps all but what it really waited.

Neighbours on the machine make W as long as they like. The part is therefore never told below
``LEAST``: work below the lowest target of that (0.65 · 0.5 of ``fees.loop_ms``, 292 ms of each
second by default) costs nothing more, whoever crowds the machine.
"""

from typing import Final

from node.types.units import PPM_ONE

WINDOW_NS: Final = 15_000_000_000
"""What was seen so long ago counts 1/e: about the length of the load line's window."""

LEAST: Final = 500_000
"""In millionths."""


class CoreShare:
    """Follows the counters of the loop; in integers."""

    __slots__ = ("_elapsed_ns", "_share", "_waited_ns")

    def __init__(self) -> None:
        """Begin where nothing was waited for."""
        self._share = PPM_ONE
        self._elapsed_ns = 0
        self._waited_ns = 0

    @property
    def ppm(self) -> int:
        """Return the part, in millionths."""
        return max(self._share, LEAST)

    def observe(self, waited_ns: int, elapsed_ns: int) -> None:
        """Take in how long the loop has waited for a core, of how long it has run."""
        span_ns = elapsed_ns - self._elapsed_ns
        if span_ns <= 0:
            return
        waited_ppm = (waited_ns - self._waited_ns) * PPM_ONE // span_ns
        seen = max(0, PPM_ONE - waited_ppm)
        self._share += (seen - self._share) * span_ns // (WINDOW_NS + span_ns)
        self._elapsed_ns, self._waited_ns = elapsed_ns, waited_ns
