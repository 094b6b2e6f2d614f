"""A ramp as one HTML file that needs nothing else: plotly's own JavaScript is in it."""

from pathlib import Path
from typing import Any, Final

from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.report import MixReport, RampReport

_DASHES: Final = {"p50": "solid", "p99": "dash", "p999": "dot"}


def write_page(report: RampReport, file: Path) -> None:
    """Write ``report`` to ``file``. Raises ``OSError``."""
    parts = [
        figure_of(found).to_html(full_html=False, include_plotlyjs=place == 0)
        for place, found in enumerate(report.mixes.values())
    ]
    machine = report.machine
    head = (
        "<!doctype html><meta charset='utf-8'><title>Plimsoll: the ramp</title>"
        "<meta name='viewport' content='width=device-width'>"
        "<style>body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:72rem}</style>"
        f"<h1>The ramp</h1><p>Python {machine.python}, {machine.machine}, {machine.cores} cores;"
        " the load generator ran on the same machine.</p>"
    )
    file.write_text(head + "".join(parts), encoding="utf-8")


def figure_of(found: MixReport) -> Any:
    """Return the plots of one mix, as a plotly figure."""
    # Plotly takes half a second to load, which only a report is worth.
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]  # noqa: PLC0415

    figure = make_subplots(
        rows=2,
        cols=2,
        subplot_titles=(
            "Goodput over offered load",
            "Delay from when an action was due, ms",
            "Refused, share of what was due",
            "Busy share of a core",
        ),
    )
    points = sorted([*found.search, *found.points], key=lambda point: point.offered_per_s)
    _goodput(figure, points, found)
    _delays(figure, points)
    _refusals(figure, found.points)
    _utilization(figure, points)
    figure.update_xaxes(title_text="offered, actions/s")
    figure.update_layout(title=f"{found.mix.value}: knee {found.knee.per_s:,.0f}/s", height=800)
    return figure


def _goodput(figure: Any, points: list[RampPoint], found: MixReport) -> None:
    offered = [point.offered_per_s for point in points]
    figure.add_scatter(x=offered, y=[p.goodput_per_s for p in points], name="goodput", row=1, col=1)
    figure.add_scatter(
        x=offered, y=offered, name="all of it", line={"dash": "dot"}, mode="lines", row=1, col=1
    )
    figure.add_vline(x=found.knee.per_s, line_dash="dash", annotation_text="knee", row=1, col=1)


def _delays(figure: Any, points: list[RampPoint]) -> None:
    for name, dash in _DASHES.items():
        figure.add_scatter(
            x=[point.offered_per_s for point in points],
            y=[point.delay_ms[name] for point in points],
            name=f"delay {name}",
            line={"dash": dash},
            row=1,
            col=2,
        )
    figure.update_yaxes(type="log", row=1, col=2)


def _refusals(figure: Any, points: list[RampPoint]) -> None:
    for name in sorted({name for point in points for name in point.lanes}):
        lanes = [point.lanes.get(name) for point in points]
        figure.add_scatter(
            x=[point.offered_per_s for point in points],
            y=[(lane.refused + lane.lost) / lane.due if lane and lane.due else 0 for lane in lanes],
            name=f"refused: {name}",
            row=2,
            col=1,
        )


def _utilization(figure: Any, points: list[RampPoint]) -> None:
    for name in sorted({name for point in points for name in point.utilization}):
        figure.add_scatter(
            x=[point.offered_per_s for point in points],
            y=[point.utilization.get(name) for point in points],
            name=name,
            row=2,
            col=2,
        )
