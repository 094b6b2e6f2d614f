"""The two kinds of node of the state tree, and the hashes that the protocol fixes for them.

    leaf   = keccak256(0x00 || key || value)
    branch = keccak256(0x01 || bit || left || right)

``bit`` is one byte: the index, 0 for the most significant bit of the key's first byte up to 255, at
which the keys of the two subtrees first differ; keys with that bit 0 are on the left. The first
byte tells a leaf from a branch and a key has 32 bytes, so no two different nodes share a preimage.

Inside the node a bit index is kept as a *height*, ``256 - bit``: the ``bit_length`` of the
exclusive or of two keys that first differ there. It is 1 … 256 for a branch and 0 for a leaf, and
falls on the way down, so that "these keys part ways above this node" is one comparison of integers.

A leaf is one string, its key and then its value, and nothing else is kept of it: there are as many
leaves as orders, and its hash, its key as a number and a string for each would weigh more than what
it says. It is hashed anew when what stands beside it changes, some twentieth more hashing.

Nodes never change once made. A new tree shares with the old one all that an update did not touch,
and an old root stays valid for as long as somebody holds it. Branches are built without the cyclic
garbage collector (``gc=False``): a tree cannot hold a cycle, and a collector that walks a million
nodes would stop the exchange for it.
"""

from typing import TypeAlias

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


class Branch(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Two non-empty subtrees whose keys first differ at bit ``256 - height``.

    ``first`` is the first leaf below. All of them agree in the bits before this branch's.
    """

    height: int
    first: bytes
    left: "Node"
    right: "Node"
    hash: bytes


Node: TypeAlias = bytes | Branch


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """Return the hash of the leaf that holds ``value`` under ``key``."""
    return keccak256(_LEAF + key + value)


def branch_hash(bit: int, left: bytes, right: bytes) -> bytes:
    """Return the hash of the branch at index ``bit`` (0 … 255) over the hashes of its sides."""
    return keccak256(_BRANCH_AT[bit] + left + right)


def make_branch(height: int, left: Node, right: Node) -> Branch:
    """Return the branch of ``height`` (1 … 256) over two subtrees, with its hash."""
    if isinstance(left, Branch):
        first, left_hash = left.first, left.hash
    else:
        first, left_hash = left, keccak256(_LEAF + left)
    right_hash = right.hash if isinstance(right, Branch) else keccak256(_LEAF + right)
    digest = keccak256(_BRANCH_AT[KEY_BITS - height] + left_hash + right_hash)
    return Branch(height, first, left, right, digest)


def hash_of(node: Node) -> bytes:
    """Return the hash of a node; a leaf's is made anew each time."""
    return node.hash if isinstance(node, Branch) else keccak256(_LEAF + node)


def key_of(leaf: bytes) -> bytes:
    """Return the key of a leaf."""
    return leaf[:KEY_BYTES]


def value_of(leaf: bytes) -> bytes:
    """Return the value of a leaf."""
    return leaf[KEY_BYTES:]


def number_of(node: Node) -> int:
    """Return the key of the first leaf at or below ``node`` as an integer, for bit tests."""
    first = node.first if isinstance(node, Branch) else node
    return int.from_bytes(first[:KEY_BYTES], "big")
