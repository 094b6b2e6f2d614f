"""Errors as clients see them: ``{"code": 1204, "name": "PriceOutsideBand", "values": {…}}``.

Integers stay what they are, bytes become hex. The figures of a refused action are put into decimals
before (``refusals.py``).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from node.types.errors import PlimsollError

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
"""What msgspec writes as a number; wider integers are written as decimal strings."""

_encoder = msgspec.json.Encoder()


def error_to_json(code: int, name: str, values: Mapping[str, object]) -> dict[str, Any]:
    """Return the body of an error, ready to be written as JSON."""
    return {"code": code, "name": name, "values": shown(values)}


def write_json(body: Mapping[str, object]) -> bytes:
    """Return the JSON text of an error's body."""
    return _encoder.encode(body)


def shown(values: Mapping[str, object]) -> dict[str, Any]:
    """Return ``values`` as JSON can hold them."""
    return {key: _shown(value) for key, value in values.items()}


def encode_error(error: PlimsollError) -> bytes:
    """Return the JSON text of an error's body."""
    return write_json(error_to_json(error.code, type(error).__name__, error.values))


def _shown(value: object) -> object:
    match value:
        case bytes():
            return "0x" + value.hex()
        case bool() | str() | None:
            return value
        case int():
            return int(value) if _INT_MIN <= value <= _INT_MAX else str(int(value))
        case Mapping():
            return {str(key): _shown(inner) for key, inner in value.items()}
        case tuple() | list() | set() | frozenset():
            return [_shown(inner) for inner in value]
        case _:
            return str(value)
