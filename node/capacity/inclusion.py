"""Which part of L1's blocks takes what waits for them: what L1 carries now, of what it could.

The part is smoothed over some ten blocks. Blocks that ought to have come and did not count as ones
that took nothing; blocks for which nothing waited say nothing.
"""

from typing import Final

from node.types.units import PPM_ONE

SMOOTHING: Final = 100_000
"""The weight of one block, in millionths: the price bears it out of the last ten."""

MISSED_MAX: Final = 64
"""So many missed blocks at once leave nothing of the rest."""


class InclusionRate:
    """Follows L1 block by block; in integers."""

    __slots__ = ("_block", "_due_ms", "_posted", "ppm")

    def __init__(self) -> None:
        self.ppm = PPM_ONE
        """The smoothed part, in millionths; all of them until something else is seen."""
        self._block = 0
        self._posted = 0
        self._due_ms = 0

    def observe(
        self, block: int, block_ms: int | None, posted: int, *, waits: bool, now_ms: int
    ) -> None:
        """Take in a look at L1.

        ``block``: number of the head; ``block_ms``: mean time between blocks, None where unknown;
        ``posted``: batches in blocks so far; ``waits``: whether any waited since the last look.
        """
        if block > self._block:
            new = 1 if self._block == 0 else min(block - self._block, MISSED_MAX)
            # Of several blocks at once, the last one is taken to have held what came in.
            if waits or posted > self._posted:
                self._miss(new - 1)
                self._move(PPM_ONE if posted > self._posted else 0)
            self._block, self._posted = block, posted
            self._due_ms = now_ms
        elif not waits:
            # Some chains make a block only when there is something to put into one.
            self._due_ms = now_ms
        elif block_ms:
            missed = min((now_ms - self._due_ms) // (2 * block_ms), MISSED_MAX)
            self._miss(missed)
            # A block may be late by its own length before it counts as missed.
            self._due_ms += missed * 2 * block_ms

    def _miss(self, count: int) -> None:
        for _ in range(count):
            self._move(0)

    def _move(self, included: int) -> None:
        self.ppm += (included - self.ppm) * SMOOTHING // PPM_ONE
