"""The state trees at the ends of the latest batches, to prove and to snapshot from.

A tree is persistent: what two of them have in common they share, so a kept tree costs the nodes
that the batches after it changed, and nothing is copied.
"""

import msgspec

from node.transition.tree.proofs import Proof, prove_membership
from node.transition.tree.tree import StateTree
from node.types.errors import NotFound
from node.types.ids import Sequence


class BatchEnd(msgspec.Struct, frozen=True, gc=False):
    """Where batch ``index`` ends: the state after it, its last command, its last block."""

    index: int
    tree: StateTree
    sequence: Sequence
    block: int
    hash: bytes


class TreeShelf:
    """At most ``limit`` batch ends, in order; the oldest goes when there is no room.

    One is pinned and stays: it is the newest final batch's, and withdrawals are proved by it,
    however long finality takes to move on. At first it is that of genesis, which is batch -1.
    """

    __slots__ = ("_ends", "_limit", "_pinned")

    def __init__(self, limit: int) -> None:
        assert limit >= 2, "room for the pinned one and for the newest"
        self._limit = limit
        self._ends: dict[int, BatchEnd] = {}
        self._pinned = -1

    def __len__(self) -> int:
        """Return the number of batch ends kept."""
        return len(self._ends)

    def __contains__(self, index: int) -> bool:
        """Return whether the end of batch ``index`` is kept."""
        return index in self._ends

    def put(self, end: BatchEnd) -> None:
        """Keep ``end``, the newest."""
        assert not self._ends or end.index == next(reversed(self._ends)) + 1
        self._ends[end.index] = end
        if len(self._ends) > self._limit:
            del self._ends[next(index for index in self._ends if index != self._pinned)]

    def pin(self, index: int) -> int:
        """Pin the end of the final batch ``index``, and return which one is pinned now.

        It is an older one's where that of ``index`` has gone: in a replay nobody knows yet that it
        is final.
        """
        if index in self._ends:
            self._pinned = index
        return self._pinned

    def forget_below(self, index: int) -> None:
        """Drop the ends of all batches before ``index``, but not the pinned one."""
        for kept in [kept for kept in self._ends if kept < index and kept != self._pinned]:
            del self._ends[kept]

    def end(self, index: int) -> BatchEnd:
        """Return the end of batch ``index``. Raises ``NotFound`` when it is not kept."""
        try:
            return self._ends[index]
        except KeyError:
            raise NotFound(what="batch end", index=index) from None

    def prove(self, index: int, key: bytes) -> Proof:
        """Return the proof that the state after batch ``index`` holds ``key``.

        Raises ``NotFound`` when the batch is not kept, or its state has no such leaf.
        """
        tree = self.end(index).tree
        if tree.get(key) is None:
            raise NotFound(what="leaf", index=index, key=key)
        return prove_membership(tree, key)
