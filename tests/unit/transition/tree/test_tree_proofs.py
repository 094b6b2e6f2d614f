"""Proofs of a small tree, written out, and one proof for each reason to reject.

The tree: bit 0 parts ZERO and ONE from TOP; bit 255 parts ZERO from ONE.
"""

import msgspec
import pytest

from node.transition.tree.nodes import branch_hash, leaf_hash
from node.transition.tree.proofs import (
    NotProvable,
    Proof,
    ProofFault,
    ProofRejected,
    prove_absence,
    prove_first,
    prove_membership,
    verify_absence,
    verify_first,
    verify_membership,
)
from node.transition.tree.tree import StateTree

ZERO = bytes(32)
ONE = bytes(31) + b"\x01"
TOP = b"\x80" + bytes(31)
TREE = StateTree.build({ZERO: b"zero", ONE: b"one", TOP: b"top"})
LEAVES = {ZERO: leaf_hash(ZERO, b"zero"), ONE: leaf_hash(ONE, b"one"), TOP: leaf_hash(TOP, b"top")}
LOW = branch_hash(255, LEAVES[ZERO], LEAVES[ONE])

PROOF_OF_ZERO = Proof(ZERO, b"zero", (255, 0), (LEAVES[ONE], LEAVES[TOP]))
PROOF_OF_ONE = Proof(ONE, b"one", (255, 0), (LEAVES[ZERO], LEAVES[TOP]))
PROOF_OF_TOP = Proof(TOP, b"top", (0,), (LOW,))
PROOF_OF_NOTHING = Proof(b"", b"", (), ())


@pytest.mark.parametrize(
    ("prefix", "proof", "first"),
    [
        (b"", PROOF_OF_ZERO, (ZERO, b"zero")),
        (b"\x00", PROOF_OF_ZERO, (ZERO, b"zero")),
        (ONE, PROOF_OF_ONE, (ONE, b"one")),
        (b"\x80", PROOF_OF_TOP, (TOP, b"top")),
        (b"\x40", PROOF_OF_ZERO, None),
        (b"\xff", PROOF_OF_TOP, None),
        (bytes(31) + b"\x03", PROOF_OF_ONE, None),
    ],
)
def test_the_proof_is_that_of_the_lookup_of_the_padded_prefix(
    prefix: bytes, proof: Proof, first: tuple[bytes, bytes] | None
) -> None:
    assert prove_first(TREE, prefix) == proof
    assert verify_first(TREE.root, prefix, proof) == first


@pytest.mark.parametrize("prefix", [b"", b"\x00", ONE])
def test_an_empty_tree_proves_every_absence(prefix: bytes) -> None:
    tree = StateTree()
    assert prove_absence(tree, prefix) == PROOF_OF_NOTHING
    verify_absence(tree.root, prefix, PROOF_OF_NOTHING)
    with pytest.raises(NotProvable):
        prove_membership(tree, ONE)


def test_a_tree_of_one_leaf_is_its_own_path() -> None:
    tree = StateTree.build({ONE: b"one"})
    proof = Proof(ONE, b"one", (), ())
    assert prove_membership(tree, ONE) == prove_absence(tree, TOP) == proof
    verify_membership(tree.root, ONE, b"one", proof)
    verify_absence(tree.root, TOP, proof)


def test_the_prover_proves_nothing_that_is_not_so() -> None:
    with pytest.raises(NotProvable) as not_there:
        prove_membership(TREE, ZERO[:31] + b"\x02")
    assert not_there.value.key == ZERO[:31] + b"\x02"
    with pytest.raises(NotProvable) as there:
        prove_absence(TREE, b"\x80")
    assert there.value.key == b"\x80"


@pytest.mark.parametrize(
    ("prefix", "proof", "reason"),
    [
        (bytes(33), PROOF_OF_ZERO, ProofFault.PREFIX_TOO_LONG),
        (b"", Proof(ZERO[1:], b"\x00zero", (255, 0), (ZERO, ZERO)), ProofFault.LEAF_MALFORMED),
        (b"", Proof(ZERO, b"", (), ()), ProofFault.LEAF_MALFORMED),
        (b"", Proof(b"", b"zero", (), ()), ProofFault.LEAF_MALFORMED),
        (b"", Proof(b"", b"", (0,), ()), ProofFault.LEAF_MALFORMED),
        (b"", Proof(b"", b"", (), (ZERO,)), ProofFault.LEAF_MALFORMED),
        (b"", Proof(ZERO, b"zero", (255, 0), (LEAVES[ONE],)), ProofFault.PATH_MALFORMED),
        (b"", Proof(ZERO, b"zero", (255,), (ZERO, ZERO)), ProofFault.PATH_MALFORMED),
        (b"", Proof(ZERO, b"zero", (256,), (ZERO,)), ProofFault.PATH_MALFORMED),
        (b"", Proof(ZERO, b"zero", (-1,), (ZERO,)), ProofFault.PATH_MALFORMED),
        (b"", Proof(ZERO, b"zero", (0,), (ZERO[1:],)), ProofFault.PATH_MALFORMED),
        (b"", Proof(ZERO, b"zero", (7, 7), (ZERO, ZERO)), ProofFault.BITS_NOT_DECREASING),
        (b"", Proof(ZERO, b"zero", (0, 255), (ZERO, ZERO)), ProofFault.BITS_NOT_DECREASING),
        (TOP, PROOF_OF_ZERO, ProofFault.LOOKUP_DEPARTS),
        (b"", PROOF_OF_ONE, ProofFault.LOOKUP_DEPARTS),
        (b"", PROOF_OF_NOTHING, ProofFault.ROOT_DIFFERS),
        (b"", Proof(ZERO, b"zer0", (255, 0), (LEAVES[ONE], LEAVES[TOP])), ProofFault.ROOT_DIFFERS),
    ],
)
def test_each_fault_has_its_reason(prefix: bytes, proof: Proof, reason: ProofFault) -> None:
    with pytest.raises(ProofRejected) as rejected:
        verify_first(TREE.root, prefix, proof)
    assert rejected.value.reason is reason


def test_a_sound_proof_of_another_entry_is_rejected() -> None:
    for key, value in ((ZERO, b"zer0"), (b"\x00", b"zero"), (b"\x40" + bytes(31), b"zero")):
        with pytest.raises(ProofRejected) as rejected:
            verify_membership(TREE.root, key, value, PROOF_OF_ZERO)
        assert rejected.value.reason is ProofFault.ENTRY_DIFFERS


@pytest.mark.parametrize("prefix", [b"", b"\x00", ZERO])
def test_absence_of_what_is_there_is_rejected(prefix: bytes) -> None:
    with pytest.raises(ProofRejected) as rejected:
        verify_absence(TREE.root, prefix, PROOF_OF_ZERO)
    assert rejected.value.reason is ProofFault.ENTRY_PRESENT


def test_the_numbers_of_the_reasons_are_stable() -> None:
    assert {fault.name: fault.value for fault in ProofFault} == {
        "PREFIX_TOO_LONG": 1,
        "LEAF_MALFORMED": 2,
        "PATH_MALFORMED": 3,
        "BITS_NOT_DECREASING": 4,
        "LOOKUP_DEPARTS": 5,
        "ROOT_DIFFERS": 6,
        "ENTRY_DIFFERS": 7,
        "ENTRY_PRESENT": 8,
    }


def test_a_proof_survives_its_encoding() -> None:
    packed = msgspec.msgpack.encode(PROOF_OF_ONE)
    assert msgspec.msgpack.decode(packed, type=Proof) == PROOF_OF_ONE
