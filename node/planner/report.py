"""The report of a plan as one HTML file that needs nothing else: no network, no server.

The page and its script are ``report_page.html``; plotly's own JavaScript, which its Python package
ships, is written into it.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

import msgspec

from node.planner.answer import Answer, Band
from node.planner.sweep import FIGURES, Sweep
from node.planner.target import Way
from node.planner.wording import figure_rows, load_told, number, rate_told, seconds, share


class PlanReport(msgspec.Struct, frozen=True):
    """All that one call of the planner answered."""

    answer: Answer
    way: Way | None = None
    """What must change for a target."""
    way_knee: Band | None = None
    """The knee, by Monte Carlo, once all of it has changed."""
    sweep: Sweep | None = None


def page_of(report: PlanReport) -> str:
    """Return the report as a page."""
    template = files("node.planner").joinpath("report_page.html").read_text(encoding="utf-8")
    script = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    # Within a script element "</" would end it, wherever it stands.
    data = (
        msgspec.json.encode({"report": report, "figures": FIGURES}).decode().replace("</", "<\\/")
    )
    answer = report.answer
    parts = {
        "TITLE": escape(answer.scenario),
        "ABOUT": escape(answer.about),
        "SUMMARY": _summary(answer),
        "FIGURES": _table(("over the runs", "P5", "P50", "P95"), figure_rows(answer)),
        "LANES": _lanes(answer),
        "PHASES": _phases(answer),
        "WAY": _way(report.way, report.way_knee),
        "SWEEP": _sweep(report.sweep),
        "NOTES": "".join(f"<p class=note>{escape(note)}</p>" for note in answer.notes),
        "DATA": data,
        "PLOTLY": script,
    }
    # Cut first and joined then, so that nothing that is put in is looked at for marks.
    cut = template.split("%%")
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(cut))


def _summary(answer: Answer) -> str:
    law = answer.law
    cards = (
        ("the line", f"{law.limit_per_s:,.0f}/s", f"set by {law.bottleneck}"),
        ("then", f"{law.next_per_s:,.0f}/s", f"set by {law.next_bottleneck}"),
        (
            "knee",
            f"{number(answer.knee.p50)}/s",
            f"{number(answer.knee.p5)} – {number(answer.knee.p95)}",
        ),
        ("load", load_told(answer), rate_told(answer)),
        (
            "liquidation delay p99",
            seconds(answer.liquidations.pooled_delay_p99_s),
            f"late: {share(answer.liquidations.late_share.p50)}",
        ),
        (
            "bad debt P95",
            number(answer.liquidations.bad_debt.p95),
            f"in {answer.liquidations.runs_with_bad_debt:.0%} of the runs",
        ),
        (
            "time to finality",
            seconds(answer.chain.finality_p50_s.p50),
            f"p99 {seconds(answer.chain.finality_p99_s.p50)}",
        ),
        (
            "gate closed",
            seconds(answer.chain.gate_closed_s.p50),
            f"of {answer.horizon_s:,.0f} s, {answer.runs:,} runs, seed {answer.seed}",
        ),
    )
    return "".join(
        f"<div class=card><span>{escape(name)}</span><b>{escape(value)}</b>"
        f"<i>{escape(more)}</i></div>"
        for name, value, more in cards
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f"<div class=wide><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _lanes(answer: Answer) -> str:
    head = (
        "lane", "arrived", "refused P5 – P95", "lane full", "gate", "stale mark",
        "wait p50", "wait p99", "delay p50", "delay p99", "mean wait", "by law",
    )  # fmt: skip
    rows = (
        (
            lane.name,
            number(lane.arrived.p50),
            f"{share(lane.refused_share.p5)} – {share(lane.refused_share.p95)}",
            *(number(found.p50) for found in lane.refused_by.values()),
            seconds(lane.pooled_wait_p50_s),
            seconds(lane.pooled_wait_p99_s),
            seconds(lane.pooled_delay_p50_s),
            seconds(lane.pooled_delay_p99_s),
            seconds(lane.wait_mean_s),
            seconds(lane.law_wait_mean_s),
        )
        for lane in answer.lanes
    )
    return _table(head, rows)


def _phases(answer: Answer) -> str:
    if not answer.phases:
        return ""
    rows = (
        (
            f"{phase.from_s:,.0f} – {phase.until_s:,.0f} s",
            f"{number(phase.l1_per_s)}/s",
            f"{number(phase.limit_per_s)}/s",
            phase.bottleneck,
        )
        for phase in answer.phases
    )
    head = ("phase of L1", "L1 carries", "the node carries", "bottleneck")
    return "<h2>While L1 is not itself</h2>" + _table(head, rows)


def _way(way: Way | None, knee: Band | None) -> str:
    if way is None:
        return ""
    rows = (
        (
            str(place),
            change.resource,
            f"{number(change.limit_per_s)}/s",
            f"×{change.factor:.3g}",
            change.key + (f" ({change.node_key})" if change.node_key else ""),
            number(change.now),
            number(change.needed),
            change.because,
        )
        for place, change in enumerate(way.changes, start=1)
    )
    head = ("", "bottleneck", "carries", "factor", "key", "now", "needed", "why")
    told = (
        f"Today {way.carried_per_s:,.0f}/s by law; after these changes {way.reached_per_s:,.0f}/s."
    )
    if knee is not None:
        told += (
            f" The Monte Carlo finds the knee there at {number(knee.p5)} – {number(knee.p95)}/s."
        )
    if way.stuck:
        told += f" It ends there: {way.stuck}."
    title = f"<h2>To carry {way.target_per_s:,.0f} actions/s</h2>"
    return f"{title}<div class=told>{_table(head, rows)}</div><p>{escape(told)}</p>"


def _sweep(sweep: Sweep | None) -> str:
    if sweep is None:
        return ""
    keys = [axis.key for axis in sweep.axes]
    rows = (
        (
            *(number(point.at[key]) for key in keys),
            *(number(point.figures[name]) for name in FIGURES),
        )
        for point in sweep.points
    )
    plot = "<label>figure <select id=choice></select></label><div id=sweep class='plot tall'></div>"
    return f"<h2>Sweep</h2>{plot}" + _table((*keys, *FIGURES.values()), rows)
