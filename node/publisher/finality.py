"""How far the log has come on its way to L1: four cursors, each the last command included.

A reorg of the chain may take ``posted`` and ``safe`` back; ``sealed`` and ``final`` never go back.
"""

import msgspec

from node.types.errors import TransitionImpossible
from node.types.feed_states import FILL_STAGES, FillStage
from node.types.ids import Sequence


class Cursors(msgspec.Struct, frozen=True, gc=False):
    """``final`` <= ``safe`` <= ``posted`` <= ``sealed``."""

    posted: Sequence = Sequence(0)
    safe: Sequence = Sequence(0)
    final: Sequence = Sequence(0)
    sealed: Sequence = Sequence(0)

    def stage(self, sequence: int) -> FillStage:
        """Return which of ``FILL_STAGES`` command ``sequence``, which is durable, has reached."""
        reached = (self.sealed, self.posted, self.safe, self.final)
        return FILL_STAGES[sum(sequence <= cursor for cursor in reached)]

    def moved(self, after: "Cursors") -> "Cursors":
        """Return ``after``. Raises ``TransitionImpossible`` when no chain could have done that."""
        ordered = self.final <= after.final <= after.safe <= after.posted <= after.sealed
        if not ordered or after.sealed < self.sealed:
            raise TransitionImpossible(
                sealed=after.sealed,
                posted=after.posted,
                safe=after.safe,
                final=after.final,
                sealed_before=self.sealed,
                final_before=self.final,
            )
        return after
