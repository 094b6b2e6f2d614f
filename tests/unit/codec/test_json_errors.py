"""Errors as clients see them: whatever they carry can be written."""

from typing import Any

import msgspec
import pytest

from node.codec.json_errors import encode_error, error_to_json, write_json
from node.types.commands import Side
from node.types.errors import BadSignature, InsufficientMargin


def test_bytes_are_hex_and_integers_stay() -> None:
    assert msgspec.json.decode(encode_error(BadSignature(digest=b"\x01" * 32))) == {
        "code": 1101,
        "name": "BadSignature",
        "values": {"digest": "0x" + "01" * 32},
    }
    body = msgspec.json.decode(encode_error(InsufficientMargin(equity=-5, required=7)))
    assert body["values"] == {"equity": -5, "required": 7}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2**64 - 1, 2**64 - 1),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (True, True),
        (None, None),
        (Side.SELL, 1),
        ((b"\x01", 2), ["0x01", 2]),
        ({1: b"\x01"}, {"1": "0x01"}),
        (1.5, "1.5"),
    ],
)
def test_every_value_can_be_written(value: Any, shown: Any) -> None:
    body = error_to_json(1, "x", {"value": value})
    assert msgspec.json.decode(write_json(body))["values"] == {"value": shown}
