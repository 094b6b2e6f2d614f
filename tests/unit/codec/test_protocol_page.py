"""docs/PROTOCOL.md is normative: what it lists is what the code writes."""

import re
from pathlib import Path

from node.codec.action_types import STRUCTS, encode_type
from node.codec.batch import DEFAULT_LIMITS
from node.codec.columns import COLUMNS, RARE_COLUMNS, Kind
from node.codec.json_actions import MESSAGE_BYTES_MAX

PAGE = (Path(__file__).parents[3] / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")


def test_the_columns_stand_in_their_order() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\w.]+) \|", PAGE, re.MULTILINE)
    names = (*COLUMNS, *RARE_COLUMNS)
    assert rows == [(str(place), name) for place, name in enumerate(names, start=1)]
    assert f"columns 1 … {len(COLUMNS)} in bytes" in PAGE


def test_every_signed_struct_is_spelt_out() -> None:
    for name in STRUCTS:
        own_part = encode_type(name).partition(")")[0] + ")"
        assert own_part in PAGE


def test_every_kind_is_named_with_its_number() -> None:
    for kind in Kind:
        assert f"{kind} {kind.name.title().replace('_', '')}" in " ".join(PAGE.split())


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{MESSAGE_BYTES_MAX:,} bytes" in PAGE
    assert f"{DEFAULT_LIMITS.commands:,} commands" in PAGE
    assert f"{DEFAULT_LIMITS.column_bytes // 2**20} MiB of columns" in PAGE
