"""Tables that a person wrote, into frozen structs, with every fault told at once.

A fault names its key with the path that leads to it and says what would be allowed, so that a
person can mend the whole file in one go instead of running into one fault after the other.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from node.types.errors import ConfigInvalid
from node.types.faults import Ordered, out_of_ranges, raise_faults

S = TypeVar("S", bound=msgspec.Struct)


class Faults:
    """Collects what is wrong, over all sections, before anything is refused."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, key: str, fault: str) -> None:
        """Note that ``key`` has ``fault``."""
        self._found.append(f"{key}: {fault}")

    def absorb(self, prefix: str, check: Callable[[], None]) -> None:
        """Run a check that raises ``ConfigInvalid`` and take its faults over, under ``prefix``."""
        try:
            check()
        except ConfigInvalid as error:
            self._found += [_path(prefix, fault) for fault in error.faults]

    def raise_if_any(self) -> None:
        """Raise ``ConfigInvalid`` with everything that was found."""
        raise_faults(self._found)


def read_section(kind: type[S], table: object, prefix: str, faults: Faults) -> S | None:
    """Return ``table`` as a ``kind``, noting every fault; None where it cannot be made at all.

    Every field is converted on its own, and a bad one takes its default meanwhile, so that no fault
    hides another. An unknown key is a fault, with the known ones named. The caller raises in the
    end, so what is made of a faulty table is only ever looked at for further faults.
    """
    if not isinstance(table, Mapping):
        faults.add(prefix, "must be a table")
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    complete = True
    for key in table:
        if key not in fields:
            known = ", ".join(sorted(fields))
            faults.add(_path(prefix, key), f"unknown key; known are {known}")
    for key, field in fields.items():
        if key not in table:
            if field.required:
                faults.add(_path(prefix, key), "is missing")
                complete = False
            continue
        try:
            values[field.name] = msgspec.convert(table[key], type=field.type, strict=True)
        except msgspec.ValidationError as error:
            faults.add(_path(prefix, key), f"{error}")
            complete = complete and not field.required
    return kind(**values) if complete else None


def _path(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def in_range(
    faults: Faults,
    prefix: str,
    section: msgspec.Struct,
    ranges: Mapping[str, tuple[Ordered, Ordered]],
) -> None:
    """Note every number of ``section`` that lies outside its range (both ends allowed)."""
    faults.absorb(prefix, lambda: raise_faults(out_of_ranges(section, ranges)))
