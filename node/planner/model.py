"""The pipeline that a scenario describes, with a calibration's laws where it names them."""

import msgspec
import numpy as np
from numpy.typing import NDArray

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
from node.planner.scenario import LANES, FlowKind, Scenario
from node.planner.service_law import TRANSITION
from node.planner.tides import LIQUIDATE

Vector = NDArray[np.float64]

ROUND = "oracle_round"
COMMANDS_PER_BLOCK = 64
"""What a block's own cost is shared by when a calibration is read: a busy node's block."""
_MICRO = 1e-6


def pipeline_of(scenario: Scenario, calibration: Calibration | None = None) -> Pipeline:
    """Return the node under its flow.

    Kinds are oracle rounds and liquidations, which are the node's own, then those that clients
    send. Raises ``ValueError`` where a kind has neither a time nor a law.
    """
    service, lanes = scenario.service, scenario.lanes
    clients = tuple(_kind(kind, calibration) for kind in scenario.kinds)
    return Pipeline(
        kinds=(*_own_kinds(scenario), *clients),
        lanes=tuple(Lane(name, getattr(lanes, name)) for name in LANES),
        workers=service.workers,
        journal=_journal(scenario, calibration),
        settlement=settlement_of(scenario),
        arrivals=_arrivals(scenario),
    )


def with_laws(scenario: Scenario, calibration: Calibration | None) -> Scenario:
    """Return the scenario with a calibration's times written into it, as known exactly."""
    if calibration is None:
        return scenario
    laws = [_kind(kind, calibration) for kind in scenario.kinds]
    kinds = tuple(
        msgspec.structs.replace(
            kind,
            loop_us=law.loop.moments.mean_s / _MICRO,
            verify_us=law.verify.moments.mean_s / _MICRO,
        )
        for kind, law in zip(scenario.kinds, laws, strict=True)
    )
    journal = _journal(scenario, calibration)
    service = msgspec.structs.replace(
        scenario.service,
        commit_us=journal.commit_s / _MICRO,
        record_us=journal.record_s / _MICRO,
        calibration="",
    )
    return msgspec.structs.replace(scenario, kinds=kinds, service=service)


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


def _kind(kind: FlowKind, calibration: Calibration | None) -> Kind:
    loop: ServiceTime | None = None
    verify: ServiceTime | None = None
    if kind.loop_us is not None:
        loop = Gamma(kind.loop_us * _MICRO, kind.variation)
    if kind.verify_us is not None:
        verify = Gamma(kind.verify_us * _MICRO, 0.3)
    if calibration is not None and calibration.tells_work:
        loop = loop or _calibrated_loop(kind, calibration)
        verify = verify or _calibrated_verify(calibration)
    if loop is None or verify is None:
        raise ValueError(f"{kind.name} has no service time, and no calibration gives one")
    return Kind(kind.name, LANES.index(kind.lane), loop, verify)


def _calibrated_loop(kind: FlowKind, calibration: Calibration) -> ServiceTime:
    """Return what one action adds to the loop: its command, its message, its share of a block."""
    law = kind.law or kind.name
    work = Work(
        seconds=0.0,
        messages=1.0,
        blocks=1 / COMMANDS_PER_BLOCK,
        commands={law: 1.0},
        items=kind.items,
    )
    mean_s = calibration.loop_s(work)
    seen = calibration.service(TRANSITION, law)
    spread_s = seen.gamma.variation * seen.mean_s if seen is not None else kind.variation * mean_s
    replicates = tuple(np.maximum(calibration.loop_replicates_s(work), 0).tolist())
    return Estimated(mean_s, spread_s / mean_s if mean_s else 0.0, replicates)


def _calibrated_verify(calibration: Calibration) -> Gamma:
    laws = [law for law in calibration.services if law.runs_on == "pool"]
    # Without workers signatures are checked on the loop, and stand in its law.
    return max((law.gamma for law in laws), key=lambda gamma: gamma.mean_s, default=Gamma(0.0))


def _journal(scenario: Scenario, calibration: Calibration | None) -> Journal:
    service = scenario.service
    commit_s, record_s = service.commit_us * _MICRO, service.record_us * _MICRO
    if calibration is not None and calibration.journal is not None:
        base = calibration.journal.at({"block": 1.0, "command": 0.0})
        each = calibration.journal.at({"block": 0.0, "command": 1.0})
        commit_s, record_s = max(base, 0.0), max(each, 0.0)
    return Journal(commit_s, record_s, service.records_max)


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
    )
    return Settlement(
        batch=batch,
        in_flight_max=chain.in_flight_max,
        block_s=chain.block_s,
        inclusion_probability=chain.inclusion,
        finality_blocks=chain.finality_blocks,
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
