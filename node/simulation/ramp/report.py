"""What a ramp found: as a structure for JSON, and as tables for a person."""

import platform
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec
from rich import box
from rich.table import Table

from node.simulation.ramp.knee import Knee
from node.simulation.ramp.machine import cores
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import RampPoint


class Machine(msgspec.Struct, frozen=True):
    """Where the figures come from: they are those of this machine and of no other."""

    python: str
    machine: str
    cores: int

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine."""
        return cls(platform.python_version(), platform.machine(), cores())


class MixReport(msgspec.Struct, frozen=True):
    """One mix. ``search`` are the points that found the knee, ``points`` those at shares of it.

    ``again`` are windows of two of them that were measured more than once; of these the window of
    middling goodput is among ``points``, with the liquidations of the one that a wave went through.
    ``kept_share`` is the goodput at the highest share over that at the knee: below 1 the node is
    retrograde. ``kept_share_at_one_speed`` is the same of the work that was done, goodput times
    ``yardstick_ms``, in the middle ones of all their windows. ``refused_lanes`` are the lanes in
    which anything was refused in ``points`` or ``again``.
    """

    mix: Mix
    knee: Knee
    search: list[RampPoint]
    points: list[RampPoint]
    kept_share: float | None
    refused_lanes: list[str]
    again: list[RampPoint] = []
    kept_share_at_one_speed: float | None = None
    incomplete: bool = False
    """Time was up: the knee is what the search knew by then, and the curve lacks points."""


class RampReport(msgspec.Struct, frozen=True):
    """A whole ramp. Rates are actions a second; a bulk action holds 20 orders."""

    node: str
    machine: Machine
    mixes: dict[str, MixReport]
    incomplete: bool = False
    """Time was up before every mix was known; one of which nothing is known is not there."""


def mix_report(
    mix: Mix,
    knee: Knee,
    search: Sequence[RampPoint],
    points: Sequence[RampPoint],
    *,
    incomplete: bool = False,
) -> MixReport:
    """Return the report of one mix; ``points`` may hold several of one share."""
    refused = {
        name for point in points for name, lane in point.lanes.items() if lane.refused or lane.lost
    }
    shown = [
        _middle([point for point in points if point.share == share])
        for share in dict.fromkeys(point.share for point in points)
    ]
    highest = max((point.share for point in points if point.share is not None), default=0.0)
    return MixReport(
        mix=mix,
        knee=knee,
        search=list(search),
        points=[point for point, _ in shown],
        kept_share=_kept_share([point for point, _ in shown], highest),
        kept_share_at_one_speed=_kept_share(
            list(filter(None, map(_at_one_speed, points))), highest
        ),
        refused_lanes=sorted(refused),
        again=[point for _, others in shown for point in others],
        incomplete=incomplete,
    )


def _middle(points: Sequence[RampPoint]) -> tuple[RampPoint, list[RampPoint]]:
    """Return the point of middling goodput, with the liquidations of any, and the others."""
    by_goodput = sorted(points, key=lambda point: point.goodput_per_s)
    middle = by_goodput.pop(len(by_goodput) // 2)
    waits = [point.liquidations for point in points if point.liquidations is not None]
    if waits and middle.liquidations is None:
        middle = msgspec.structs.replace(middle, liquidations=waits[0])
    return middle, by_goodput


def _kept_share(points: Sequence[RampPoint], highest: float) -> float | None:
    """Return the middle goodput at the ``highest`` share over that at the knee."""
    at_knee, past = (
        [point.goodput_per_s for point in points if point.share == share]
        for share in (1.0, highest)
    )
    if highest <= 1.0 or not past or not at_knee or not median(at_knee):
        return None
    return median(past) / median(at_knee)


def _at_one_speed(point: RampPoint) -> RampPoint | None:
    """Return ``point`` with the work that was done instead of its goodput; None where untold."""
    if point.yardstick_ms is None:
        return None
    worked = point.goodput_per_s * point.yardstick_ms
    return msgspec.structs.replace(point, goodput_per_s=worked)


def tables(report: RampReport) -> Iterable[Table]:
    """Yield a table for each mix."""
    for found in report.mixes.values():
        yield points_table(found)


def points_table(found: MixReport) -> Table:
    """Return the points of one mix for a person; without any, those of the search."""
    knee = found.knee
    bound = "at least " if knee.open_ended else ""
    title = (
        f"{found.mix.value}: knee {bound}{knee.per_s:,.0f}/s"
        f" ({knee.low:,.0f} carried, {knee.high:,.0f} not)"
    )
    if found.kept_share is not None:
        title += f"; past it {found.kept_share:.1%} of the knee's goodput"
    if found.kept_share_at_one_speed is not None:
        title += f", {found.kept_share_at_one_speed:.1%} at one speed of the machine"
    if found.incomplete:
        title += "; incomplete: time was up"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for name in ("× knee", "offered /s", "goodput /s", "p50 ms", "p99 ms", "p99.9 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("refused, by lane")
    table.add_column("liquidations wait p99 ms", justify="right")
    for point in found.points or found.search:
        table.add_row(*_row(point))
    return table


def _row(point: RampPoint) -> Iterable[str]:
    yield "–" if point.share is None else f"{point.share:g}"
    yield f"{point.offered_per_s:,.0f}"
    yield f"{point.goodput_per_s:,.0f}"
    for name in ("p50", "p99", "p999"):
        yield _ms(point.delay_ms[name])
    refused = {name: lane.refused + lane.lost for name, lane in point.lanes.items()}
    # Not for want of room: the flow itself broke a rule, and too many of these spoil a point.
    refused["by rules"] = sum(lane.rejected for lane in point.lanes.values())
    yield ", ".join(f"{name} {count:,}" for name, count in refused.items() if count) or "none"
    waited = point.liquidations
    if waited is None:
        yield "–"
    else:
        yield f"{_ms(waited.wait_ms['p99'])} of {waited.proposed:,}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"
