"""Integers of up to ten bytes: what is longer is no integer."""

import pytest

from node.codec.varint import decode_varints, encode_varints
from node.types.errors import BatchMalformed


def test_an_integer_has_ten_bytes_at_most() -> None:
    longest = b"\xff" * 9 + b"\x7f"
    assert decode_varints(longest) == [2**70 - 1]
    assert encode_varints([2**70 - 1]) == longest
    with pytest.raises(BatchMalformed):
        decode_varints(b"\x80" * 10 + b"\x01")
