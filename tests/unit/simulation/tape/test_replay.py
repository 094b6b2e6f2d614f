"""The engine-only replay, from a small tape to the two files it writes."""

import json
from pathlib import Path

import pytest

from node.simulation.tape.replay import replay_engine_only
from node.types.errors import ConfigInvalid

SMALL = Path(__file__).with_name("small.csv")
# Line by line: 7 takes s1 and half of s2; s2's rest is cancelled, so 8 rests; the cancel of the
# filled s1 is unknown; post-only 9 would take and is refused, 10 rests; ann's 11 meets ann's own
# 10, which leaves; bob's 12 takes a quarter of 8; fill-or-kill 13 finds too little; 8 is reduced to
# a quarter, which the market order 14 takes; nobody is unknown; 15 rests.
SMALL_FILLS = """\
maker_id,taker_id,price,size
s1,7,100.5,1
s2,7,100.5,1
8,12,100.5,0.25
8,14,100.5,0.25
"""


def test_a_small_tape_gives_its_counts_and_fills(tmp_path: Path) -> None:
    summary, fills = tmp_path / "out.json", tmp_path / "fills.csv"
    heard: list[int] = []
    replay_engine_only("csv", SMALL, summary, fills, heard.append)
    counts = json.loads(summary.read_text())
    assert counts.pop("ops_per_s") > 0
    assert counts == {
        "operations": 15,
        "fills": 4,
        "volume": 2.5,
        "resting_orders": 1,
        "unknown_references": 2,
        "refused": 2,
        "self_trades": 1,
    }
    assert fills.read_text() == SMALL_FILLS
    assert heard == [15]


def test_the_same_tape_gives_the_same_fills_again() -> None:
    first = replay_engine_only("csv", SMALL, None, None)
    second = replay_engine_only("csv", SMALL, None, None)
    assert first.fills == second.fills


def test_a_whole_volume_is_a_whole_number(tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    head = SMALL.read_text().splitlines()[0]
    tape.write_text(f"{head}\n1,new,1,sell,5,2000000,,\n2,new,2,buy,5,2000000,,\n")
    replay_engine_only("csv", tape, tmp_path / "out.json", None)
    volume = json.loads((tmp_path / "out.json").read_text())["volume"]
    assert (type(volume), volume) == (int, 2_000_000)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigInvalid):
        replay_engine_only("fix", SMALL, None, None)


def test_an_order_with_the_id_of_one_that_rests_is_refused(tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    head = SMALL.read_text().splitlines()[0]
    tape.write_text(f"{head}\n1,new,a,sell,5,2,,\n2,new,a,sell,6,2,,\n3,cancel,a,,,,,\n")
    result = replay_engine_only("csv", tape, None, None)
    assert (result.refused, result.resting_orders, result.unknown_references) == (1, 0, 0)
