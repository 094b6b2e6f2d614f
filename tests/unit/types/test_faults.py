"""Ranges of configuration keys: both ends allowed, every fault told, with its range."""

import msgspec
import pytest

from node.types.errors import ConfigInvalid
from node.types.faults import out_of, out_of_ranges, raise_faults


class Keys(msgspec.Struct, frozen=True):
    count: int = 1
    share: float = 0.5
    depth: int | None = None


RANGES: dict[str, tuple[float, float]] = {"count": (1, 9), "share": (1e-6, 0.5), "depth": (0, 3)}


@pytest.mark.parametrize("keys", [Keys(), Keys(count=9, share=1e-6), Keys(depth=0), Keys(depth=3)])
def test_both_ends_of_a_range_are_allowed_and_so_is_a_key_without_a_value(keys: Keys) -> None:
    assert out_of_ranges(keys, RANGES) == []


def test_every_fault_is_told_with_key_value_and_range() -> None:
    assert out_of_ranges(Keys(count=0, share=0.6, depth=4), RANGES) == [
        "count: 0, 1 … 9 allowed",
        "share: 0.6, 1e-06 … 0.5 allowed",
        "depth: 4, 0 … 3 allowed",
    ]


def test_what_is_not_a_number_is_in_no_range() -> None:
    assert out_of("share", float("nan"), 0, 1) == ["share: nan, 0 … 1 allowed"]


def test_faults_are_raised_together_and_none_raises_nothing() -> None:
    raise_faults([])
    with pytest.raises(ConfigInvalid) as raised:
        raise_faults(["a", "b"])
    assert raised.value.faults == ("a", "b")
