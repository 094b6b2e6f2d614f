"""One draw of a scenario as a timeline, for whoever plays it to a real node."""

from typing import Literal

import msgspec
import numpy as np

from node.planner.arrays import Flags, Vector
from node.planner.course import step_middles_s, values_at, within
from node.planner.prices import Record, log_paths
from node.planner.scenario import Scenario


class L1Fault(msgspec.Struct, frozen=True):
    """What L1 does from ``from_s`` until ``until_s``."""

    from_s: float
    until_s: float
    kind: Literal["outage", "congestion", "reorg"]
    gas_price_factor: float = 1.0
    inclusion: float = 1.0
    block_share: float = 1.0
    depth: int = 0
    """Blocks that a reorg takes back, at ``from_s``."""


class Timeline(msgspec.Struct, frozen=True):
    """One value a step; the price has one more, for the start."""

    step_s: float
    rate_per_s: Vector
    """Actions of clients, on average."""
    price: Vector
    """Relative to the start."""
    oracle: Flags
    """Whether rounds come."""
    faults: tuple[L1Fault, ...]
    """By their beginnings."""


def timeline(scenario: Scenario, seed: int, record: Record | None = None) -> Timeline:
    """Return one draw, the same for the same seed; the price is without liquidations' dents."""
    random = np.random.default_rng(seed)
    step_s, times = scenario.extent.step_s, step_middles_s(scenario)
    path = log_paths(scenario.market, scenario.steps, step_s, 1, random, record)[0]
    faults = [*_phases(scenario), *_reorgs(scenario, random)]
    return Timeline(
        step_s=step_s,
        rate_per_s=scenario.flow.rate_per_s * values_at(scenario.flow.path, times, 1.0),
        price=np.exp(path),
        oracle=~within(scenario.oracle.stalls, times),
        faults=tuple(sorted(faults, key=lambda fault: (fault.from_s, fault.kind))),
    )


def _phases(scenario: Scenario) -> list[L1Fault]:
    ordinary = scenario.l1.inclusion
    return [
        L1Fault(
            from_s=phase.from_s,
            until_s=phase.until_s,
            kind="outage" if phase.outage else "congestion",
            gas_price_factor=phase.gas_price_factor,
            inclusion=ordinary if phase.inclusion is None else phase.inclusion,
            block_share=phase.block_share,
        )
        for phase in scenario.l1.phases
    ]


def _reorgs(scenario: Scenario, random: np.random.Generator) -> list[L1Fault]:
    horizon_s = scenario.extent.horizon_s
    count = random.poisson(scenario.l1.reorgs_per_hour * horizon_s / 3_600)
    moments = np.sort(random.random(count) * horizon_s).tolist()
    depth = scenario.l1.reorg_blocks
    return [L1Fault(moment, moment, "reorg", depth=depth) for moment in moments]
