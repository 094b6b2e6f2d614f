"""Tables of which a narrow terminal shows what matters most."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

NOTHING: Final = "–"

_FRAME: Final = 3
"""What a line and two spaces add to a column; one more line ends the table."""


class FittingTable:
    """Rows under names, without the columns in which no row has anything.

    Where the terminal is narrow, lines are broken at spaces, then columns left out that are
    ``spare``, the first of them first, and said to be. Figures and words are never cut, for each
    would be another one: where there is no more to leave out, the table is wider than the terminal.
    All but ``words`` are figures.
    """

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        words: set[str],
        rows: list[list[Text | str]],
        spare: Sequence[str] = (),
    ) -> None:
        self._title = title
        self._words = words
        self._spare = spare
        cells = zip(names, zip(*rows, strict=True), strict=True) if rows else ()
        self._columns = {
            name: column
            for name, column in cells
            if any(str(cell) not in {NOTHING, ""} for cell in column)
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table that fits."""
        shown, left_out = dict(self._columns), []
        for name in self._spare:
            if sum(_FRAME + self._least(one) for one in shown) < options.max_width:
                break
            if shown.pop(name, None):
                left_out.append(name)
        table = plain_table(self._title)
        for name in shown:
            justify: JustifyMethod = "left" if name in self._words else "right"
            table.add_column(name, justify=justify, overflow="fold", min_width=self._least(name))
        for row in zip(*shown.values(), strict=True):
            table.add_row(*row)
        if left_out:
            table.caption = f"too narrow for {', '.join(left_out)}"
        yield table

    def _least(self, name: str) -> int:
        """Return the columns of the terminal that the longest word of a column takes."""
        return max(len(word) for cell in (name, *self._columns[name]) for word in str(cell).split())


def plain_table(title: str) -> Table:
    """Return a table without columns, its title and caption on the left."""
    return Table(title=title, title_justify="left", title_style="bold", caption_justify="left")
