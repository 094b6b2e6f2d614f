"""The pipeline that a scenario describes, with a calibration's laws where it names them."""

import math

import msgspec
import numpy as np

from node.planner.calibration import Calibration, Work
from node.planner.hawkes import Hawkes
from node.planner.laws import BatchOnChain
from node.planner.pipeline import (
    Estimated,
    Gamma,
    Journal,
    Kind,
    Lane,
    Pipeline,
    ServiceTime,
    Settlement,
)
from node.planner.predict import FlowShape, Surroundings, filled_at_knee, works_in_background
from node.planner.regression import LinearLaw
from node.planner.scenario import (
    BESIDE_IDLE_MS,
    BESIDE_US,
    BESIDE_US_PER_ITEM,
    COMMIT_US,
    CORES,
    IDLE_MS,
    LANES,
    RECORD_US,
    RECORDS_MAX,
    FlowKind,
    Scenario,
    Service,
)
from node.planner.service_law import TRANSITION
from node.planner.shared_cores import MODEL_ERROR, PATIENCE_S, SharedCores
from node.planner.tides import LIQUIDATE

ROUND = "oracle_round"
_MICRO = 1e-6
_MILLI = 1e-3
_POOL = "verification"
"""The processes whose time stands in ``Kind.verify``."""


def pipeline_of(
    scenario: Scenario, calibration: Calibration | None = None, rate_per_s: float | None = None
) -> Pipeline:
    """Return the node under its flow; its loop takes as long as at ``rate_per_s``, or its limit.

    Kinds are oracle rounds and liquidations, which are the node's own, then those that clients
    send. Raises ``ValueError`` where a kind has neither a time nor a law.
    """
    service, lanes = scenario.service, scenario.lanes
    costs = _costs(scenario, calibration)
    clients = tuple(_kind(kind, calibration, costs) for kind in scenario.kinds)
    own = _own_kinds(scenario)
    shared = _shared(scenario, own[0], clients, costs)
    stretch = shared.stretch(math.inf if rate_per_s is None else rate_per_s)
    return Pipeline(
        kinds=tuple(
            msgspec.structs.replace(kind, loop=kind.loop.stretched(stretch))
            for kind in (*own, *clients)
        ),
        lanes=tuple(Lane(name, getattr(lanes, name)) for name in LANES),
        workers=service.workers,
        journal=_journal(scenario, calibration),
        settlement=settlement_of(scenario),
        arrivals=_arrivals(scenario),
        shared=shared,
        unsure=MODEL_ERROR if costs.cores else 0.0,
    )


def with_laws(scenario: Scenario, calibration: Calibration | None) -> Scenario:
    """Return the scenario with all that it leaves out written into it, as known exactly."""
    costs = _costs(scenario, calibration)
    kinds = tuple(
        msgspec.structs.replace(
            kind,
            loop_us=law.loop.moments.mean_s / _MICRO,
            verify_us=law.verify.moments.mean_s / _MICRO,
            beside_us=_beside_s(kind, costs) / _MICRO,
        )
        for kind in scenario.kinds
        for law in [_kind(kind, calibration, costs)]
    )
    journal = _journal(scenario, calibration)
    service = msgspec.structs.replace(
        scenario.service,
        cores=costs.cores,
        idle_ms=costs.idle / _MILLI,
        beside_idle_ms=costs.others / _MILLI,
        patience_ms=costs.patience_s / _MILLI,
        records_max=journal.records_max,
        commit_us=journal.commit_s / _MICRO,
        record_us=journal.record_s / _MICRO,
        calibration="",
    )
    return msgspec.structs.replace(scenario, kinds=kinds, service=service)


class _Costs(msgspec.Struct, frozen=True):
    """What a node takes beside what its kinds of action say for themselves."""

    cores: int
    idle: float
    """Of the loop, and below of all others: seconds of each second, however little comes."""
    others: float
    pool: tuple[LinearLaw, ...] = ()
    """Of the signature workers, and below of all others, where a calibration tells them."""
    beside: tuple[LinearLaw, ...] | None = None
    filled: float = 1.0
    """Actions in a block at the loop's limit."""
    patience_s: float = PATIENCE_S


def _costs(scenario: Scenario, calibration: Calibration | None) -> _Costs:
    service = scenario.service
    cores, idle_ms, others_ms = service.cores, service.idle_ms, service.beside_idle_ms
    patience_s = None if service.patience_ms is None else service.patience_ms * _MILLI
    if calibration is None or not calibration.tells_work:
        return _Costs(
            CORES if cores is None else cores,
            (IDLE_MS if idle_ms is None else idle_ms) * _MILLI,
            (BESIDE_IDLE_MS if others_ms is None else others_ms) * _MILLI,
            patience_s=PATIENCE_S if patience_s is None else patience_s,
        )
    shape, still = _shape(scenario), {"second": 1.0}
    # 0 in a calibration: nobody knew.
    cores = (calibration.source.cores or CORES) if cores is None else cores
    calibration = _limited(calibration, service)
    around = Surroundings(cores=cores)
    pool: list[LinearLaw] = []
    beside: list[LinearLaw] = []
    for name, law in calibration.processes.items():
        if name != "node" and not works_in_background(name):
            (pool if name.partition("_")[0] == _POOL else beside).append(law)
    others = sum(law.at(still) for law in (*pool, *beside))
    return _Costs(
        cores,
        calibration.loop_s(shape.work(0.0, 0.0)) if idle_ms is None else idle_ms * _MILLI,
        others if others_ms is None else others_ms * _MILLI,
        tuple(pool),
        tuple(beside),
        filled_at_knee(calibration, shape, around),
        calibration.source.patience_s,
    )


def _limited(calibration: Calibration, service: Service) -> Calibration:
    """Return the calibration of a node with the limits that the scenario says."""
    told = calibration.source.limits
    work, patience_ms = service.records_max, service.patience_ms
    limits = msgspec.structs.replace(
        told,
        block_work=told.block_work if work is None else work,
        delay_target_us=(
            told.delay_target_us if patience_ms is None else round(patience_ms * _MILLI / _MICRO)
        ),
    )
    source = msgspec.structs.replace(calibration.source, limits=limits)
    return msgspec.structs.replace(calibration, source=source)


def _shape(scenario: Scenario) -> FlowShape:
    """Return the mean action of the scenario's flow."""
    whole = sum(kind.share for kind in scenario.kinds)
    commands: dict[str, float] = {}
    for kind in scenario.kinds:
        law = kind.law or kind.name
        commands[law] = commands.get(law, 0.0) + kind.share / whole
    return FlowShape(commands, sum(kind.share * kind.items for kind in scenario.kinds) / whole)


def _shared(
    scenario: Scenario, rounds: Kind, clients: tuple[Kind, ...], costs: _Costs
) -> SharedCores:
    """Return what the flow takes of the machine, times as they are without waits."""
    whole = sum(kind.share for kind in scenario.kinds)
    parts = [
        (
            kind.share / whole,
            law.loop.moments.mean_s,
            law.verify.moments.mean_s + _beside_s(kind, costs),
        )
        for kind, law in zip(scenario.kinds, clients, strict=True)
    ]
    return SharedCores(
        cores=costs.cores,
        own=rounds.loop.moments.mean_s / scenario.oracle.interval_s,
        idle=costs.idle,
        each_s=sum(share * loop_s for share, loop_s, _ in parts),
        others=costs.others,
        others_each_s=sum(share * others_s for share, _, others_s in parts),
        patience_s=costs.patience_s,
    )


def _beside_s(kind: FlowKind, costs: _Costs) -> float:
    """Return what all but the loop and the workers take for an action."""
    if kind.beside_us is not None:
        return kind.beside_us * _MICRO
    if costs.beside is None:
        return (BESIDE_US + BESIDE_US_PER_ITEM * kind.items) * _MICRO
    return sum(law.at(_amounts(kind, costs)) for law in costs.beside)


def _amounts(kind: FlowKind, costs: _Costs) -> dict[str, float]:
    return {"command": 1.0, "block": 1 / costs.filled, "item": kind.items}


def _own_kinds(scenario: Scenario) -> tuple[Kind, Kind]:
    service = scenario.service
    scan_us = min(
        service.scan_us_per_1000 * scenario.positions.accounts / 1_000, service.scan_us_max
    )
    return (
        Kind(ROUND, LANES.index("system"), Gamma((service.round_us + scan_us) * _MICRO), own=True),
        Kind(
            LIQUIDATE,
            LANES.index("liquidation"),
            Gamma(service.liquidate_us * _MICRO, 0.5),
            own=True,
        ),
    )


def _kind(kind: FlowKind, calibration: Calibration | None, costs: _Costs) -> Kind:
    loop: ServiceTime | None = None
    verify: ServiceTime | None = None
    if kind.loop_us is not None:
        loop = Gamma(kind.loop_us * _MICRO, kind.variation)
    if kind.verify_us is not None:
        verify = Gamma(kind.verify_us * _MICRO, 0.3)
    if calibration is not None and calibration.tells_work:
        loop = loop or _calibrated_loop(kind, calibration, costs.filled)
        verify = verify or _calibrated_verify(kind, calibration, costs)
    if loop is None or verify is None:
        raise ValueError(f"{kind.name} has no service time, and no calibration gives one")
    return Kind(kind.name, LANES.index(kind.lane), loop, verify)


def _calibrated_loop(kind: FlowKind, calibration: Calibration, filled: float) -> ServiceTime:
    """Return what one action adds to the loop: its command, its message, its share of a block."""
    law = kind.law or kind.name
    work = Work(seconds=0.0, messages=1.0, blocks=1 / filled, commands={law: 1.0}, items=kind.items)
    mean_s = calibration.loop_s(work)
    seen = calibration.service(TRANSITION, law)
    spread_s = seen.gamma.variation * seen.mean_s if seen is not None else kind.variation * mean_s
    replicates = tuple(np.maximum(calibration.loop_replicates_s(work), 0).tolist())
    return Estimated(mean_s, spread_s / mean_s if mean_s else 0.0, replicates)


def _calibrated_verify(kind: FlowKind, calibration: Calibration, costs: _Costs) -> Gamma:
    """Return what the workers take: their processor time, which on shared cores is no wall time."""
    laws = [law for law in calibration.services if law.runs_on == "pool"]
    # Without workers signatures are checked on the loop, and stand in its law.
    stage = max((law.gamma for law in laws), key=lambda gamma: gamma.mean_s, default=Gamma(0.0))
    if not costs.pool:
        return stage
    return Gamma(sum(law.at(_amounts(kind, costs)) for law in costs.pool), stage.variation)


def _journal(scenario: Scenario, calibration: Calibration | None) -> Journal:
    service = scenario.service
    commit_s, record_s = COMMIT_US * _MICRO, RECORD_US * _MICRO
    if calibration is not None and calibration.journal is not None:
        commit_s = max(calibration.journal.at({"block": 1.0, "command": 0.0}), 0.0)
        record_s = max(calibration.journal.at({"block": 0.0, "command": 1.0}), 0.0)
    if service.commit_us is not None:
        commit_s = service.commit_us * _MICRO
    if service.record_us is not None:
        record_s = service.record_us * _MICRO
    known = RECORDS_MAX
    if calibration is not None and calibration.tells_work:
        known = calibration.source.limits.block_work
    records_max = known if service.records_max is None else service.records_max
    return Journal(commit_s, record_s, records_max)


def mean_bytes(scenario: Scenario) -> float:
    """Return what an action takes of a batch's data, on average over the flow."""
    weight = sum(kind.share for kind in scenario.kinds)
    return sum(kind.share * kind.bytes for kind in scenario.kinds) / weight


def settlement_of(scenario: Scenario) -> Settlement:
    """Return L1 as ordinary, with batches as full as their limits allow."""
    chain, batches, each = scenario.l1, scenario.batches, mean_bytes(scenario)
    by_gas = (batches.gas_max - chain.batch_gas) / (chain.byte_gas * each)
    by_bytes = batches.data_bytes_max / each
    items = max(min(float(batches.commands_max), by_bytes, by_gas), 1.0)
    batch = BatchOnChain(
        items=items,
        gas=chain.batch_gas + items * each * chain.byte_gas,
        bytes=items * each,
        block_gas=chain.block_gas * chain.block_share,
        # Blocks bound calldata by its gas alone.
        block_bytes=float("inf"),
        fixed_gas=chain.batch_gas,
    )
    return Settlement(
        batch=batch,
        in_flight_max=chain.in_flight_max,
        block_s=chain.block_s,
        inclusion_probability=chain.inclusion,
        finality_blocks=chain.finality_blocks,
        sends=chain.gas_price_gwei <= chain.fee_cap_gwei,
    )


def _arrivals(scenario: Scenario) -> Hawkes:
    """Return clients who excite each other by their shares, and oracle rounds that do not."""
    flow = scenario.flow
    shares = np.array([kind.share for kind in scenario.kinds])
    shares = np.concatenate([[0.0, 0.0], shares / shares.sum()])
    baseline = flow.rate_per_s * (1 - sum(flow.branching)) * shares
    baseline[0] = 1 / scenario.oracle.interval_s
    clients = (shares > 0).astype(np.float64)
    branching = np.array([weight * np.outer(shares, clients) for weight in flow.branching])
    size = shares.size
    return Hawkes(
        baseline_per_s=baseline,
        branching=branching.reshape(len(flow.branching), size, size),
        decays_per_s=np.array(flow.decays_per_s, dtype=np.float64),
    )
