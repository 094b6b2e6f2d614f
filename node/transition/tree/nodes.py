"""The two kinds of node of the state tree, and the hashes that the protocol fixes for them.

    leaf   = keccak256(0x00 || key || value)
    branch = keccak256(0x01 || bit || left || right)

``bit`` is one byte: the index, 0 for the most significant bit of the key's first byte up to 255, at
which the keys of the two subtrees first differ; keys with that bit 0 are on the left. The first
byte tells a leaf from a branch and a key has 32 bytes, so no two different nodes share a preimage.

Inside the node a bit index is kept as a *height*, ``256 - bit``: the ``bit_length`` of the
exclusive or of two keys that first differ there. It is 1 … 256 for a branch and 0 for a leaf, and
falls on the way down, so that "these keys part ways above this node" is one comparison of integers.

Nodes never change once made. A new tree shares with the old one all that an update did not touch,
and an old root stays valid for as long as somebody holds it. They are built without the cyclic
garbage collector (``gc=False``): a tree cannot hold a cycle, and a collector that walks a million
nodes would stop the exchange for it.
"""

from typing import ClassVar, TypeAlias

import msgspec

from node.types.hashing import keccak256

KEY_BYTES = 32
KEY_BITS = 8 * KEY_BYTES
HASH_BYTES = 32
EMPTY_ROOT = bytes(HASH_BYTES)
"""The root of a tree without leaves; no node is known to hash to it."""

_LEAF = b"\x00"
_BRANCH = b"\x01"
_BRANCH_AT = tuple(_BRANCH + bytes((bit,)) for bit in range(KEY_BITS))
"""The first two bytes of a branch's preimage, by bit index, made once."""


class Leaf(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A key with its value. ``number`` is the key as a big-endian integer, for bit tests."""

    height: ClassVar[int] = 0

    number: int
    key: bytes
    value: bytes
    hash: bytes


class Branch(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Two non-empty subtrees whose keys first differ at bit ``256 - height``.

    ``number`` is the integer key of some leaf below. All of them agree in the bits before this
    branch's, and nothing else of ``number`` may be relied on.
    """

    height: int
    number: int
    left: "Node"
    right: "Node"
    hash: bytes


Node: TypeAlias = Leaf | Branch


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """Return the hash of the leaf that holds ``value`` under ``key``."""
    return keccak256(_LEAF + key + value)


def branch_hash(bit: int, left: bytes, right: bytes) -> bytes:
    """Return the hash of the branch at index ``bit`` (0 … 255) over the hashes of its sides."""
    return keccak256(_BRANCH_AT[bit] + left + right)


def make_leaf(number: int, key: bytes, value: bytes) -> Leaf:
    """Return the leaf of ``key``, whose integer form is ``number``, with its hash."""
    return Leaf(number, key, value, leaf_hash(key, value))


def make_branch(height: int, left: Node, right: Node) -> Branch:
    """Return the branch of ``height`` (1 … 256) over two subtrees, with its hash."""
    digest = branch_hash(KEY_BITS - height, left.hash, right.hash)
    return Branch(height, left.number, left, right, digest)
