"""Short proofs about a state tree, for whoever knows its root and nothing else.

There is one kind of proof. It shows to which leaf the *lookup* of some key leads: the leaf itself,
and for each branch from that leaf up to the root the branch's bit index and the hash of its other
side. A Solidity library reads the same fields in the same order.

Why such a proof is sound
-------------------------
*The leaf is in the tree.* The root commits to its two subtrees, they to theirs, and so on down: a
path that hashes to the root is a path of that tree, unless Keccak-256 has a collision. On which
side the path goes up is not stated but read from the leaf's key, and a leaf's preimage can never be
a branch's.

*The lookup of the target ends at this leaf.* A lookup looks at the target's bits at the indices of
the branches it meets and at nothing else. So it follows the path of the proof exactly if target and
leaf agree at those indices, and no branch off the path needs to be known.

From the second follow three statements:

- *Membership*: the lookup of a key ends at the leaf of that key.
- *Absence*: the lookup of a key ends elsewhere. Were the key in the tree, it would have ended
  there.
- *First leaf of a prefix*: look up the least key that starts with the prefix, the prefix followed
  by zeros. At branches inside the prefix's length the lookup keeps to the prefix; below, it always
  goes left. All leaves under the first branch past the prefix agree in the whole prefix, for a
  branch stands at the *first* bit at which the keys below it differ. So if any key starts with the
  prefix, the lookup ends at the least such key; and if it ends at a key with another start, there
  is none. Absence of a key is absence of the prefix of 32 bytes.

What it rests on
----------------
Membership needs the hash only. The other two need the root to be that of a *canonical* tree: each
key where its bits lead, each branch at the first difference. A proof cannot show this of the parts
that it does not visit. It holds because a root is made by re-executing the commands, which anyone
can repeat, and it is as good as the root itself. What one path can show of it is checked all the
same: the bit indices strictly decrease towards the root, hence are at most 256.
"""

from enum import IntEnum, unique
from itertools import pairwise

import msgspec

from node.transition.tree.nodes import (
    EMPTY_ROOT,
    HASH_BYTES,
    KEY_BITS,
    KEY_BYTES,
    branch_hash,
    hash_of,
    key_of,
    leaf_hash,
    value_of,
)
from node.transition.tree.tree import StateTree, padded


class Proof(msgspec.Struct, frozen=True, gc=False):
    """The leaf that a lookup ends at, and its path from the leaf up to the root.

    ``bits`` and ``siblings`` are of equal length: each branch's bit index (0 … 255) and the hash of
    its side that the path does not take. An empty tree has no leaf: then all four are empty.
    """

    key: bytes
    value: bytes
    bits: tuple[int, ...]
    siblings: tuple[bytes, ...]


@unique
class ProofFault(IntEnum):
    """Why a proof was rejected; the numbers are stable."""

    PREFIX_TOO_LONG = 1
    """The key or prefix asked about has more than 32 bytes."""

    LEAF_MALFORMED = 2
    """The leaf's key is not of 32 bytes, its value is empty, or a path belongs to no leaf."""

    PATH_MALFORMED = 3
    """Not as many bits as siblings, a bit that is no index, or a sibling that is no hash."""

    BITS_NOT_DECREASING = 4
    """A bit index is not less than the one below it."""

    LOOKUP_DEPARTS = 5
    """At some branch the lookup takes the other side: it does not end at this leaf."""

    ROOT_DIFFERS = 6
    """The path leads to another root."""

    ENTRY_DIFFERS = 7
    """A sound proof, but of another key or value than was claimed."""

    ENTRY_PRESENT = 8
    """A sound proof, but of an entry where absence was claimed."""


class ProofRejected(Exception):
    """The proof does not show what is claimed; ``reason`` says where it fails."""

    def __init__(self, reason: ProofFault) -> None:
        super().__init__(reason)
        self.reason = reason


class NotProvable(Exception):
    """The prover was asked for a proof of something that is not so of its own tree, at ``key``."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.key = key


def prove_membership(tree: StateTree, key: bytes) -> Proof:
    """Return the proof that ``tree`` holds ``key``, with its value.

    Raises ``NotProvable`` where it does not.
    """
    proof = prove_first(tree, key)
    if proof.key != key:
        raise NotProvable(key)
    return proof


def prove_absence(tree: StateTree, prefix: bytes) -> Proof:
    """Return the proof that no key of ``tree`` starts with ``prefix``, which may be a whole key.

    Raises ``NotProvable`` where one does.
    """
    proof = prove_first(tree, prefix)
    if proof.key and proof.key.startswith(prefix):
        raise NotProvable(prefix)
    return proof


def prove_first(tree: StateTree, prefix: bytes) -> Proof:
    """Return the proof of which is the first key that starts with ``prefix``, or that none does.

    ``prefix`` has at most 32 bytes; the empty one asks for the first key of the whole tree.
    """
    target = padded(prefix)
    leaf, path = tree.lookup(target)
    if leaf is None:
        return Proof(b"", b"", (), ())
    upwards = path[::-1]
    bits = tuple(KEY_BITS - branch.height for branch in upwards)
    siblings = tuple(
        hash_of(branch.left if _goes_right(target, bit) else branch.right)
        for branch, bit in zip(upwards, bits, strict=True)
    )
    return Proof(key_of(leaf), value_of(leaf), bits, siblings)


def verify_membership(root: bytes, key: bytes, value: bytes, proof: Proof) -> None:
    """Check that the tree of ``root`` holds ``value`` under ``key``; raises ``ProofRejected``."""
    if verify_first(root, key, proof) != (key, value):
        raise ProofRejected(ProofFault.ENTRY_DIFFERS)


def verify_absence(root: bytes, prefix: bytes, proof: Proof) -> None:
    """Check that no key of the tree of ``root`` starts with ``prefix``, which may be a whole key.

    Raises ``ProofRejected``.
    """
    if verify_first(root, prefix, proof) is not None:
        raise ProofRejected(ProofFault.ENTRY_PRESENT)


def verify_first(root: bytes, prefix: bytes, proof: Proof) -> tuple[bytes, bytes] | None:
    """Return the first entry under ``prefix`` in the tree of ``root``, as ``proof`` shows it.

    ``None`` says that no key starts with ``prefix``; that, too, is proved.
    Raises ``ProofRejected``.
    """
    if len(prefix) > KEY_BYTES:
        raise ProofRejected(ProofFault.PREFIX_TOO_LONG)
    _check_leaf(proof)
    _check_path(proof)
    target = padded(prefix)
    if any(_goes_right(target, bit) != _goes_right(proof.key, bit) for bit in proof.bits):
        raise ProofRejected(ProofFault.LOOKUP_DEPARTS)
    if _root_of(proof) != root:
        raise ProofRejected(ProofFault.ROOT_DIFFERS)
    if proof.key and proof.key.startswith(prefix):
        return proof.key, proof.value
    return None


def _check_leaf(proof: Proof) -> None:
    whole = len(proof.key) == KEY_BYTES and len(proof.value) > 0
    if not whole and (proof.key or proof.value or proof.bits or proof.siblings):
        raise ProofRejected(ProofFault.LEAF_MALFORMED)


def _check_path(proof: Proof) -> None:
    bits, siblings = proof.bits, proof.siblings
    if (
        len(bits) != len(siblings)
        or not all(0 <= bit < KEY_BITS for bit in bits)
        or not all(len(sibling) == HASH_BYTES for sibling in siblings)
    ):
        raise ProofRejected(ProofFault.PATH_MALFORMED)
    if any(upper >= lower for lower, upper in pairwise(bits)):
        raise ProofRejected(ProofFault.BITS_NOT_DECREASING)


def _root_of(proof: Proof) -> bytes:
    if not proof.key:
        return EMPTY_ROOT
    digest = leaf_hash(proof.key, proof.value)
    for bit, sibling in zip(proof.bits, proof.siblings, strict=True):
        if _goes_right(proof.key, bit):
            digest = branch_hash(bit, sibling, digest)
        else:
            digest = branch_hash(bit, digest, sibling)
    return digest


def _goes_right(key: bytes, bit: int) -> bool:
    """Say whether ``key`` has a one at index ``bit``, 0 being its first byte's most significant."""
    return key[bit >> 3] >> (7 - (bit & 7)) & 1 == 1
