"""How far the log has come on L1: three cursors, each the sequence of the last command included.

A reorg of the chain may take ``posted`` and ``safe`` back; ``final`` never goes back.
"""

from typing import Literal

import msgspec

from node.types.errors import TransitionImpossible
from node.types.ids import Sequence

Stage = Literal["soft", "posted", "safe", "final"]


class Cursors(msgspec.Struct, frozen=True, gc=False):
    """``final`` <= ``safe`` <= ``posted``."""

    posted: Sequence = Sequence(0)
    safe: Sequence = Sequence(0)
    final: Sequence = Sequence(0)

    def stage(self, sequence: int) -> Stage:
        """Return how sure command ``sequence``, which must be durable, is on L1."""
        if sequence <= self.final:
            return "final"
        if sequence <= self.safe:
            return "safe"
        return "posted" if sequence <= self.posted else "soft"

    def moved(self, after: "Cursors") -> "Cursors":
        """Return ``after``. Raises ``TransitionImpossible`` when no chain could have done that."""
        if not self.final <= after.final <= after.safe <= after.posted:
            raise TransitionImpossible(
                posted=after.posted, safe=after.safe, final=after.final, final_before=self.final
            )
        return after
