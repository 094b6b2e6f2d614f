"""The state tree against the naive one, and its proofs against the truth and against tampering."""

from collections.abc import Iterator
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.transition.tree import nodes
from node.transition.tree.proofs import (
    NotProvable,
    Proof,
    ProofRejected,
    prove_absence,
    prove_first,
    prove_membership,
    verify_absence,
    verify_first,
    verify_membership,
)
from node.transition.tree.tree import StateTree
from node.types.hashing import keccak256
from tests.property.naive_tree import naive_first, naive_hashes, naive_root

# Keys that share long prefixes make deep trees and branches at byte borders, random keys wide ones.
EDGES = st.sampled_from([0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF])
CLOSE_KEYS = st.builds(
    lambda head, fill, tail: bytes([head]) + bytes([fill]) * 30 + bytes([tail]),
    EDGES,
    st.sampled_from([0x00, 0xFF]),
    EDGES,
)
KEYS = st.one_of(CLOSE_KEYS, st.binary(min_size=32, max_size=32))
VALUES = st.binary(min_size=1, max_size=40)
ITEMS = st.dictionaries(KEYS, VALUES, max_size=24)
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=24)
SEED_ON_FAILURE = settings(deadline=None, print_blob=True)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[bytes, bytes | None]]:
    """Batches of changes in which deletes and rewrites often meet a key that is there."""
    pool = draw(st.lists(KEYS, min_size=1, max_size=24, unique=True))
    known = st.dictionaries(st.sampled_from(pool), st.one_of(st.none(), VALUES), max_size=24)
    return draw(st.lists(st.one_of(known, CHANGES), max_size=6))


@st.composite
def items_and_prefix(draw: st.DrawFn) -> tuple[dict[bytes, bytes], bytes]:
    """Entries, and a prefix of 0 … 32 bytes that often is one of some entry's key."""
    items = draw(ITEMS)
    source = draw(st.one_of(KEYS, st.sampled_from(sorted(items))) if items else KEYS)
    return items, source[: draw(st.integers(0, 32))]


def applied(items: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    """Return ``items`` after ``changes``, as a plain dictionary does it."""
    return {key: value for key, value in (items | changes).items() if value is not None}


def check_content(tree: StateTree, items: dict[bytes, bytes]) -> None:
    assert tree.root == naive_root(items)
    assert len(tree) == len(items)
    assert list(tree.items()) == sorted(items.items())
    assert all(tree.get(key) == value for key, value in items.items())


@SEED_ON_FAILURE
@given(histories())
def test_every_tree_of_a_history_equals_the_naive_one_and_stays_so(
    history: list[dict[bytes, bytes | None]],
) -> None:
    trees, contents = [StateTree()], [dict[bytes, bytes]()]
    for changes in history:
        trees.append(trees[-1].update(changes))
        contents.append(applied(contents[-1], changes))
    for tree, items in zip(trees, contents, strict=True):
        check_content(tree, items)
        assert all(tree.get(key) is None for key in contents[-1].keys() - items.keys())


@SEED_ON_FAILURE
@given(ITEMS, CHANGES)
def test_an_update_hashes_what_the_old_tree_lacks_and_leaves_beside_it(
    items: dict[bytes, bytes], changes: dict[bytes, bytes | None]
) -> None:
    tree, after = StateTree.build(items), applied(items, changes)
    with patch.object(nodes, "keccak256", wraps=keccak256) as hashing:
        tree.update(changes)
    texts = [call.args[0] for call in hashing.call_args_list]
    hashes = {keccak256(text): text for text in texts}
    assert len(hashes) == len(texts), "each once"
    assert hashes.keys() <= naive_hashes(after)
    new = naive_hashes(after) - naive_hashes(items)
    # The root of a tree of one leaf is made when it is asked for.
    assert new <= hashes.keys() or len(after) == 1
    assert all(hashes[name][0] == 0 for name in hashes.keys() - new)


@SEED_ON_FAILURE
@given(ITEMS, st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_the_order_of_insertion(
    items: dict[bytes, bytes], random: Random
) -> None:
    shuffled = list(items.items())
    random.shuffle(shuffled)
    one_by_one = StateTree()
    for key, value in shuffled:
        one_by_one = one_by_one.update({key: value})
    assert one_by_one.root == StateTree.build(items).root == naive_root(items)


@SEED_ON_FAILURE
@given(items_and_prefix())
def test_iteration_by_prefix(case: tuple[dict[bytes, bytes], bytes]) -> None:
    items, prefix = case
    expected = sorted(item for item in items.items() if item[0].startswith(prefix))
    assert list(StateTree.build(items).items(prefix)) == expected


@SEED_ON_FAILURE
@given(items_and_prefix())
def test_the_proof_of_a_prefix_shows_its_first_entry_or_that_there_is_none(
    case: tuple[dict[bytes, bytes], bytes],
) -> None:
    items, prefix = case
    tree = StateTree.build(items)
    first = naive_first(items, prefix)
    assert verify_first(tree.root, prefix, prove_first(tree, prefix)) == first
    if first is None:
        verify_absence(tree.root, prefix, prove_absence(tree, prefix))
    else:
        with pytest.raises(NotProvable):
            prove_absence(tree, prefix)


@SEED_ON_FAILURE
@given(ITEMS, KEYS)
def test_each_key_is_provably_present_or_provably_absent(
    items: dict[bytes, bytes], stranger: bytes
) -> None:
    tree = StateTree.build(items)
    for key, value in items.items():
        verify_membership(tree.root, key, value, prove_membership(tree, key))
    if stranger not in items:
        verify_absence(tree.root, stranger, prove_absence(tree, stranger))
        with pytest.raises(NotProvable):
            prove_membership(tree, stranger)


@SEED_ON_FAILURE
@given(items_and_prefix())
def test_a_sound_proof_of_something_else_never_proves_an_untruth(
    case: tuple[dict[bytes, bytes], bytes],
) -> None:
    items, prefix = case
    tree = StateTree.build(items)
    for key in items:
        try:
            shown = verify_first(tree.root, prefix, prove_membership(tree, key))
        except ProofRejected:
            continue
        assert shown == naive_first(items, prefix)


def tampered(proof: Proof, mask: int) -> Iterator[Proof]:
    """Yield ``proof`` with each byte changed in turn by ``mask`` (1 … 255), and misbuilt."""
    key, value, bits, siblings = proof.key, proof.value, proof.bits, proof.siblings
    yield from (Proof(other, value, bits, siblings) for other in flipped(key, mask))
    yield from (Proof(key, other, bits, siblings) for other in flipped(value, mask))
    yield from (Proof(key, value, tuple(other), siblings) for other in flipped(bytes(bits), mask))
    for index, sibling in enumerate(siblings):
        above = siblings[index + 1 :]
        for other in (*flipped(sibling, mask), sibling[1:], sibling + b"\x00"):
            yield Proof(key, value, bits, (*siblings[:index], other, *above))
        without = (*siblings[:index], *above)
        yield Proof(key, value, bits, without)
        yield Proof(key, value, (*bits[:index], *bits[index + 1 :]), siblings)
        yield Proof(key, value, (*bits[:index], *bits[index + 1 :]), without)
        twice = (*bits[: index + 1], *bits[index:])
        yield Proof(key, value, twice, (*siblings[: index + 1], *siblings[index:]))
    if len(bits) > 1:
        yield Proof(key, value, bits[::-1], siblings[::-1])
        yield Proof(key, value, (*bits[:-2], bits[-1], bits[-2]), siblings)
    yield Proof(key, value, (*bits, 0), (*siblings, bytes(32)))
    yield Proof(key, value, (255, *bits), (bytes(32), *siblings))
    yield Proof(key + value[:1], value[1:], bits, siblings)
    yield Proof(key[:-1], key[-1:] + value, bits, siblings)
    yield Proof(key, b"", bits, siblings)
    if key:
        yield Proof(b"", b"", (), ())


def flipped(data: bytes, mask: int) -> Iterator[bytes]:
    """Yield ``data`` with each of its bytes in turn changed by ``mask``."""
    for index in range(len(data)):
        yield data[:index] + bytes([data[index] ^ mask]) + data[index + 1 :]


@settings(SEED_ON_FAILURE, max_examples=40)
@given(items_and_prefix(), st.integers(1, 255))
def test_no_tampered_proof_verifies(case: tuple[dict[bytes, bytes], bytes], mask: int) -> None:
    items, prefix = case
    tree = StateTree.build(items)
    proof = prove_first(tree, prefix)
    variants = {variant for variant in tampered(proof, mask) if variant != proof}
    for variant in variants:
        with pytest.raises(ProofRejected):
            verify_first(tree.root, prefix, variant)
    for root in flipped(tree.root, mask):
        with pytest.raises(ProofRejected):
            verify_first(root, prefix, proof)


@settings(SEED_ON_FAILURE, max_examples=40)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=24), st.integers(1, 255))
def test_no_other_claim_passes_with_a_proof_of_membership(
    items: dict[bytes, bytes], mask: int
) -> None:
    tree = StateTree.build(items)
    key, value = min(items.items())
    proof = prove_membership(tree, key)
    for other in (*flipped(key, mask), key[:-1], key + b"\x00", b""):
        with pytest.raises(ProofRejected):
            verify_membership(tree.root, other, value, proof)
    for other in (*flipped(value, mask), value + b"\x00", value[:-1]):
        with pytest.raises(ProofRejected):
            verify_membership(tree.root, key, other, proof)
    with pytest.raises(ProofRejected):
        verify_absence(tree.root, key, proof)
