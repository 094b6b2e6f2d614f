"""``python -m tests.benchmarks``: measure, show, and write down; ``--help`` tells how."""

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console, JustifyMethod
from rich.table import Table

from tests.benchmarks.admission import measure_admission
from tests.benchmarks.book import measure_books
from tests.benchmarks.burdens import measure_burdens
from tests.benchmarks.page import Section, page_of
from tests.benchmarks.plan import measure_plan
from tests.benchmarks.transition import measure_transition
from tests.benchmarks.whole import measure_whole
from tests.benchmarks.worst_case import measure_worst_cases

BENCHMARKS: Final[dict[str, tuple[str, Callable[[], Sequence[msgspec.Struct]]]]] = {
    "book": ("The book: operations a second; ratio = ours over theirs", measure_books),
    "transition": (
        "The transition: items a second; ratio = ours over bare matching",
        measure_transition,
    ),
    "admission": (
        "Admission: orders a second; ratio = over eth-account with single orders",
        measure_admission,
    ),
    "whole": (
        "The whole path: orders a second; ratio = over eth-account with single orders",
        measure_whole,
    ),
    "worst_case": (
        "The dearest command of each kind, in microseconds; bound = its worst case in units",
        measure_worst_cases,
    ),
    "plan": ("A plan: 1,000 runs of an hour, 100 of its knee", measure_plan),
    "burdens": ("What the exchange weighs", measure_burdens),
}
"""The title of each benchmark, and what measures it."""

FILE_COLUMNS: Final = 220


def names_in(text: str) -> list[str]:
    """Return the benchmarks named in ``text``, in the order in which they are run."""
    named = text.split(",")
    unknown = [name for name in named if name not in BENCHMARKS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}"
        )
    return [name for name in BENCHMARKS if name in named]


def table_of(title: str, rows: Sequence[msgspec.Struct]) -> Table:
    """Return ``rows`` as a table; a column in which every row is empty is left out."""
    values = [msgspec.structs.asdict(row) for row in rows]
    columns = [name for name in values[0] if any(row[name] is not None for row in values)]
    table = Table(title=title, title_justify="left")
    for name in columns:
        justify: JustifyMethod = "left" if _is_text(values, name) else "right"
        # A title of several words can be broken where the terminal is narrow.
        table.add_column(name.replace("_", " "), justify=justify)
    for row in values:
        table.add_row(*(_shown(row[name]) for name in columns))
    return table


def _is_text(values: list[dict[str, Any]], name: str) -> bool:
    return any(isinstance(row[name], str) for row in values)


def _shown(value: str | float | None) -> str:
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.3f}"
        case _:
            return value


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def report(results: dict[str, Sequence[msgspec.Struct]]) -> bytes:
    """Return the JSON form: the machine, and the rows of each benchmark."""
    return msgspec.json.format(msgspec.json.encode({"machine": machine(), **results}), indent=2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that are asked for."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure, show, and write down.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write them there as a page")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder of recorded tapes (PLIMSOLL_DATA)"
    )
    parser.add_argument(
        "--only",
        type=names_in,
        default=list(BENCHMARKS),
        metavar="NAMES",
        help=f"some of {','.join(BENCHMARKS)}",
    )
    chosen = parser.parse_args(arguments)
    if chosen.data is not None:
        os.environ["PLIMSOLL_DATA"] = str(chosen.data)
    console = Console()
    if not console.is_terminal:
        # A file is as wide as its widest table; only a person's window is narrow.
        console = Console(width=FILE_COLUMNS)
    results: dict[str, Sequence[msgspec.Struct]] = {}
    for name in chosen.only:
        title, measure = BENCHMARKS[name]
        results[name] = measure()
        console.print(table_of(title, results[name]))
    if chosen.html is not None:
        sections = [Section(BENCHMARKS[name][0], rows) for name, rows in results.items()]
        chosen.html.write_text(page_of(machine(), sections), encoding="utf-8")
    if chosen.json is not None:
        chosen.json.write_bytes(report(results) + b"\n")


if __name__ == "__main__":
    main()
