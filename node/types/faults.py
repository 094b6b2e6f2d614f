"""What is wrong with a configuration: each fault names its key and the allowed range.

Whoever checks collects every fault before anything is refused, so that a person can mend a whole
file in one go instead of running into one fault after the other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from node.types.errors import ConfigInvalid


class Ordered(Protocol):
    """A number, of whichever kind: the core has no floats, its configuration's readers do."""

    def __le__(self, other: Any, /) -> bool:
        """Return whether it is at most ``other``."""
        ...


def out_of(name: str, value: Ordered, low: Ordered, high: Ordered) -> list[str]:
    """Return the fault of ``name`` where ``value`` lies outside its range (both ends allowed)."""
    # Written so that a value that is not a number is a fault, too.
    return [] if low <= value <= high else [f"{name}: {value}, {low} … {high} allowed"]


def out_of_ranges(keys: msgspec.Struct, ranges: Mapping[str, tuple[Ordered, Ordered]]) -> list[str]:
    """Return a fault for each key that lies outside its range; one that is None has no value."""
    return [
        fault
        for name, (low, high) in ranges.items()
        if (value := getattr(keys, name)) is not None
        for fault in out_of(name, value, low, high)
    ]


def raise_faults(faults: Sequence[str]) -> None:
    """Raise ``ConfigInvalid`` with all of ``faults``, if there is any."""
    if faults:
        raise ConfigInvalid(faults=tuple(faults))
