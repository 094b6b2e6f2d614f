"""What a plan answers: every figure as its 5th, 50th and 95th percentile over runs.

Infinite means "not within the horizon" (null in JSON); a lane that nothing entered has no figures.
"""

import msgspec
import numpy as np

from node.planner.arrays import Vector


class Band(msgspec.Struct, frozen=True):
    """Percentiles over runs."""

    p5: float | None
    p50: float | None
    p95: float | None


def band(values: Vector) -> Band:
    """Return the percentiles of what is a number (nearest rank, so that infinities are kept)."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Band(None, None, None)
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95], method="inverted_cdf").tolist()
    return Band(low, middle, high)


class Law(msgspec.Struct, frozen=True):
    """The analytic ceilings, in actions of clients per second."""

    limits_per_s: dict[str, float]
    limit_per_s: float
    bottleneck: str
    next_per_s: float
    next_bottleneck: str | None
    load: float
    """The scenario's mean rate over the limit."""
    load_peak: float
    """Its highest rate over the limit."""


class PhaseLaw(msgspec.Struct, frozen=True):
    """The ceilings while a phase of L1 lasts."""

    from_s: float
    until_s: float
    l1_per_s: float
    limit_per_s: float
    bottleneck: str


class LaneAnswer(msgspec.Struct, frozen=True):
    """One lane. Waits end when the loop begins, delays when the action is durable."""

    name: str
    arrived: Band
    refused: Band
    refused_by: dict[str, Band]
    """``lane`` (full), ``gate`` (too much is unposted), ``stale`` (the mark is too old)."""
    refused_share: Band
    wait_p50_s: Band
    wait_p99_s: Band
    delay_p50_s: Band
    delay_p99_s: Band
    pooled_wait_p50_s: float
    """Over the items of all runs together; so are the three below. NaN where there is none."""
    pooled_wait_p99_s: float
    pooled_delay_p50_s: float
    pooled_delay_p99_s: float
    wait_mean_s: float
    law_wait_mean_s: float
    """Cobham's, for Poisson arrivals straight into the lanes at the mean rate of the flow's path.
    Bursts and a path that is not level wait longer; workers in front and a closed gate make it
    shorter."""


class LiquidationAnswer(msgspec.Struct, frozen=True):
    """Liquidations: delays count from when the price passed the trigger."""

    count: Band
    delay_p50_s: Band
    delay_p99_s: Band
    pooled_delay_p50_s: float
    pooled_delay_p99_s: float
    late_share: Band
    late_after_s: float
    notional: Band
    bad_debt: Band
    """In quote units."""
    runs_with_bad_debt: float
    """Share of the runs."""


class ChainAnswer(msgspec.Struct, frozen=True):
    """What waits for L1, and for how long."""

    unposted_peak: Band
    """Actions in no block of L1, in flight or not, at their most."""
    unposted_peak_bytes: Band
    unposted_end: Band
    """The same at the end."""
    gate_closed_s: Band
    gate_closes_at: float
    """The fewest outstanding actions that close the gate."""
    in_flight_peak: int
    in_flight_max: int
    finality_p50_s: Band
    finality_p99_s: Band
    cost_eth: Band
    """For the gas of what L1 has: each batch pays its own, at the price of its block."""


class Series(msgspec.Struct, frozen=True):
    """A figure over time; ``at_s`` has one element for each of the others."""

    at_s: list[float]
    p5: list[float]
    p50: list[float]
    p95: list[float]


class Answer(msgspec.Struct, frozen=True):
    """Everything about one scenario."""

    scenario: str
    about: str
    runs: int
    seed: int
    horizon_s: float
    rate_per_s: float
    """Actions of clients, on average along the flow's path."""
    rate_peak_per_s: float
    """The most along it."""
    law: Law
    phases: list[PhaseLaw]
    knee: Band
    """Actions per second that L1 and node carry as ordinary, by Monte Carlo."""
    lanes: list[LaneAnswer]
    liquidations: LiquidationAnswer
    chain: ChainAnswer
    series: dict[str, Series]
    notes: list[str]
