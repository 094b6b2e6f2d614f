"""The chain of ids and the digest of changes, against their definitions written out."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.types.hashing import keccak256
from node.types.ids import Sequence
from node.types.units import Millis

_changes = st.dictionaries(
    st.binary(min_size=32, max_size=32), st.none() | st.binary(max_size=6), max_size=5
)


def test_links_begin_with_the_parent_and_fold_each_id_in() -> None:
    parent, first, second = b"p" * 32, b"1" * 32, b"2" * 32
    link = keccak256(parent + first)
    assert chain_ids(parent, [first, second]) == [parent, link, keccak256(link + second)]
    assert chain_ids(parent, []) == [parent]


def test_a_block_hash_is_its_numbers_and_its_last_link() -> None:
    words = (1).to_bytes(8) + (2).to_bytes(8) + (3).to_bytes(8) + (4).to_bytes(8)
    sealed = block_hash(1, Millis(2), Sequence(3), 4, b"l" * 32)
    assert sealed == keccak256(words + b"l" * 32)


def test_changes_are_digested_in_the_order_of_their_keys() -> None:
    low, high = b"\x00" * 31 + b"\x01", b"\x01" + b"\x00" * 31
    written = low + b"\x00\x00\x00\x03abc" + high + b"\xff\xff\xff\xff"
    wanted = blake2b(written, digest_size=32).digest()
    assert changes_digest({high: None, low: b"abc"}) == wanted
    assert changes_digest({low: b"abc", high: None}) == wanted


def test_no_changes_have_a_digest_too() -> None:
    assert changes_digest({}) == blake2b(b"", digest_size=32).digest()


@given(_changes, _changes)
def test_only_equal_changes_have_equal_digests(
    one: dict[bytes, bytes | None], other: dict[bytes, bytes | None]
) -> None:
    assert (changes_digest(one) == changes_digest(other)) == (one == other)


def test_a_key_of_another_width_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        changes_digest({b"short": None})
