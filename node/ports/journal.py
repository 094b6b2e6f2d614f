"""The durable log of blocks."""

from collections.abc import Iterator
from typing import Protocol

from node.types.blocks import Block
from node.types.ids import Sequence


class Journal(Protocol):
    """Blocks in order, each there for good once ``append`` has returned."""

    @property
    def first_sequence(self) -> Sequence:
        """Return the sequence of the oldest command kept (where none is: of the next one)."""
        ...

    @property
    def last_sequence(self) -> Sequence:
        """Return the sequence of the newest durable command, 0 before the first."""
        ...

    async def append(self, block: Block) -> None:
        """Write ``block`` and return once it is durable.

        Raises ``IntegrityError`` when it cannot be known to be; nothing more is taken after that.
        """
        ...

    def read(self, from_sequence: Sequence) -> Iterator[Block]:
        """Return the durable blocks, from the one that holds ``from_sequence`` on.

        Raises ``JournalCorrupt`` with file and offset at what does not check.
        """
        ...

    async def prune(self, below: Sequence) -> None:
        """Give back space that only holds commands before ``below``; some of them may stay."""
        ...

    async def close(self) -> None:
        """Finish what is being written and close."""
        ...
