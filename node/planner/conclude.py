"""From what was drawn to what is answered: percentiles, beside the laws."""

import math

import msgspec
import numpy as np

from node.planner.answer import (
    Answer,
    ChainAnswer,
    LaneAnswer,
    Law,
    LiquidationAnswer,
    PhaseLaw,
    Series,
    band,
)
from node.planner.arrays import Vector
from node.planner.forecast import Drawn, series_places
from node.planner.laws import node_limit
from node.planner.model import mean_bytes
from node.planner.pipeline import Pipeline
from node.planner.scenario import L1Phase, Scenario
from node.planner.stretches import pooled
from node.planner.waiting import Load, Moments, UnstableLoad, priority_mean_waits_s

_CAUSES = ("lane", "gate", "stale")


def conclude(scenario: Scenario, drawn: Drawn) -> Answer:
    """Return the answer to a scenario."""
    columns, extent = drawn.columns, scenario.extent
    rates_per_s = drawn.pipeline.rate_per_s * drawn.course.rate
    mean_per_s, peak_per_s = float(rates_per_s.mean()), float(rates_per_s.max())
    return Answer(
        scenario=scenario.name,
        about=scenario.about,
        runs=extent.runs,
        seed=extent.seed,
        horizon_s=extent.horizon_s,
        rate_per_s=mean_per_s,
        rate_peak_per_s=peak_per_s,
        law=law_of(drawn.full, mean_per_s, peak_per_s),
        phases=[phase_law(scenario, drawn.full, phase) for phase in scenario.l1.phases],
        knee=band(drawn.knees_per_s),
        lanes=_lanes(drawn),
        liquidations=_liquidations(scenario, columns),
        chain=_chain(scenario, drawn),
        series=_series(scenario, columns),
        notes=notes_of(drawn.pipeline),
    )


def law_of(pipeline: Pipeline, mean_per_s: float, peak_per_s: float) -> Law:
    """Return the analytic ceilings, and what the flow's mean and highest rate are of the least."""
    limit = pipeline.limit()
    return Law(
        limits_per_s=pipeline.limits_per_s(),
        limit_per_s=limit.per_s,
        bottleneck=limit.bottleneck,
        next_per_s=limit.next_per_s,
        next_bottleneck=limit.next_bottleneck,
        load=mean_per_s / limit.per_s if limit.per_s else math.inf,
        load_peak=peak_per_s / limit.per_s if limit.per_s else math.inf,
    )


def phase_law(scenario: Scenario, pipeline: Pipeline, phase: L1Phase) -> PhaseLaw:
    """Return the ceilings while ``phase`` lasts: its room, its chance, its price below the cap."""
    chain, batch = pipeline.settlement, pipeline.settlement.batch
    inclusion = chain.inclusion_probability if phase.inclusion is None else phase.inclusion
    price = scenario.l1.gas_price_gwei * phase.gas_price_factor
    l1 = 0.0
    if not phase.outage and inclusion and price <= scenario.l1.fee_cap_gwei:
        room = msgspec.structs.replace(batch, block_gas=batch.block_gas * phase.block_share)
        l1 = pipeline.l1_limit_per_s(room, inclusion)
    limit = node_limit({**pipeline.limits_per_s(), "l1": l1})
    return PhaseLaw(phase.from_s, phase.until_s, l1, limit.per_s, limit.bottleneck)


def notes_of(pipeline: Pipeline) -> list[str]:
    """Return what a person should know about the scenario itself."""
    if not pipeline.settlement.sends:
        return ["nothing is posted: l1.gas_price_gwei is above l1.fee_cap_gwei"]
    if pipeline.settlement.batch.per_block():
        return []
    why = "no batch fits the node's part of an L1 block"
    return [f"{why}: raise l1.block_gas or l1.block_share, or lower batches.data_bytes_max"]


def _lanes(drawn: Drawn) -> list[LaneAnswer]:
    columns = drawn.columns
    laws = _law_waits_s(drawn.pipeline, float(drawn.course.rate.mean()))
    answers = []
    for place, lane in enumerate(drawn.pipeline.lanes):
        causes = {cause: columns[f"refused_{cause}"][:, place] for cause in _CAUSES}
        refused = np.sum(list(causes.values()), axis=0)
        arrived = columns["arrived"][:, place]
        waits = columns["wait_counts"][:, place].sum(axis=0)
        delays = columns["delay_counts"][:, place].sum(axis=0)
        total = waits.sum()
        answers.append(
            LaneAnswer(
                name=lane.name,
                arrived=band(arrived),
                refused=band(refused),
                refused_by={cause: band(values) for cause, values in causes.items()},
                refused_share=band(refused / np.maximum(arrived, 1)),
                wait_p50_s=band(columns["wait_p50_s"][:, place]),
                wait_p99_s=band(columns["wait_p99_s"][:, place]),
                delay_p50_s=band(columns["delay_p50_s"][:, place]),
                delay_p99_s=band(columns["delay_p99_s"][:, place]),
                pooled_wait_p50_s=pooled(waits, 0.5),
                pooled_wait_p99_s=pooled(waits, 0.99),
                pooled_delay_p50_s=pooled(delays, 0.5),
                pooled_delay_p99_s=pooled(delays, 0.99),
                wait_mean_s=float(columns["wait_sums_s"][:, place].sum() / max(total, 1)),
                law_wait_mean_s=laws[place],
            )
        )
    return answers


def _law_waits_s(pipeline: Pipeline, factor: float) -> list[float]:
    """Return Cobham's mean wait of each lane; infinite where the lane or one above it floods.

    The flow is ``factor`` times its own rate; what the node does by itself keeps its.
    """
    rates = pipeline.arrivals.mean_rates_per_s * (1 + (factor - 1) * pipeline.grows)
    loads = []
    for place in range(len(pipeline.lanes)):
        mine = [(r, k) for r, k in zip(rates, pipeline.kinds, strict=True) if k.lane == place]
        rate = float(sum(r for r, _ in mine))
        moments = [(r / rate, k.loop.moments) for r, k in mine] if rate else []
        mean_s = float(sum(share * m.mean_s for share, m in moments))
        square = float(sum(share * m.square_s2 for share, m in moments))
        loads.append(Load(rate, Moments(mean_s, square)))
    try:
        return priority_mean_waits_s(loads)
    except UnstableLoad:
        return [math.inf] * len(loads)


def _liquidations(scenario: Scenario, columns: dict[str, Vector]) -> LiquidationAnswer:
    count = columns["liquidations"]
    counts = columns["liquidation_counts"].sum(axis=0)
    share = np.where(count > 0, columns["late"] / np.maximum(count, 1), np.nan)
    return LiquidationAnswer(
        count=band(count),
        delay_p50_s=band(columns["liquidation_p50_s"]),
        delay_p99_s=band(columns["liquidation_p99_s"]),
        pooled_delay_p50_s=pooled(counts, 0.5),
        pooled_delay_p99_s=pooled(counts, 0.99),
        late_share=band(share),
        late_after_s=scenario.risk.late_after_ms / 1_000,
        notional=band(columns["liquidated"]),
        bad_debt=band(columns["bad_debt"]),
        runs_with_bad_debt=float((columns["bad_debt"] > 0).mean()),
    )


def _chain(scenario: Scenario, drawn: Drawn) -> ChainAnswer:
    columns = drawn.columns
    return ChainAnswer(
        unposted_peak=band(columns["unposted_peak"]),
        unposted_peak_bytes=band(columns["unposted_peak"] * mean_bytes(scenario)),
        unposted_end=band(columns["unposted_end"]),
        gate_closed_s=band(columns["gate_closed_s"]),
        gate_closes_at=drawn.course.gate_items,
        in_flight_peak=int(columns["in_flight_peak"].max()),
        in_flight_max=scenario.l1.in_flight_max,
        finality_p50_s=band(columns["finality_p50_s"]),
        finality_p99_s=band(columns["finality_p99_s"]),
        cost_eth=band(columns["cost_eth"]),
    )


def _series(scenario: Scenario, columns: dict[str, Vector]) -> dict[str, Series]:
    at = ((series_places(scenario.steps) + 1) * scenario.extent.step_s).tolist()
    found = {}
    for name, values in columns.items():
        if name.startswith("series_"):
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0).tolist()
            found[name.removeprefix("series_")] = Series(at, low, middle, high)
    return found
