"""Reading measured data: every fault of a document at once, each with its key and its range.

``msgspec`` stops at the first fault, which is right for a message and wrong for a file that a
person mends. The walk follows the struct's own types, so there is no second description of them.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from node.types.faults import out_of

S = TypeVar("S", bound=msgspec.Struct)
Range = tuple[float, float]

NOT_NEGATIVE: Range = (0, math.inf)
WHOLE: Range = (0, 2**127)
"""What counts is computed with as a float later, squares of sums of squares included."""
ANY_NUMBER: Range = (-math.inf, math.inf)


def read_checked(
    kind: type[S], data: object, ranges: Mapping[str, Range], prefix: str = ""
) -> tuple[S | None, list[str]]:
    """Return ``data``, as JSON decodes it, as a ``kind``, and all that is wrong with it.

    Numbers lie within ``ranges``, by the last part of their key (``NOT_NEGATIVE`` or ``WHOLE``
    where it has none); so do the keys of an object whose keys are numbers, by the object's own.
    None is returned where there is a fault.
    """
    faults = list(_faults(inspect.type_info(kind), data, prefix, ranges))
    if faults:
        return None, faults
    try:
        return msgspec.convert(data, kind, str_keys=True), []
    except msgspec.ValidationError as error:
        return None, [f"{prefix or kind.__name__}: {error}"]


def _faults(kind: inspect.Type, data: Any, key: str, ranges: Mapping[str, Range]) -> Iterator[str]:
    match kind:
        case inspect.StructType():
            yield from _struct_faults(kind, data, key, ranges)
        case inspect.VarTupleType() | inspect.DictType():
            yield from _collection_faults(kind, data, key, ranges)
        case inspect.UnionType():
            if data is not None:
                inner = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
                yield from _faults(inner[0], data, key, ranges)
        case inspect.IntType() | inspect.FloatType():
            yield from _number_faults(kind, data, key, ranges)
        case _:
            yield from _word_faults(kind, data, key)


def _collection_faults(
    kind: inspect.VarTupleType | inspect.DictType, data: Any, key: str, ranges: Mapping[str, Range]
) -> Iterator[str]:
    if isinstance(kind, inspect.VarTupleType):
        if not isinstance(data, list):
            yield f"{key}: must be a list"
            return
        for place, item in enumerate(data):
            yield from _faults(kind.item_type, item, f"{key}[{place}]", ranges)
    elif isinstance(data, dict):
        for name, item in data.items():
            if isinstance(kind.key_type, inspect.IntType):
                yield from _place_faults(name, key, ranges)
            yield from _faults(kind.value_type, item, _joined(key, name), ranges)
    else:
        yield f"{key}: must be an object"


def _place_faults(name: str, key: str, ranges: Mapping[str, Range]) -> Iterator[str]:
    low, high = ranges.get(key.rpartition(".")[2], WHOLE)
    try:
        # Written in one way only: "05" and "5" would be two names of one place.
        fine = low <= int(name) <= high and str(int(name)) == name
    except ValueError:
        fine = False
    if not fine:
        yield f"{_joined(key, name[:40])} (the key): {low} … {high} allowed"


def _struct_faults(
    kind: inspect.StructType, data: Any, key: str, ranges: Mapping[str, Range]
) -> Iterator[str]:
    if not isinstance(data, dict):
        yield f"{key or kind.cls.__name__}: must be an object"
        return
    fields = {field.encode_name: field for field in kind.fields}
    for name in data:
        if name not in fields:
            yield f"{_joined(key, name)}: unknown key; known are {', '.join(sorted(fields))}"
    for name, field in fields.items():
        if name in data:
            yield from _faults(field.type, data[name], _joined(key, name), ranges)
        elif field.required:
            yield f"{_joined(key, name)}: is missing"


def _number_faults(
    kind: inspect.Type, data: Any, key: str, ranges: Mapping[str, Range]
) -> Iterator[str]:
    whole = isinstance(kind, inspect.IntType)
    if isinstance(data, bool) or not isinstance(data, int if whole else int | float):
        yield f"{key}: {data!r}, a{' whole' if whole else ''} number allowed"
        return
    otherwise = WHOLE if whole else NOT_NEGATIVE
    low, high = ranges.get(key.rpartition(".")[2].partition("[")[0], otherwise)
    yield from out_of(key, data, low, high)


def _word_faults(kind: inspect.Type, data: Any, key: str) -> Iterator[str]:
    if isinstance(kind, inspect.LiteralType):
        if data not in kind.values:
            yield f"{key}: {data!r}, one of {', '.join(map(str, kind.values))} allowed"
        return
    expected = bool if isinstance(kind, inspect.BoolType) else str
    if not isinstance(data, expected):
        yield f"{key}: {data!r}, a {expected.__name__} allowed"


def _joined(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)
