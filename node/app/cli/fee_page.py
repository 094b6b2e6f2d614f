"""The price's two plays as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Any, Final

from node.planner.fee_replay import Replay
from node.planner.fee_response import STABLE_BELOW, Demand, Response, loop_gain

_HEAD: Final = (
    "<!doctype html><meta charset='utf-8'><title>Plimsoll: the price of work</title>"
    "<meta name='viewport' content='width=device-width'>"
    "<style>body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:72rem}</style>"
    "<h1>The price of work</h1>"
)
_EVERY: Final = 10
"""Points between two that are drawn: the plots are no finer than a screen."""


def write_page(
    file: Path, responses: list[tuple[Demand, Response]], ours: Replay, naive: Replay
) -> None:
    """Write the plots to ``file``. Raises ``OSError``."""
    rush = (
        "<p>A rush of five times the calm demand. The price settles while its loop gain k·τ stays"
        f" below π/2 = {STABLE_BELOW:.2f}, and swings above it.</p>"
    )
    day = (
        "<p>15 December 2023: ten times the base fee, one batch in four L1 blocks, at most ten in"
        " flight. Blue: forecast and load. Orange: the last posted cost.</p>"
    )
    steps = _steps(responses).to_html(full_html=False, include_plotlyjs=True)
    days = _day(ours, naive).to_html(full_html=False, include_plotlyjs=False)
    parts = (_HEAD, rush, steps, day, days)
    file.write_text("".join(parts), encoding="utf-8")


def _figure(rows: int, titles: tuple[str, ...]) -> Any:
    # Plotly takes half a second to load, which only a report is worth.
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]  # noqa: PLC0415

    return make_subplots(rows=rows, cols=1, shared_xaxes=True, subplot_titles=titles)


def _steps(responses: list[tuple[Demand, Response]]) -> Any:
    figure = _figure(2, ("price over its floor", "load, share of capacity"))
    colours = ("#1f77b4", "#2ca02c", "#d62728")
    for (demand, response), colour in zip(responses, colours, strict=True):
        name = f"delay {demand.delay_s:g} s: gain {loop_gain(demand):.2f}"
        for row, series in ((1, response.price), (2, response.load)):
            _line(figure, row, response.time_s, series, name, colour)
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_xaxes(title_text="seconds", row=2, col=1)
    figure.update_layout(height=640)
    return figure


def _day(ours: Replay, naive: Replay) -> Any:
    titles = (
        "messages held",
        "batches in flight",
        "price of a unit, millionths (dotted: what its gas cost then)",
        "charged (full) and paid to L1 (dashed), quote units from the start",
    )
    figure = _figure(4, titles)
    for day, name, colour in ((ours, "forecast", "#1f77b4"), (naive, "last cost", "#ff7f0e")):
        for row, series in (
            (1, day.held),
            (2, day.in_flight),
            (3, day.unit_price),
            (4, day.charged),
        ):
            _line(figure, row, day.time_s / 60, series, name, colour)
        _line(figure, 4, day.time_s / 60, day.paid, name, colour, "dash")
    _line(figure, 3, ours.time_s / 60, ours.unit_cost, "cost", "#555555", "dot")
    figure.update_yaxes(type="log", row=3, col=1)
    figure.update_xaxes(title_text="minutes", row=4, col=1)
    figure.update_layout(height=1_100)
    return figure


def _line(
    figure: Any, row: int, x: Any, y: Any, name: str, colour: str, dash: str = "solid"
) -> None:
    figure.add_scatter(
        x=x[::_EVERY].tolist(),
        y=y[::_EVERY].tolist(),
        name=name,
        line={"color": colour, "dash": dash},
        mode="lines",
        legendgroup=name,
        showlegend=row == 1,
        row=row,
        col=1,
    )
