"""A ramp as one HTML file that needs nothing else."""

from pathlib import Path
from typing import Final

from node.simulation.plots import TONES, Chapter, Panel, Trace, plots_page
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.report import MixReport, RampReport

_DASHES: Final = {"p50": "solid", "p99": "dash", "p999": "dot"}
_OFFERED: Final = "offered, actions/s"


def write_page(report: RampReport, file: Path) -> None:
    """Write ``report`` to ``file``. Raises ``OSError``."""
    file.write_text(page_of(report), encoding="utf-8")


def page_of(report: RampReport) -> str:
    """Return ``report`` as a page, a chapter for each mix."""
    machine = report.machine
    where = (
        f"Python {machine.python}, {machine.machine}, {machine.cores} cores; the load generator ran"
        " on the same machine. The dashed upright is the knee."
    )
    if report.incomplete:
        where += " The ramp is incomplete: time was up."
    mixes = [_chapter(found) for found in report.mixes.values()]
    return plots_page("the ramp", [Chapter(where, []), *mixes])


def _chapter(found: MixReport) -> Chapter:
    points = [*found.search, *found.points, *found.again]
    points.sort(key=lambda point: point.offered_per_s)
    knee = found.knee.per_s
    panels = [
        Panel("Goodput over offered load", _OFFERED, "actions/s", _goodput(points), mark=knee),
        Panel(
            "Delay from when an action was due",
            _OFFERED,
            "ms",
            _delays(points),
            log=True,
            mark=knee,
        ),
        Panel("Refused", _OFFERED, "share of what was due", _refusals(found.points), mark=knee),
        Panel(
            "Busy; the event loop with its wait for a core",
            _OFFERED,
            "share of a core",
            _utilization(points),
            mark=knee,
        ),
    ]
    state = ", incomplete" if found.incomplete else ""
    return Chapter("", panels, f"{found.mix.value}: knee {knee:,.0f}/s{state}")


def _trace(
    name: str, points: list[RampPoint], y: list[float | None], tone: int, dash: str = "solid"
) -> Trace:
    offered = [point.offered_per_s for point in points]
    return Trace(name, offered, y, tone % TONES, dash, points=True)


def _goodput(points: list[RampPoint]) -> list[Trace]:
    done: list[float | None] = [point.goodput_per_s for point in points]
    offered = [point.offered_per_s for point in points]
    return [_trace("goodput", points, done, 0), Trace("all of it", offered, [*offered], 5, "dot")]


def _delays(points: list[RampPoint]) -> list[Trace]:
    return [
        _trace(name, points, [point.delay_ms[name] for point in points], 0, dash)
        for name, dash in _DASHES.items()
    ]


def _refusals(points: list[RampPoint]) -> list[Trace]:
    traces = []
    for tone, name in enumerate(sorted({name for point in points for name in point.lanes})):
        lanes = [point.lanes.get(name) for point in points]
        shares: list[float | None] = [
            (lane.refused + lane.lost) / lane.due if lane and lane.due else 0 for lane in lanes
        ]
        traces.append(_trace(name, points, shares, tone))
    return traces


def _utilization(points: list[RampPoint]) -> list[Trace]:
    names = sorted({name for point in points for name in point.utilization})
    return [
        # There are more of them than tones: those of the second round are dashed.
        _trace(
            name,
            points,
            [point.utilization.get(name) for point in points],
            tone,
            "dash" if tone >= TONES else "solid",
        )
        for tone, name in enumerate(names)
    ]
