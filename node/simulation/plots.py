"""Plots as one HTML file that needs nothing else: no network, no server.

The page and its script are ``plots.html``; plotly's own JavaScript, which its Python package ships,
is written into it. The page is light or dark as its reader's screen is, and fits a phone.
"""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

import msgspec

TONES: Final = 6
"""Colours that the page has for traces."""


class Trace(msgspec.Struct, frozen=True):
    """A line, or bars with ``spread`` to either side; ``tone`` is which colour of the page.

    A trace without a ``name`` is in no legend. ``points`` marks what was measured.
    """

    name: str
    x: list[Any]
    y: list[float | None]
    tone: int
    dash: str = "solid"
    points: bool = False
    bars: bool = False
    spread: list[float] = []


class Panel(msgspec.Struct, frozen=True):
    """One plot; the titles of its axes name their units. ``mark`` is a place on its x axis."""

    caption: str
    x_title: str
    y_title: str
    traces: list[Trace]
    log: bool = False
    mark: float | None = None


class Chapter(msgspec.Struct, frozen=True):
    """Plots that belong together, and what is to be said of them."""

    text: str
    panels: list[Panel]
    title: str = ""


def plots_page(title: str, chapters: Sequence[Chapter]) -> str:
    """Return the page."""
    panels = [panel for chapter in chapters for panel in chapter.panels]
    plotly = files("plotly").joinpath("package_data", "plotly.min.js")
    numbered = iter(range(len(panels)))
    parts = {
        "TITLE": escape(title),
        "HEADING": escape(title[:1].upper() + title[1:]),
        "CHAPTERS": "".join(_chapter(chapter, numbered) for chapter in chapters),
        "PLOTLY": plotly.read_text(encoding="utf-8"),
        # Within a script element "</" would end it, wherever it stands.
        "DATA": msgspec.json.encode(panels).decode().replace("</", "<\\/"),
    }
    # Cut first and joined then, so that nothing that is put in is looked at for marks.
    cut = files("node.simulation").joinpath("plots.html").read_text(encoding="utf-8").split("%%")
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(cut))


def _chapter(chapter: Chapter, numbers: Iterator[int]) -> str:
    heading = f"<h2>{escape(chapter.title)}</h2>" if chapter.title else ""
    figures = "".join(
        f"<figure><figcaption>{escape(panel.caption)}</figcaption>"
        f'<div id="plot{next(numbers)}" class="plot"></div></figure>'
        for panel in chapter.panels
    )
    text = f"<p>{escape(chapter.text)}</p>" if chapter.text else ""
    return f'{heading}{text}<div class="pair">{figures}</div>'
