"""How fast L1 makes blocks, and how much gas one holds, as the heads that were seen say."""

from collections import deque
from typing import Final

from node.ports.chain import L1Block
from node.types.units import MS_PER_S

HEADS: Final = 64
"""Heads remembered: enough to smooth times that are whole seconds."""


class ChainPace:
    """Follows the heads of L1; a reorg to a lower head starts the count anew."""

    __slots__ = ("_heads", "block_gas", "head")

    def __init__(self) -> None:
        """Start without any head."""
        self._heads: deque[tuple[int, int]] = deque(maxlen=HEADS)
        self.block_gas = 0
        self.head = (0, 0)

    def note(self, head: L1Block) -> None:
        """Take in the head of a look; the same one again changes nothing."""
        self.block_gas = head.gas_limit
        self.head = (head.number, head.base_fee)
        if self._heads and head.number <= self._heads[-1][0]:
            if head.number == self._heads[-1][0]:
                return
            self._heads.clear()
        self._heads.append((head.number, head.time_s))

    @property
    def block_ms(self) -> int | None:
        """Return the mean time between blocks, None before two of them were seen."""
        if len(self._heads) < 2:
            return None
        (first, first_s), (last, last_s) = self._heads[0], self._heads[-1]
        return (last_s - first_s) * MS_PER_S // (last - first)
