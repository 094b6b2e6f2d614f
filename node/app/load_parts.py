"""Parts of the load line that one station each answers for."""

from typing import TYPE_CHECKING

from node.app.figures import oldest_mark_ms
from node.app.overload import reserve_work_of
from node.capacity.loadline import Audit, BatchLine, Delay, MarkLine, RiskLine
from node.margin.staleness import buffer_for
from node.types.marks import Standing
from node.types.units import MS_PER_S, NS_PER_MS, NS_PER_S, Millis

if TYPE_CHECKING:
    from node.app.node import Node


def risk_line(node: "Node") -> RiskLine:
    """Return what watching positions took and missed."""
    report = node.risk.report()
    seen = report.detection
    found = Delay(p50=seen.p50_ns / NS_PER_MS, p99=seen.p99_ns / NS_PER_MS)
    return RiskLine(
        tiers={tier.tier: tier.checks for tier in report.tiers},
        detection_ms=found if seen.count else Delay(p50=None, p99=None),
        late=report.late,
        audit=Audit(samples=report.audit_samples, misses=report.audit_misses),
        reserve_work=reserve_work_of(node),
    )


def batch_line(node: "Node") -> BatchLine:
    """Return how far the batches have come."""
    reached, pressure = node.standings.reached, node.settlement.pressure
    return BatchLine(
        sealed=reached[Standing.SEALED],
        posted=reached[Standing.POSTED],
        safe=reached[Standing.SAFE],
        final=reached[Standing.FINAL],
        unposted=node.standings.unposted,
        unposted_bytes=pressure.data_bytes,
        oldest_unposted_s=pressure.age_ms / MS_PER_S,
        lag_s={level.name.lower(): lag / NS_PER_S for level, lag in node.standings.lag_ns.items()},
    )


def mark_line(node: "Node") -> MarkLine:
    """Return how old the marks are; a market that never had one is stale, and has no age."""
    now_ms, markets = node.base.clock.now_ms(), node.base.state.markets
    oldest_ms = oldest_mark_ms(node.base.state, now_ms)
    stale = [
        market.rules.symbol
        for market in markets
        if market.mark_age(now_ms) > market.rules.mark_stale_ms
    ]
    return MarkLine(
        oldest_age_s=None if oldest_ms is None else oldest_ms / MS_PER_S,
        stale=tuple(stale),
        buffer_ppm=_buffers(node, now_ms),
    )


def _buffers(node: "Node", now: Millis) -> dict[str, int]:
    """Return what the age of its data asks of an order in each market that has a mark, in ppm."""
    lag = node.base.lag.age(now)
    return {
        market.rules.symbol: buffer_for(market.rules, market.variance, market.data_age(now, lag))[0]
        for market in node.base.state.markets
        if market.mark
    }
