"""How far a long command is: on standard error, live on a terminal, elsewhere a line now and then.

Whoever reads a log sees by the lines that the command is at work, and not stuck.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_PAUSE_S: Final = 10.0
LINE_WIDTH: Final = 160
"""Columns of a line in a log, which no terminal breaks."""

Teller = Callable[[str], None]
"""Shows a line of what goes on."""


@contextmanager
def shown_progress(
    *columns: ProgressColumn, console: Console | None = None, pause_s: float = LINE_PAUSE_S
) -> Iterator[Progress]:
    """Give the tasks to be kept up to date; they are shown until the block ends."""
    console = console or Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True)
    if console.is_terminal:
        with progress:
            yield progress
        return
    over = Event()

    def tell() -> None:
        while not over.wait(pause_s):
            if progress.tasks:
                console.print(progress.get_renderable(), width=LINE_WIDTH)

    # A thread: what computes in between gives no event loop its turn.
    teller = Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield progress
    finally:
        over.set()
        teller.join()


@contextmanager
def shown_line(text: str) -> Iterator[Teller]:
    """Show ``text``, and whatever the teller that is given says instead."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with shown_progress(*columns) as progress:
        task = progress.add_task(text, total=None)
        yield lambda now: progress.update(task, description=now)
