"""docs/PROTOCOL.md is normative: what it lists is what the code writes."""

import json
import re
from pathlib import Path
from typing import get_args

from node.codec.action_types import STRUCTS, encode_type
from node.codec.batch import DEFAULT_LIMITS
from node.codec.columns import COLUMNS, RARE_COLUMNS, Kind
from node.codec.json_actions import MESSAGE_BYTES_MAX
from node.types.commands import (
    Action,
    AmendOrder,
    CancelOrder,
    NewOrder,
    PriceReport,
    SignedAction,
    SystemCommand,
)

TOP = Path(__file__).parents[3]
PAGE = (TOP / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")

_LEAF = re.compile(r"^\| `(\d\d)`(.*?) \| (.+) \| (\d[^|]*) \|$", re.MULTILINE)
_FIELDS = re.compile(r"([^;()]+) \((\d+)( each)?")


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


def test_the_fields_of_each_command_stand_in_their_order() -> None:
    head = Action.__struct_fields__
    for command in get_args(SignedAction) + get_args(SystemCommand):
        fields = command.__struct_fields__
        own = ("head", *fields[len(head) :]) if issubclass(command, Action) else fields
        tag = command.__struct_config__.tag
        assert f"| {tag} {command.__name__} | {', '.join(own) or 'none'} |" in PAGE
    parts = {
        "head": Action,
        "cancel": CancelOrder,
        "order": NewOrder,
        "amend": AmendOrder,
        "report": PriceReport,
    }
    for name, part in parts.items():
        assert f"| {name} | {', '.join(part.__struct_fields__)} |" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    assert f"{MESSAGE_BYTES_MAX:,} bytes" in PAGE
    assert f"{DEFAULT_LIMITS.commands:,} commands" in PAGE
    assert f"{DEFAULT_LIMITS.column_bytes // 2**20} MiB of columns" in PAGE


def width_of(fields: str) -> int:
    """Return how many bytes a row says that its fields have."""
    return sum(
        int(width) * (len(names.split(",")) if each else 1)
        for names, width, each in _FIELDS.findall(fields)
    )


def test_the_leaves_are_as_wide_as_those_of_the_vectors() -> None:
    told = {int(kind): row for kind, *row in _LEAF.findall(PAGE)}
    seen: set[int] = set()
    for path in (TOP / "tests" / "vectors").glob("*/*.json"):
        vector = json.loads(path.read_bytes())
        for name, value in vector.get("post", {}).items():
            key, leaf = bytes.fromhex(name[2:]), bytes.fromhex(value[2:])
            key_fields, fields, width = told[key[0]]
            seen.add(key[0])
            assert not any(key[1 + width_of(key_fields) :])
            if key[0] == 1:
                window = vector["rules"]["limits"]["nonce_window"] // 8
                own, pair, agent = map(int, re.findall(r"\d+", width))
                names = int.from_bytes(leaf[own + window - 2 : own + window], "big")
                assert names % pair == 0
                assert (len(leaf) - names - own - window) % (agent + window) == 0
            else:
                assert len(leaf) == int(width)
                assert key[0] == 5 or width_of(fields) == int(width)
    assert seen == set(told) == set(range(8))
