"""What ``plimsoll replay`` takes and tells."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from node.simulation.replay.command import ReplayOptions, replay, report_table
from node.simulation.replay.outcomes import Outcomes
from node.types.errors import ConfigInvalid

TAPE = (
    "time_ns,op,id,side,price,size,tif,account\n"
    "0,new,a,sell,100.5,2,,x\n"
    "1,new,b,buy,100.5,1.5,ioc,y\n"
    "2,cancel,zzz,,,,,\n"
)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def test_all_faults_of_the_options_are_told_at_once(tmp_path: Path) -> None:
    options = ReplayOptions(connections=0, window=0, accounts=0, limit=0, fills_path=tmp_path)
    with pytest.raises(ConfigInvalid) as refused:
        replay(options, quiet())
    keys = {fault.split(":")[0] for fault in refused.value.faults}
    assert keys == {"connections", "window", "accounts", "limit", "fills"}


def test_a_flow_that_is_not_there_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        replay(ReplayOptions(flow=tmp_path / "none.toml"), quiet())


def test_a_tape_ends(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        replay(ReplayOptions(file=tmp_path / "tape.csv", loop=True), quiet())
    assert refused.value.faults == ("loop: only with a flow; a tape ends",)


def test_the_engine_alone_needs_a_tape() -> None:
    with pytest.raises(ConfigInvalid):
        replay(ReplayOptions(engine_only=True), quiet())


def test_the_engine_alone_writes_counts_and_fills(tmp_path: Path) -> None:
    tape, counts, fills = (tmp_path / name for name in ("tape.csv", "out.json", "fills.csv"))
    tape.write_text(TAPE, encoding="utf-8")
    console = quiet()
    options = ReplayOptions(engine_only=True, file=tape, json_path=counts, fills_path=fills)
    assert replay(options, console) == 0
    written = msgspec.json.decode(counts.read_bytes())
    assert (written["operations"], written["fills"], written["resting_orders"]) == (3, 1, 1)
    assert written["unknown_references"] == 1
    assert fills.read_text(encoding="utf-8").splitlines()[1] == "a,b,100.5,1.5"
    assert isinstance(console.file, io.StringIO)
    assert "1 unknown references" in console.file.getvalue()


def test_a_report_without_an_answer_can_still_be_shown() -> None:
    console = quiet()
    console.print(report_table(Outcomes().report(0.0)))
    assert isinstance(console.file, io.StringIO)
    assert "0 offered = 0 accepted + 0 refused + 0 lost" in console.file.getvalue()
