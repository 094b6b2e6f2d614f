"""The state tree: a persistent map from 32-byte keys to non-empty bytes, with a Merkle root.

It is a binary Patricia (crit-bit) trie: a branch stands only where keys really part ways, so that
the tree's shape, and with it the root, is a function of the set of entries alone and never of the
order in which they came. ``nodes`` holds the format.

The work of an update is its hashing, and each branch above a change is hashed once however many
changes lie below it: sorted changes go down together while they share a path, and a change that has
a subtree to itself takes a plain loop. Only what differs from the old tree is hashed at all.
Recursion goes at most one level deeper than a key has bits.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from node.transition.tree.nodes import (
    EMPTY_ROOT,
    KEY_BITS,
    KEY_BYTES,
    Branch,
    Node,
    hash_of,
    key_of,
    make_branch,
    number_of,
    value_of,
)


class StateTree:
    """An immutable tree; ``update`` returns another one that shares what did not change.

    Keys are of exactly 32 bytes and values are not empty: both come from the node's own key layout
    and codecs, never from a user, and are asserted where they enter.
    """

    __slots__ = ("_count", "_top")

    def __init__(self) -> None:
        self._top: Node | None = None
        self._count = 0

    @classmethod
    def build(cls, items: Mapping[bytes, bytes]) -> "StateTree":
        """Return the tree of ``items``, hashing each leaf and each branch once."""
        return cls().update(items)

    @property
    def root(self) -> bytes:
        """The 32-byte root: that of the topmost node, or 32 zero bytes for an empty tree."""
        return EMPTY_ROOT if self._top is None else hash_of(self._top)

    def __len__(self) -> int:
        return self._count

    def get(self, key: bytes) -> bytes | None:
        """Return the value under ``key``, or ``None`` where there is none."""
        leaf, _ = self.lookup(key)
        return value_of(leaf) if leaf is not None and leaf.startswith(key) else None

    def lookup(self, key: bytes) -> tuple[bytes | None, tuple[Branch, ...]]:
        """Return the leaf to which the bits of ``key`` lead, and the branches from the root to it.

        At each branch the one bit of ``key`` at the branch's index decides, so the leaf's own key
        may be another one: then ``key`` is not in the tree. The leaf is ``None`` in an empty tree
        only.
        """
        assert len(key) == KEY_BYTES
        number = int.from_bytes(key, "big")
        path: list[Branch] = []
        node = self._top
        while isinstance(node, Branch):
            path.append(node)
            node = node.right if number >> (node.height - 1) & 1 else node.left
        return node, tuple(path)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose keys start with ``prefix`` (at most 32 bytes), in key order."""
        leaf, path = self.lookup(padded(prefix))
        if leaf is None or not leaf.startswith(prefix):
            return
        free_bits = KEY_BITS - 8 * len(prefix)
        inside = (branch for branch in path if branch.height <= free_bits)
        pending: list[Node] = [next(inside, leaf)]
        while pending:
            node = pending.pop()
            while isinstance(node, Branch):
                pending.append(node.right)
                node = node.left
            yield key_of(node), value_of(node)

    def update(self, changes: Mapping[bytes, bytes | None]) -> "StateTree":
        """Return the tree in which each key of ``changes`` has its new value; ``None`` deletes.

        This tree stays as it is. Deleting an absent key or writing a value again changes nothing,
        and a subtree in which nothing changed is shared, not hashed again.
        """
        if not changes:
            return self
        merge = _Merge(changes)
        updated = StateTree()
        updated._top = merge.into(self._top, 0, len(changes))
        updated._count = self._count + merge.growth
        return updated


def padded(prefix: bytes) -> bytes:
    """Return the least key that starts with ``prefix`` (at most 32 bytes): zeros fill the rest."""
    assert len(prefix) <= KEY_BYTES
    return prefix.ljust(KEY_BYTES, b"\x00")


class _Merge:
    """One bulk update under way: the sorted changes, addressed by ranges of their indices."""

    __slots__ = ("growth", "keys", "numbers", "values")

    def __init__(self, changes: Mapping[bytes, bytes | None]) -> None:
        self.keys = sorted(changes)
        self.values = [changes[key] for key in self.keys]
        assert all(len(key) == KEY_BYTES for key in self.keys)
        assert b"" not in self.values
        self.numbers = [int.from_bytes(key, "big") for key in self.keys]
        self.growth = 0
        """Leaves added so far, less those removed."""

    def into(self, node: Node | None, low: int, high: int) -> Node | None:
        """Return ``node`` with the changes ``low`` … ``high - 1`` (at least one) applied.

        It returns ``node`` itself where they change nothing and ``None`` where no leaf is left.
        """
        if node is None:
            return self._grown(low, high)
        if high - low == 1:
            return self._with_one(node, low)
        numbers = self.numbers
        anchor = number_of(node)
        # All keys concerned lie between the outermost, so these two show where they first part.
        reach = max((anchor ^ numbers[low]).bit_length(), (anchor ^ numbers[high - 1]).bit_length())
        height = max(reach, node.height) if isinstance(node, Branch) else reach
        first_right = (anchor >> (height - 1) | 1) << (height - 1)
        middle = bisect_left(numbers, first_right, low, high)
        left: Node | None
        right: Node | None
        if isinstance(node, Branch) and height == node.height:
            left, right = node.left, node.right
        elif anchor < first_right:
            left, right = node, None
        else:
            left, right = None, node
        new_left = self.into(left, low, middle) if low < middle else left
        new_right = self.into(right, middle, high) if middle < high else right
        if new_left is left and new_right is right:
            return node
        return _joined(height, new_left, new_right)

    def _with_one(self, top: Node, index: int) -> Node | None:
        """Return ``top`` with one change applied: down to the leaf it leads to, and back up."""
        number, value = self.numbers[index], self.values[index]
        path: list[Branch] = []
        node = top
        while isinstance(node, Branch):
            path.append(node)
            node = node.right if number >> (node.height - 1) & 1 else node.left
        beside = number_of(node)
        gap = (number ^ beside).bit_length()
        changed: Node | None = None if value is None else self.keys[index] + value
        if changed == (None if gap else node):
            return top
        if changed is None:
            self.growth -= 1
        if gap:
            # A new key: its branch belongs above all branches at later bits than where it departs.
            self.growth += 1
            below: Node = node
            while path and path[-1].height < gap:
                below = path.pop()
            pair = (below, changed) if number > beside else (changed, below)
            changed = _joined(gap, *pair)
        for branch in reversed(path):
            if number >> (branch.height - 1) & 1:
                changed = _joined(branch.height, branch.left, changed)
            else:
                changed = _joined(branch.height, changed, branch.right)
        return changed

    def _grown(self, low: int, high: int) -> Node | None:
        """Return the tree of the changes ``low`` … ``high - 1`` alone; deletions add nothing."""
        entries = zip(self.keys[low:high], self.values[low:high], strict=True)
        leaves = [key + value for key, value in entries if value is not None]
        self.growth += len(leaves)
        return _raised(leaves)


def _joined(height: int, left: Node | None, right: Node | None) -> Node | None:
    """Return the branch over both sides, or the only side that is not empty."""
    if left is None:
        return right
    if right is None:
        return left
    return make_branch(height, left, right)


def _raised(leaves: Iterable[bytes]) -> Node | None:
    """Return the tree of ``leaves``, which come in key order.

    The right edge of the tree so far is kept open: ``edge`` holds, from the root down, the height
    and the finished left side of each branch on it, and ``node`` the subtree at its foot. A leaf
    that parts from its predecessor at some height closes every open branch below that height.
    """
    edge: list[tuple[int, Node]] = []
    node: Node | None = None
    previous = 0
    for leaf in leaves:
        number = number_of(leaf)
        if node is not None:
            height = (previous ^ number).bit_length()
            node = _closed(edge, height, node)
            edge.append((height, node))
        node, previous = leaf, number
    return node if node is None else _closed(edge, KEY_BITS + 1, node)


def _closed(edge: list[tuple[int, Node]], limit: int, node: Node) -> Node:
    """Take the branches of a height below ``limit`` off the open edge and return their subtree."""
    while edge and edge[-1][0] < limit:
        height, left = edge.pop()
        node = make_branch(height, left, node)
    return node
