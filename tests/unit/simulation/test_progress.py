"""A long command tells in a log, too, how far it is."""

import io
from itertools import count
from time import sleep

from rich.console import Console
from rich.progress import MofNCompleteColumn, TextColumn

from node.simulation.progress import shown_progress


def test_without_a_terminal_lines_tell_how_far_it_is() -> None:
    log = io.StringIO()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn())
    with shown_progress(*columns, console=Console(file=log, width=60), pause_s=0.01) as progress:
        task = progress.add_task("planning", total=1_000)
        for done in count(7):
            progress.update(task, completed=done)
            if log.getvalue().count("\n") > 2:
                break
            sleep(0.01)
    first = log.getvalue().splitlines()[0].split()
    assert first[0] == "planning"
    assert first[-1].endswith("/1000")
    told = log.getvalue()
    sleep(0.03)
    assert log.getvalue() == told, "it goes on after the end"


def test_on_a_terminal_nothing_is_left_behind() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=60, force_terminal=True)
    with shown_progress(TextColumn("{task.description}"), console=console) as progress:
        progress.add_task("planning")
    assert "planning" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")
