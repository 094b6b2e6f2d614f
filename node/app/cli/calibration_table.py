"""A calibration and its changes, for a person to read."""

from collections.abc import Iterable, Iterator

from rich.table import Table

from node.planner.calibration import Calibration
from node.planner.chain_law import ChainLaw
from node.planner.flow_law import ArrivalLaw, FlowLaw
from node.planner.recalibration import Change
from node.planner.regression import LinearLaw
from node.planner.service_law import ANY, ServiceLaw

DEVIATIONS = 1.96
"""Of a normal law, on each side: 95 %."""
MS_FROM = 2e-3
"""Shorter times are told in microseconds."""


def tables_of(found: Calibration) -> Iterator[Table]:
    """Yield the tables of a calibration; parts that no source told have none."""
    yield _source_table(found)
    if found.services:
        yield _service_table(found.services)
    laws = {
        "loop, beside them": found.loop,
        "cold commands": found.cold,
        "making blocks": found.blocks,
        "journal": found.journal,
    }
    laws |= {f"process {name}": law for name, law in found.processes.items()}
    told = {name: law for name, law in laws.items() if law is not None and law.terms}
    if told:
        yield _linear_table(told)
    if found.l1 is not None:
        yield _chain_table(found.l1)
    if found.flow is not None:
        yield _flow_table(found.flow)
        if found.flow.arrivals is not None:
            yield _arrival_table(found.flow.arrivals)


def change_lines(changes: Iterable[Change]) -> Iterator[str]:
    """Yield a line for each change: what, from, to, how much, how surely."""
    for change in changes:
        what = f"{change.stage} {change.kind}".strip()
        yield (
            f"changed: {what}: {_time(change.before_s)} → {_time(change.after_s)}"
            f" ({change.relative:+.0%}, p = {change.p_value:.1g})"
        )


def _time(seconds: float) -> str:
    """Return a time with its unit; below a microsecond's tenth it is nothing."""
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    if seconds >= MS_FROM:
        return f"{seconds * 1e3:,.2f} ms"
    return f"{seconds * 1e6:,.1f} µs"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    return table


def _source_table(found: Calibration) -> Table:
    source = found.source
    table = Table(title="Measured from", title_justify="left", show_header=False)
    if source.what != "tape":
        table.add_row("windows", f"{source.windows} used, {source.windows_left_out} left out")
        table.add_row("work", f"{source.commands:,} commands in {source.seconds:,.0f} s")
        table.add_row("loop busy", f"{source.load_low:.0%} … {source.load_high:.0%}")
        table.add_row("cores", f"{source.cores}")
    if source.tape:
        table.add_row("tape", source.tape)
    for note in source.notes:
        table.add_row("note", note)
    return table


def _service_table(laws: tuple[ServiceLaw, ...]) -> Table:
    table = _table("Service times", "stage", "kind", "on", "mean", "±", "deviation", "items")
    for law in laws:
        table.add_row(
            law.stage,
            law.kind if law.kind != ANY else "–",
            law.runs_on,
            _time(law.mean_s),
            _time(DEVIATIONS * law.mean_error_s),
            _time(law.gamma.variation * law.mean_s),
            f"{law.n:,}",
        )
    table.caption = "±: half of an interval of 95 %"
    return table


def _linear_table(laws: dict[str, LinearLaw]) -> Table:
    table = _table("Sums of parts", "what", "for each", "takes", "95 %")
    for name, law in laws.items():
        shown = name
        for term, coefficient in zip(law.terms, law.coefficients, strict=True):
            low, high = law.interval({term: 1.0})
            table.add_row(shown, term, _time(coefficient), f"{_time(low)} … {_time(high)}")
            shown = ""
    return table


def _chain_table(law: ChainLaw) -> Table:
    table = Table(title="L1", title_justify="left", show_header=False)
    table.add_row("batches", f"{law.batches:,}, of {law.commands_per_batch:,.1f} commands each")
    table.add_row("gas", _parts(law.gas))
    table.add_row("bytes", _parts(law.data_bytes))
    for name, sample in (("inclusion", law.inclusion_s), ("finality", law.finality_s)):
        if sample:
            middle, late = sample[len(sample) // 2], sample[len(sample) * 95 // 100]
            table.add_row(name, f"p50 {middle:,.2f} s, p95 {late:,.2f} s")
    return table


def _parts(law: LinearLaw) -> str:
    parts = zip(law.coefficients, law.terms, strict=True)
    return " + ".join(f"{coefficient:,.1f} for each {term}" for coefficient, term in parts)


def _flow_table(flow: FlowLaw) -> Table:
    table = _table("Flow", "kind", "per second", "items each", "fills each")
    for name, kind in flow.kinds.items():
        table.add_row(
            name,
            f"{kind.rate_per_s:,.2f}",
            f"{kind.items_per_command:,.2f}",
            f"{kind.fills_per_command:,.3f}",
        )
    captions = [f"cancels for each placing: {flow.cancel_ratio:.2f}"]
    if flow.oracle_interval_s is not None:
        captions.append(f"an oracle round each {flow.oracle_interval_s:.2f} s")
    if flow.resting_orders is not None and flow.levels is not None:
        captions.append(f"{flow.resting_orders:,.0f} orders rest on {flow.levels:,.0f} levels")
    if flow.sizes is not None:
        sizes = flow.sizes
        captions.append(
            f"sizes: lognormal({sizes.log_mean:.2f}, {sizes.log_deviation:.2f}), D ="
            f" {sizes.distance:.3f}"
        )
    table.caption = "; ".join(captions)
    return table


def _arrival_table(law: ArrivalLaw) -> Table:
    table = _table("Arrivals", "kind", "baseline, 1/s", "D", "p", "D of Poisson", "p of Poisson")
    rows = zip(
        law.kinds,
        law.baseline_per_s,
        law.distance,
        law.p_value,
        law.poisson_distance,
        law.poisson_p_value,
        strict=True,
    )
    for kind, baseline, distance, p_value, poisson, poisson_p in rows:
        table.add_row(
            kind,
            f"{baseline:.3f}",
            f"{distance:.3f}",
            f"{p_value:.1g}",
            f"{poisson:.3f}",
            f"{poisson_p:.1g}",
        )
    decays = " · ".join(f"{decay:,.4g}" for decay in law.decays_per_s)
    error = "" if law.mark_power_error is None else f" ± {law.mark_power_error:.3f}"
    table.caption = (
        f"{law.events:,} events, decays {decays} per s, spectral radius {law.radius:.3f}, children"
        f" ∝ size^{law.mark_power:.2f}{error}; AIC {law.aic:,.0f}, Poisson's {law.poisson_aic:,.0f}"
    )
    return table
