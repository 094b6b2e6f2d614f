"""The verdicts of ``plimsoll plan --verify`` as a person reads them."""

import msgspec
from rich.console import Console

from node.app.cli.verify_plan import VerifyReport, shown_knee, verdict_table
from node.simulation.ramp.report import Machine
from tests.unit.planner.test_verification import verdict


def shown(loop_below: float) -> str:
    found = msgspec.structs.replace(verdict(1_000.0), loop_below=loop_below)
    report = VerifyReport("http://127.0.0.1:1", Machine.here(), {"single": found})
    console = Console(width=200)
    with console.capture() as capture:
        console.print(verdict_table(report))
    return capture.get()


def test_the_table_tells_how_busy_the_busiest_quiet_loop_was() -> None:
    assert "to 44%, loop to 68%" in shown(0.68)
    assert "to 44%, loop to 31%" in shown(0.31)


def test_a_node_is_told_of_which_mix_its_knees_are() -> None:
    assert shown_knee(msgspec.structs.replace(verdict(1_000.0), mix="bulk")).mix == "bulk"
