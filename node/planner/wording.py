"""How figures are told to a person, on a terminal and on a page alike."""

import math
from collections.abc import Iterator

from node.planner.answer import Answer

_NEVER = "not within"
_UNITS_S = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def number(value: float | None) -> str:
    """Return a number with as many digits as it deserves."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    if value and abs(value) < 10:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Return a time in the unit that suits it; infinite is "not within" the horizon."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return _NEVER
    rounded = float(f"{value:.3g}")
    for unit, name in _UNITS_S:
        if rounded >= unit:
            return f"{rounded / unit:.3g} {name}" if rounded < 1_000 else f"{value:,.0f} s"
    return "0"


def share(value: float | None) -> str:
    """Return a share in percent."""
    return "–" if value is None or math.isnan(value) else f"{value:.2%}"


def rate_told(answer: Answer) -> str:
    """Return the mean rate of the flow, and the highest where its path is not level."""
    most = f", {answer.rate_peak_per_s:,.0f} at most" if _moves(answer) else ""
    return f"{answer.rate_per_s:,.0f} actions/s on average{most}"


def load_told(answer: Answer) -> str:
    """Return the same as shares of the least ceiling."""
    law = answer.law
    return f"{law.load:.0%}" + (f", {law.load_peak:.0%} at most" if _moves(answer) else "")


def _moves(answer: Answer) -> bool:
    return answer.rate_peak_per_s > answer.rate_per_s * (1 + 1e-9)


def figure_rows(answer: Answer) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is told of all runs together: its name, P5, P50 and P95."""
    late, chain = answer.liquidations, answer.chain
    for name, found, style in (
        ("knee, actions/s", answer.knee, number),
        ("liquidations", late.count, number),
        ("liquidation delay p50", late.delay_p50_s, seconds),
        ("liquidation delay p99", late.delay_p99_s, seconds),
        (f"liquidations later than {seconds(late.late_after_s)}", late.late_share, share),
        ("bad debt, quote units", late.bad_debt, number),
        ("unposted peak, actions", chain.unposted_peak, number),
        ("unposted peak, bytes", chain.unposted_peak_bytes, number),
        ("unposted at the end, actions", chain.unposted_end, number),
        ("gate closed", chain.gate_closed_s, seconds),
        ("time to finality p50", chain.finality_p50_s, seconds),
        ("time to finality p99", chain.finality_p99_s, seconds),
        ("L1 gas, ETH", chain.cost_eth, number),
    ):
        yield name, style(found.p5), style(found.p50), style(found.p95)
