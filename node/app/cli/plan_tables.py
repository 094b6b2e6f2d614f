"""A plan on the terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from node.planner.answer import Answer, Band
from node.planner.report import PlanReport
from node.planner.sweep import FIGURES, Sweep
from node.planner.target import Way
from node.planner.wording import figure_rows, load_told, number, rate_told, seconds, share


def shown(report: PlanReport) -> RenderableType:
    """Return the whole report."""
    parts: list[RenderableType] = list(_head(report.answer))
    parts += [_figures(report.answer), _lanes(report.answer)]
    if report.answer.phases:
        parts.append(_phases(report.answer))
    if report.way is not None:
        parts += list(_way(report.way, report.way_knee))
    if report.sweep is not None:
        parts.append(_sweep(report.sweep))
    parts += [Text(f"note: {note}") for note in report.answer.notes]
    return Group(*parts)


def _head(answer: Answer) -> Iterator[RenderableType]:
    law = answer.law
    yield Text(f"{answer.scenario}: {answer.about}")
    yield Text(
        f"{answer.runs:,} runs of {answer.horizon_s:,.0f} s, seed {answer.seed}, "
        f"{rate_told(answer)}\n"
    )
    yield Text(
        f"The line: {law.limit_per_s:,.0f} actions/s, by {law.bottleneck}; "
        f"then {law.next_per_s:,.0f}/s, by {law.next_bottleneck}. Load {load_told(answer)}.",
        style="bold",
    )
    limits = ", ".join(f"{name} {number(value)}/s" for name, value in law.limits_per_s.items())
    yield Text(f"Ceilings by law: {limits}\n")


def _figures(answer: Answer) -> Table:
    table = Table("Over the runs", "P5", "P50", "P95", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in figure_rows(answer):
        table.add_row(*row)
    return table


def _lanes(answer: Answer) -> Group:
    came = Table("Lane", "arrived", "refused P5 … P95", "lane full", "gate", "stale mark")
    took = Table("Lane", "wait p50", "p99", "delay p50", "p99", "mean wait", "by law")
    for column in (*came.columns[1:], *took.columns[1:]):
        column.justify = "right"
    for lane in answer.lanes:
        refused = f"{share(lane.refused_share.p5)} … {share(lane.refused_share.p95)}"
        causes = (number(found.p50) for found in lane.refused_by.values())
        came.add_row(lane.name, number(lane.arrived.p50), refused, *causes)
        took.add_row(
            lane.name,
            seconds(lane.pooled_wait_p50_s),
            seconds(lane.pooled_wait_p99_s),
            seconds(lane.pooled_delay_p50_s),
            seconds(lane.pooled_delay_p99_s),
            seconds(lane.wait_mean_s),
            seconds(lane.law_wait_mean_s),
        )
    return Group(came, took)


def _phases(answer: Answer) -> Table:
    table = Table("L1 phase", "L1 carries", "the node carries", "bottleneck")
    for phase in answer.phases:
        table.add_row(
            f"{phase.from_s:,.0f} … {phase.until_s:,.0f} s",
            f"{number(phase.l1_per_s)}/s",
            f"{number(phase.limit_per_s)}/s",
            phase.bottleneck,
        )
    return table


def _way(way: Way, knee: Band | None) -> Iterator[RenderableType]:
    if not way.changes and not way.stuck:
        carried = f"{way.carried_per_s:,.0f}/s by law"
        yield Text(f"\n{way.target_per_s:,.0f}/s are carried already: {carried}")
        return
    yield Text(f"\nTo carry {way.target_per_s:,.0f} actions/s, in this order:")
    table = Table("", "bottleneck", "carries", "factor", "key", "now", "needed")
    for place, change in enumerate(way.changes, start=1):
        key = f"{change.key}\n({change.node_key})" if change.node_key else change.key
        table.add_row(
            str(place),
            change.resource,
            f"{number(change.limit_per_s)}/s",
            f"×{change.factor:.3g}",
            key,
            number(change.now),
            number(change.needed),
        )
    yield table
    for place, change in enumerate(way.changes, start=1):
        yield Text(f"{place}: {change.because}")
    yield Text(f"Then the law gives {way.reached_per_s:,.0f}/s.")
    if knee is not None:
        low, middle, high = (number(value) for value in (knee.p5, knee.p50, knee.p95))
        yield Text(f"The Monte Carlo's knee is there at {low} … {middle} … {high}/s.")
    if way.stuck:
        yield Text(f"It ends there: {way.stuck}.")


def _sweep(sweep: Sweep) -> Table:
    keys = [axis.key for axis in sweep.axes]
    table = Table(*keys, *FIGURES.values())
    for column in table.columns:
        column.justify = "right"
    for point in sweep.points:
        at = [number(point.at[key]) for key in keys]
        table.add_row(*at, *(number(point.figures[name]) for name in FIGURES))
    return table
