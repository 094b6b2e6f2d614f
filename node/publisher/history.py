"""The recent past: blocks and the receipts of their commands, as many as fit."""

from bisect import bisect_right

import msgspec

from node.types.durable import DurableBlock, Receipt
from node.types.errors import NotFound


class History:
    """The newest blocks, bounded by the number of their commands. Older ones are in the journal."""

    __slots__ = ("_blocks", "_commands", "_commands_max")

    def __init__(self, commands_max: int) -> None:
        """Start empty; at least the newest block is always kept, however large."""
        assert commands_max >= 1
        self._commands_max = commands_max
        self._commands = 0
        self._blocks: dict[int, DurableBlock] = {}

    def __len__(self) -> int:
        """Return the number of blocks that are kept."""
        return len(self._blocks)

    @property
    def newest(self) -> DurableBlock | None:
        """Return the last block that was added, without its events and leaves."""
        return next(reversed(self._blocks.values()), None)

    def add(self, block: DurableBlock) -> None:
        """Keep ``block``, which follows the last one, and let go of the oldest ones."""
        number = block.block.number
        newest = self.newest
        assert newest is None or number == newest.block.number + 1
        # Events and leaves are the bulk of a block, and no receipt needs them.
        self._blocks[number] = msgspec.structs.replace(block, events=(), leaves={})
        self._commands += len(block.block.commands)
        while self._commands > self._commands_max and len(self._blocks) > 1:
            oldest = next(iter(self._blocks))
            self._commands -= len(self._blocks.pop(oldest).block.commands)

    def block(self, number: int) -> DurableBlock:
        """Return block ``number``. Raises ``NotFound``, with the oldest number that is kept."""
        block = self._blocks.get(number)
        if block is None:
            raise NotFound(block=number, oldest=next(iter(self._blocks), None))
        return block

    def receipt(self, sequence: int) -> Receipt:
        """Return the receipt of command ``sequence``, with the ids after it in its block.

        Raises ``NotFound``, with the oldest sequence that is kept.
        """
        block = self._holding(sequence)
        return block.receipt(sequence - block.block.first_sequence, following=True)

    def _holding(self, sequence: int) -> DurableBlock:
        oldest = next(iter(self._blocks), 0)
        # Numbers have no gaps, so the kept blocks can be searched by halves.
        numbers = range(oldest, oldest + len(self._blocks))
        place = bisect_right(numbers, sequence, key=self._first_sequence)
        if place and sequence <= self._blocks[numbers[place - 1]].block.last_sequence:
            return self._blocks[numbers[place - 1]]
        first = self._first_sequence(oldest) if self._blocks else None
        raise NotFound(sequence=sequence, oldest=first)

    def _first_sequence(self, number: int) -> int:
        return self._blocks[number].block.first_sequence
