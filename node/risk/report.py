"""The figures of the risk processor, as /stats and the demo's summary publish them."""

import msgspec

from node.capacity.histogram import Distribution, Histogram
from node.risk.audit import upper_bound
from node.risk.monitor import Monitor
from node.risk.tiers import Tier


class DelayReport(msgspec.Struct, frozen=True):
    """A distribution of delays in nanoseconds, at most 1/32 too large; 0 where ``count`` is 0."""

    count: int
    p50_ns: int
    p99_ns: int
    max_ns: int


class TierReport(msgspec.Struct, frozen=True):
    """One tier: how many positions are in it now, and the checks made of its members so far."""

    tier: str
    members: int
    checks: int


class RiskReport(msgspec.Struct, frozen=True):
    """Everything counted since the start; shares lie within 0 … 1.

    ``detection``: from the time of the oracle round (or the event) that made a position
    liquidatable to its proposal; ``liquidation``: to its durable ``Liquidated``.
    ``full_scan_checks``: what checking every position of the market at every round would have
    been. ``late`` of ``round_crossings``: the tiers alone would not have looked in that round;
    ``found_by_wake``: they would have looked only because the price had moved. The index itself is
    never late: it looks at every round, and ``audit_misses`` of ``audit_samples`` says how well it
    does. ``*_upper`` are one-sided Clopper-Pearson bounds at ``confidence``.
    """

    positions: int
    open_cases: int
    rounds: int
    crossings: int
    recovered: int
    proposals: int
    repeats: int
    refused: int
    liquidated: int
    deleveraged: int
    detection: DelayReport
    liquidation: DelayReport
    tiers: tuple[TierReport, ...]
    tier_checks: int
    full_scan_checks: int
    checks_share: float
    rounds_at_limit: int
    round_crossings: int
    late: int
    late_share: float
    late_share_upper: float
    found_by_wake: int
    audit_samples: int
    audit_misses: int
    audit_miss_upper: float
    confidence: float
    volatility_per_root_second: dict[str, float]


class HeldFigures(msgspec.Struct, frozen=True):
    """What the markets hold at the moment of a report, summed over them."""

    positions: int
    open_cases: int
    tier_members: tuple[int, ...]
    audit_samples: int
    audit_misses: int
    volatility_per_root_second: dict[str, float]


class MarketFigures(msgspec.Struct, frozen=True, gc=False):
    """What placing a market depends on.

    ``expected``: the liquidations that the reserve's window may bring (``node.risk.density``);
    ``volatility``: of the log price, per root of a second.
    """

    positions: int
    expected: int
    volatility: float


def risk_report(monitor: Monitor, held: HeldFigures, confidence: float) -> RiskReport:
    """Return the report of what ``monitor`` has counted and the markets hold."""
    checks = sum(monitor.tier_checks)
    return RiskReport(
        positions=held.positions,
        open_cases=held.open_cases,
        rounds=monitor.rounds,
        crossings=monitor.crossings,
        recovered=monitor.recovered,
        proposals=monitor.proposals,
        repeats=monitor.repeats,
        refused=monitor.refused,
        liquidated=monitor.liquidated,
        deleveraged=monitor.deleveraged,
        detection=delay_report(monitor.detection),
        liquidation=delay_report(monitor.liquidation),
        tiers=tuple(
            TierReport(
                tier=tier.name.lower(),
                members=held.tier_members[tier],
                checks=monitor.tier_checks[tier],
            )
            for tier in Tier
        ),
        tier_checks=checks,
        full_scan_checks=monitor.full_scan_checks,
        checks_share=_share(checks, monitor.full_scan_checks),
        rounds_at_limit=monitor.rounds_at_limit,
        round_crossings=monitor.round_crossings,
        late=monitor.late,
        late_share=_share(monitor.late, monitor.round_crossings),
        late_share_upper=upper_bound(monitor.late, monitor.round_crossings, confidence),
        found_by_wake=monitor.found_by_wake,
        audit_samples=held.audit_samples,
        audit_misses=held.audit_misses,
        audit_miss_upper=upper_bound(held.audit_misses, held.audit_samples, confidence),
        confidence=confidence,
        volatility_per_root_second=held.volatility_per_root_second,
    )


def delay_report(delays: Histogram) -> DelayReport:
    """Return count, median, 99th percentile and maximum of ``delays``."""
    distribution = delays.snapshot()
    return DelayReport(
        count=distribution.count,
        p50_ns=_quantile(distribution, 500_000),
        p99_ns=_quantile(distribution, 990_000),
        max_ns=distribution.max or 0,
    )


def _quantile(distribution: Distribution, q_ppm: int) -> int:
    return distribution.quantile(q_ppm) or 0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
