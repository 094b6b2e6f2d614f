"""The state tree's format in fixed vectors, and its borders: empty, refused, shared, iterated.

The hashes were computed apart from this project, with another implementation of Keccak-256, from
preimages written out by hand: ``00 | key | value`` and ``01 | bit | left | right``.
"""

from unittest.mock import patch

import pytest

from node.transition.tree import nodes
from node.transition.tree.nodes import branch_hash, leaf_hash
from node.transition.tree.tree import StateTree, padded
from node.types.hashing import keccak256

ZERO = bytes(32)
ONE = bytes(31) + b"\x01"
TOP = b"\x80" + bytes(31)
ONES = b"\xff" * 32
ITEMS = {ZERO: b"a", ONE: b"bc", TOP: b"d" * 40, ONES: b"\x00"}

LEAF_OF_ZERO = bytes.fromhex("a05d025468da79c17fe73180d436a0b1c8168534d63d294fd89828ea1e8054d8")
LEAF_OF_ONE = bytes.fromhex("12861b090ef58491db08278f6bba866850f181c40f5ed00bcbd244cf7efabe1a")
LEAF_OF_TOP = bytes.fromhex("c2b5d06de54db1f489b63f1831c914c0f7d04b379bc080b22d079d69ce2bd752")
LEAF_OF_ONES = bytes.fromhex("9aee962d4a1528faa9614b33f8db0d4dc73e6fd7aa9a2a428cda2b915f282412")
BRANCH_AT_255 = bytes.fromhex("fd34aae3ad063e7e8e064a60f8e9c83cd8f6ce64f58948121e67bcc38f441cd1")
BRANCH_AT_1 = bytes.fromhex("7c0d3226525c7cc1c5c32e8d225736da803d9afedca44a0dc6a486e0840b8dab")
ROOT_OF_THREE = bytes.fromhex("43d35144be2b6035c7a3f46e288b9f2a0b4c110a0f8a01e8dfa4e42f6da9b783")
ROOT_OF_FOUR = bytes.fromhex("d5f74cff2282b12e3d2140c70782cad6048e2e051883f3f5d8b5604efa7824ff")


def test_a_leaf_is_hashed_over_zero_key_value() -> None:
    assert leaf_hash(ZERO, b"a") == LEAF_OF_ZERO
    assert leaf_hash(ONE, b"bc") == LEAF_OF_ONE
    assert leaf_hash(TOP, b"d" * 40) == LEAF_OF_TOP
    assert leaf_hash(ONES, b"\x00") == LEAF_OF_ONES


def test_a_branch_is_hashed_over_one_bit_left_right() -> None:
    assert branch_hash(255, LEAF_OF_ZERO, LEAF_OF_ONE) == BRANCH_AT_255
    assert branch_hash(1, LEAF_OF_TOP, LEAF_OF_ONES) == BRANCH_AT_1
    assert branch_hash(0, BRANCH_AT_255, BRANCH_AT_1) == ROOT_OF_FOUR


@pytest.mark.parametrize(
    ("keys", "root"),
    [
        ([], bytes(32)),
        ([ZERO], LEAF_OF_ZERO),
        ([ZERO, ONE], BRANCH_AT_255),
        ([TOP, ONES], BRANCH_AT_1),
        ([ONE, TOP, ZERO], ROOT_OF_THREE),
        ([ONES, ZERO, TOP, ONE], ROOT_OF_FOUR),
    ],
    ids=["empty", "one", "last_bit", "second_bit", "three", "four"],
)
def test_roots(keys: list[bytes], root: bytes) -> None:
    tree = StateTree.build({key: ITEMS[key] for key in keys})
    assert tree.root == root
    assert len(tree) == len(keys)
    emptied = tree.update(dict.fromkeys(keys))
    assert (emptied.root, len(emptied), list(emptied.items())) == (bytes(32), 0, [])


def test_an_update_leaves_the_old_tree_as_it_was() -> None:
    old = StateTree.build(ITEMS)
    new = old.update({ONES: None, TOP: b"other"}).update({TOP: b"d" * 40})
    assert (new.root, len(new), new.get(ONES)) == (ROOT_OF_THREE, 3, None)
    assert (old.root, len(old), old.get(ONES)) == (ROOT_OF_FOUR, 4, b"\x00")


@pytest.mark.parametrize(
    ("changes", "hashes"),
    [
        ({}, 0),
        ({ONE: b"bc"}, 0),
        ({ZERO: b"a", ONE: b"bc", TOP: b"d" * 40}, 0),
        ({b"\x40" + bytes(31): None}, 0),
        ({b"\x40" + bytes(31): None, b"\x41" + bytes(31): None}, 0),
        ({ONE: None}, 2),
        ({ONE: None, ZERO: None}, 0),
        ({ONE: b"new"}, 4),
        ({ZERO: b"new", ONE: b"new"}, 4),
        ({ZERO: b"new", ONES: b"new"}, 7),
        ({b"\x40" + bytes(31): b"new"}, 3),
        ({b"\x40" + bytes(31): b"new", b"\x41" + bytes(31): b"new"}, 5),
    ],
    ids=[
        "nothing",
        "same_value",
        "same_values",
        "delete_absent",
        "delete_two_absent",
        "delete_one",
        "delete_one_side",
        "write_one",
        "write_two_neighbours",
        "write_two_apart",
        "insert_one",
        "insert_two_neighbours",
    ],
)
def test_only_new_nodes_are_hashed(changes: dict[bytes, bytes | None], hashes: int) -> None:
    """New ones, and the leaves beside them, which keep no hash of their own."""
    tree = StateTree.build(ITEMS)
    with patch.object(nodes, "keccak256", wraps=keccak256) as hashing:
        updated = tree.update(changes)
    assert hashing.call_count == hashes
    after = {key: value for key, value in (ITEMS | changes).items() if value is not None}
    assert updated.root == StateTree.build(after).root


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        (b"", [ZERO, ONE, TOP, ONES]),
        (b"\x00", [ZERO, ONE]),
        (bytes(31), [ZERO, ONE]),
        (ONE, [ONE]),
        (b"\x80", [TOP]),
        (b"\x40", []),
        (TOP[:31] + b"\x01", []),
    ],
)
def test_items_come_in_key_order(prefix: bytes, keys: list[bytes]) -> None:
    tree = StateTree.build(ITEMS)
    assert list(tree.items(prefix)) == [(key, ITEMS[key]) for key in keys]
    assert list(StateTree().items(prefix)) == []


def test_get_tells_a_key_from_the_leaf_that_its_bits_lead_to() -> None:
    tree = StateTree.build(ITEMS)
    assert tree.get(ONE) == b"bc"
    assert tree.get(bytes(31) + b"\x03") is None
    assert StateTree().get(ONE) is None


def test_every_branch_of_the_deepest_tree_is_reached() -> None:
    """256 branches on one path: each power of two parts from zero at a bit of its own."""
    keys = [ZERO, *((1 << bit).to_bytes(32, "big") for bit in range(256))]
    tree = StateTree.build(dict.fromkeys(keys[::2], b"v")).update(dict.fromkeys(keys, b"v"))
    leaf, path = tree.lookup(ZERO)
    assert leaf is not None
    assert (leaf[:32], [branch.height for branch in path]) == (ZERO, list(range(256, 0, -1)))
    assert tree.root == StateTree.build(dict.fromkeys(keys, b"v")).root
    assert tree.update(dict.fromkeys(keys[1:])).root == leaf_hash(ZERO, b"v")


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_keys_of_another_length_are_a_fault_of_ours(key: bytes) -> None:
    tree = StateTree.build(ITEMS)
    with pytest.raises(AssertionError):
        tree.update({key: b"v"})
    with pytest.raises(AssertionError):
        tree.update({key: None})
    with pytest.raises(AssertionError):
        tree.get(key)


def test_empty_values_and_prefixes_beyond_a_key_are_a_fault_of_ours() -> None:
    with pytest.raises(AssertionError):
        StateTree.build({ZERO: b""})
    with pytest.raises(AssertionError):
        padded(bytes(33))
