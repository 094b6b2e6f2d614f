"""What was measured as one HTML file that needs nothing else: no network, no server.

plotly's own JavaScript, which its Python package ships, is written into it.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

TEMPLATE: Final = Path(__file__).with_name("page.html")
RATIOS: Final = {"y": "ratio", "low": "ratio_low", "high": "ratio_high"}
AT_ONCE: Final = ("items_per_action", "orders_per_message")
PAUSES: Final = {"p50_us": "p50", "p99_us": "p99", "p999_us": "p99.9", "worst_us": "worst"}


class Section(msgspec.Struct, frozen=True):
    """The rows of one benchmark under its title."""

    title: str
    rows: Sequence[msgspec.Struct]


def page_of(machine: Mapping[str, object], sections: Sequence[Section]) -> str:
    """Return the page: a table for each section, and plots of speeds, pauses and ratios."""
    plots: list[dict[str, Any]] = []
    parts = {
        "MACHINE": escape(", ".join(f"{name} {value}" for name, value in machine.items())),
        "SECTIONS": "".join(_section(section, plots) for section in sections),
        "PLOTLY": files("plotly")
        .joinpath("package_data", "plotly.min.js")
        .read_text(encoding="utf-8"),
        # Within a script element "</" would end it, wherever it stands.
        "DATA": msgspec.json.encode(plots).decode().replace("</", "<\\/"),
    }
    # Cut first and joined then, so that nothing that is put in is looked at for marks.
    cut = TEMPLATE.read_text(encoding="utf-8").split("%%")
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(cut))


def _section(section: Section, plots: list[dict[str, Any]]) -> str:
    rows = [msgspec.structs.asdict(row) for row in section.rows]
    drawn = ""
    for plot in (*_plots_of(rows), *_ratios_of(rows)):
        drawn += f'<h3>{escape(plot["title"])}</h3><div class="plot" id="plot{len(plots)}"></div>'
        plots.append(plot)
    return f"<h2>{escape(section.title)}</h2>{drawn}{_table(rows)}"


def _plots_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return speed and pauses of each tape; none for benchmarks that have no such rows."""
    found = []
    for tape in dict.fromkeys(row.get("tape") for row in rows):
        here = [row for row in rows if row.get("tape") == tape and row.get("p50_us") is not None]
        if not here:
            continue
        names = [row["engine"] for row in here]
        speed = [{"name": "operations a second", "y": [row["ops_per_s"] for row in here]}]
        pauses = [{"name": name, "y": [row[key] for row in here]} for key, name in PAUSES.items()]
        for title, kind, unit, traces in (
            (f"{tape}: speed", "bar", "operations a second", speed),
            (f"{tape}: time of one operation", "scatter", "microseconds", pauses),
        ):
            plot = {"title": title, "type": kind, "unit": unit, "names": names, "traces": traces}
            found.append(plot)
    return found


def _ratios_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the ratios of the section in one plot; none where there are none."""
    here = [row for row in rows if row.get("ratio_low") is not None]
    if not here:
        return []
    spread = {name: [row[key] for row in here] for name, key in RATIOS.items()}
    trace = {"name": "middle, lowest and highest round", **spread}
    names = [", ".join(_words_of(row)) for row in here]
    return [
        {"title": "Ratios", "type": "scatter", "unit": "ratio", "names": names, "traces": [trace]}
    ]


def _words_of(row: dict[str, Any]) -> Iterator[str]:
    """Yield what tells this row from the others of its section."""
    yield from (row[key] for key in ("tape", "engine", "path") if row.get(key))
    yield from (f"{row[key]} at once" for key in AT_ONCE if row.get(key))


def _table(rows: Sequence[dict[str, Any]]) -> str:
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    head = "".join(_head(name, rows[0][name]) for name in columns)
    body = "".join("<tr>" + "".join(map(_cell, map(row.get, columns))) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _head(name: str, first: object) -> str:
    """Return the head of a column, aligned as the column is."""
    texts = ' class="text"' if isinstance(first, str) else ""
    return f"<th{texts}>{escape(name.replace('_', ' '))}</th>"


def _cell(value: object) -> str:
    match value:
        case None:
            return "<td></td>"
        case int():
            return f"<td>{value:,}</td>"
        case float():
            return f"<td>{value:,.2f}</td>"
        case _:
            return f'<td class="text">{escape(str(value))}</td>'
