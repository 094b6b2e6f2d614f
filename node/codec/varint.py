"""Columns of integers as bytes: unsigned LEB128, and what turns a sequence into small numbers.

A value is written in groups of seven bits, the lowest first; the top bit of a byte says that more
follow. Each value has one form: the last byte of a longer one is never zero. A column of values
below 128 is thus its own bytes, which both directions use.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from node.types.errors import BatchMalformed

_BYTES_MAX: Final = 10
"""A zigzag-coded difference of two 64-bit values takes 65 bits, in ten groups of seven."""


def encode_varints(values: Sequence[int]) -> bytes:
    """Return ``values``, each from 0 to 2**70 - 1, as LEB128."""
    if not values or max(values) < 0x80:
        return bytes(values)
    out = bytearray()
    append = out.append
    for number in values:
        value = number
        while value > 0x7F:
            append(value & 0x7F | 0x80)
            value >>= 7
        append(value)
    return bytes(out)


def decode_varints(data: bytes) -> list[int]:
    """Return all values in ``data``. Raises ``BatchMalformed`` if one is torn, long or padded."""
    if data.isascii():
        return list(data)
    values: list[int] = []
    append = values.append
    value = shift = 0
    for byte in data:
        if byte >= 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift == 7 * _BYTES_MAX:
                raise BatchMalformed(detail="an integer of more than 70 bits")
        elif shift == 0:
            append(byte)
        else:
            if byte == 0:
                raise BatchMalformed(detail="an integer with needless zero bits")
            append(value | byte << shift)
            value = shift = 0
    if shift:
        raise BatchMalformed(detail="an integer is cut off")
    return values


def zigzag(value: int) -> int:
    """Return 0, 1, 2, 3, … for 0, -1, 1, -2, …: small numbers of either sign stay small."""
    return value << 1 if value >= 0 else ~(value << 1)


def unzigzag(code: int) -> int:
    """Return the value that ``zigzag`` made ``code`` of."""
    return ~(code >> 1) if code & 1 else code >> 1


def deltas(keys: Iterable[object], values: Iterable[int], step: int = 0) -> list[int]:
    """Return, for each value, how far it lies from the last one with the same key, plus ``step``.

    The first value of a key is measured from 0. Zigzag-coded: a run that goes on as expected is a
    run of zeros.
    """
    last: dict[object, int] = {}
    codes = []
    for key, value in zip(keys, values, strict=True):
        difference = value - last.get(key, 0) - step
        codes.append(difference << 1 if difference >= 0 else ~(difference << 1))
        last[key] = value
    return codes


def undeltas(keys: Iterable[object], codes: Iterable[int], step: int = 0) -> list[int]:
    """Return the values that ``deltas`` made ``codes`` of. They may lie outside of any range."""
    last: dict[object, int] = {}
    values = []
    for key, code in zip(keys, codes, strict=True):
        difference = ~(code >> 1) if code & 1 else code >> 1
        last[key] = value = last.get(key, 0) + difference + step
        values.append(value)
    return values
