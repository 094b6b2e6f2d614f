"""A scenario as what `plimsoll rehearse` plays: the script, the node, and what is left out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from node.app.config import NodeConfig, SequencerConfig
from node.batcher.config import BatcherConfig
from node.codec.l1_gas import AIMED_BYTES_MAX, FLOOR_GAS_PER_TOKEN, GAS_MAX
from node.planner.model import pipeline_of, settlement_of
from node.planner.pipeline import Kind, Pipeline, ServiceTime
from node.planner.scenario import Chain, Point, Scenario, Service
from node.planner.timeline import Timeline
from node.settlement.config import SettlementConfig
from node.settlement.fees import FeePolicy
from node.simulation.flow.config import FlowConfig
from node.simulation.rehearsal.full_batch import full_batch_bytes
from node.simulation.rehearsal.script import Costs, Fault, Script
from node.types.units import Millis

UNPLAYED: Final[dict[str, tuple[str, ...]]] = {
    "service": (
        "record_us", "records_max", "liquidate_us", "round_us", "scan_us_per_1000", "scan_us_max",
    ),
    "flow": ("branching", "decays_per_s"),
    "market": ("depth", "depth_within", "depth_recovery_s"),
    "positions": (
        "accounts", "open", "notional", "maintenance", "seasoned",
    ),
    "risk": ("turn_ms", "late_after_ms"),
    "kinds": ("lane", "share", "variation", "items"),
}  # fmt: skip
"""Keys that say what the bundled clients, their books and the node itself are instead. Of a kind's
``share`` the mean times are played, and the mean bytes. Runs and knees in ``extent`` are not named:
they are the planner's own."""

BEFORE_S: Final = 10.0
"""A rehearsal begins so long before the first thing that happens."""

_WEI_PER_GWEI: Final = 10**9
_FEE_CAP_MAX: Final = 10**15
_GAS_PER_BYTE: Final = 4 * FLOOR_GAS_PER_TOKEN
_BYTES_MIN: Final = 1_000
_BLOCK_MS_MAX: Final = 1_000.0
_DELAY_MS_MAX: Final = 10_000
_INTERVAL_MS_MAX: Final = 60_000
_BACKLOG_MAX: Final = 10**10
_COMMANDS_MAX: Final = 200_000
"""Blocks and rounds count as commands too, and are not thinned: bytes bound a batch instead."""
_STUCK_BLOCKS: Final = 4
"""Of a transaction whose turn it is, before it pays more: as by default on a public chain."""
_STUCK_MS_MAX: Final = 3_600_000


def script_of(scenario: Scenario, drawn: Timeline, seed: int) -> Script:
    """Return one draw of a scenario as what is to be rehearsed.

    Work takes as long as at the highest rate of the flow, as in a forecast.
    """
    pipeline = pipeline_of(scenario, rate_per_s=float(drawn.rate_per_s.max()))
    chain, batch = scenario.l1, pipeline.settlement.batch
    return Script(
        name=scenario.name,
        step_s=drawn.step_s,
        rate=tuple(drawn.rate_per_s.tolist()),
        price=tuple(drawn.price.tolist()),
        oracle=tuple(drawn.oracle.tolist()),
        oracle_s=scenario.oracle.interval_s,
        faults=tuple(
            Fault(
                fault.from_s, fault.until_s, fault.kind, fault.gas_price_factor,
                fault.inclusion, fault.block_share, fault.depth,
            )
            for fault in drawn.faults
        ),
        costs=Costs(
            command_s=_mean_s(pipeline, lambda kind: kind.loop),
            verify_s=_mean_s(pipeline, lambda kind: kind.verify),
            commit_s=pipeline.journal.commit_s,
            workers=pipeline.workers,
        ),
        block_s=chain.block_s,
        inclusion=chain.inclusion,
        finality_blocks=chain.finality_blocks,
        block_batches=batch.block_gas / batch.gas,
        batch_items=batch.items,
        batch_overhead=chain.batch_gas / batch.gas,
        gas_price_gwei=chain.gas_price_gwei,
        long_share=scenario.positions.long_share,
        leverage=scenario.positions.leverage,
        unposted=chain.unposted_at_start,
        seed=seed,
    )  # fmt: skip


def _mean_s(pipeline: Pipeline, of: Callable[[Kind], ServiceTime]) -> float:
    """Return the mean time of a client's action."""
    means_s = [of(kind).moments.mean_s for kind in pipeline.kinds]
    return float(pipeline.shares @ means_s)


def node_of(
    config: NodeConfig, scenario: Scenario, script: Script, clients: FlowConfig
) -> NodeConfig:
    """Return the node that a scenario describes: its lanes, batches, L1 and marks' age.

    Of L1 a thinned flow gets its part. A batch is full where it holds its part of what the limits
    on commands, bytes and gas let a batch of the whole flow hold; then so are the backlog and what
    the price of work takes L1 to carry.
    """
    replace = msgspec.structs.replace
    lanes, chain = scenario.lanes, scenario.l1
    full_bytes = full_batch_bytes(script, clients, config.rules)
    full_bytes = min(max(full_bytes, _BYTES_MIN), AIMED_BYTES_MAX)
    l1_bytes = full_bytes * min(script.block_batches, chain.in_flight_max) / chain.block_s
    stale_ms = Millis(round(scenario.oracle.stale_s * 1_000))
    markets = [replace(market, mark_stale_ms=stale_ms) for market in config.rules.markets]
    return replace(
        config,
        rules=replace(config.rules, markets=tuple(markets)),
        sequencer=replace(
            config.sequencer,
            system_lane=lanes.system,
            liquidation_lane=lanes.liquidation,
            reducing_lane=lanes.reducing,
            resting_lane=lanes.resting,
            taking_lane=lanes.taking,
            signature_workers=script.costs.workers,
            **_slower(config.sequencer, scenario.service, script.scale),
        ),
        batcher=_batcher_of(config.batcher, scenario, full_bytes),
        settlement=_settlement_of(config.settlement, chain),
        l1=replace(config.l1, finality_blocks=chain.finality_blocks),
        fees=replace(
            config.fees,
            journal_bytes=max(round(config.fees.journal_bytes * script.scale), 1),
            l1_bytes=max(round(l1_bytes), 1),
            l1_gas=max(round(l1_bytes * _GAS_PER_BYTE), 1),
        ),
        http=replace(config.http, port=0),
        # It would run in processes of its own, which know nothing of the simulated clock.
        history=replace(config.history, enabled=False),
        drain_s=max(config.drain_s, 60 * chain.block_s),
    )


def _slower(config: SequencerConfig, told: Service, scale: float) -> dict[str, float]:
    """Return the times that are so much longer on a node that is so much slower."""
    patience_ms = config.delay_target_ms if told.patience_ms is None else told.patience_ms
    return {
        "block_ms_max": min(config.block_ms_max / scale, _BLOCK_MS_MAX),
        "delay_target_ms": min(round(patience_ms / scale), _DELAY_MS_MAX),
        "delay_interval_ms": min(round(config.delay_interval_ms / scale), _INTERVAL_MS_MAX),
    }


def _batcher_of(config: BatcherConfig, scenario: Scenario, full_bytes: int) -> BatcherConfig:
    batches = scenario.batches
    backlog = round(batches.backlog_bytes_max * full_bytes / settlement_of(scenario).batch.bytes)
    return msgspec.structs.replace(
        config,
        commands_max=_COMMANDS_MAX,
        data_bytes_max=full_bytes,
        gas_max=GAS_MAX,
        age_ms_max=round(batches.age_s * 1_000),
        backlog_batches_max=batches.backlog_batches_max,
        backlog_bytes_max=min(max(backlog, _BYTES_MIN), _BACKLOG_MAX),
    )


def _settlement_of(config: SettlementConfig, chain: Chain) -> SettlementConfig:
    cap = min(max(round(chain.fee_cap_gwei * _WEI_PER_GWEI), 1), _FEE_CAP_MAX)
    tip_max, tip_min = min(config.fees.tip_max, cap), min(config.fees.tip_min, cap)
    return msgspec.structs.replace(
        config,
        in_flight_max=chain.in_flight_max,
        stuck_after_ms=min(round(_STUCK_BLOCKS * chain.block_s * 1_000), _STUCK_MS_MAX),
        fees=FeePolicy(tip_min=tip_min, tip_max=tip_max, max_fee_cap=cap),
    )


def first_event_s(scenario: Scenario, drawn: Timeline) -> float:
    """Return when the first thing happens that an ordinary hour has not; 0 where nothing does.

    A backlog at the start, a phase or a reorg of L1, a silent oracle, a path that leaves 1.
    """
    market = scenario.market
    moments = [fault.from_s for fault in drawn.faults]
    moments += [step * drawn.step_s for step, told in enumerate(drawn.oracle) if not told][:1]
    for path in (scenario.flow.path, market.shape, market.volatility_path):
        moments += _departure(path)
    if scenario.l1.unposted_at_start:
        moments.append(0.0)
    return min(moments, default=0.0)


def _departure(path: tuple[Point, ...]) -> Iterator[float]:
    """Yield the time from which a path is no longer 1, if there is one."""
    before_s = 0.0
    for time_s, value in path:
        if value != 1:
            yield before_s
            return
        before_s = time_s


def unplayed(tables: Mapping[str, Any], scenario: Scenario, script: Script) -> tuple[str, ...]:
    """Return the keys that a scenario's file says, and a rehearsal of ``script`` does not play."""
    found = []
    for section, keys in UNPLAYED.items():
        said = tables.get(section, ())
        said = {key for kind in said for key in kind} if section == "kinds" else said
        found += [f"{section}.{key}" for key in keys if key in said]
    if scenario.l1.unposted_at_start and not script.lead_s:
        found.append("l1.unposted_at_start")
    return tuple(found)
