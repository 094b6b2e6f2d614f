"""The sealed batches that are durable on this machine."""

from collections.abc import Iterator
from typing import Protocol

from node.types.blocks import Batch


class BatchStore(Protocol):
    """Batches by index, each there before anyone hears of it and until it is final on L1."""

    def read(self, from_index: int | None = None) -> Iterator[Batch]:
        """Yield the batches from ``from_index`` on, in order and without a gap; None: all kept.

        Raises ``JournalCorrupt`` where one is damaged or missing, ``WrongChain`` where one belongs
        to another exchange.
        """
        ...
