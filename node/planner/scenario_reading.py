"""Reading a scenario from the tables of a file: every fault at once, with its key and its range."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from node.codec.l1_gas import AIMED_BYTES_MAX, GAS_MAX
from node.planner.scenario import (
    DEFAULT_KINDS,
    KNEE_BLOCKS,
    LANES,
    STEPS_MAX,
    Batches,
    Chain,
    Extent,
    Flow,
    FlowKind,
    L1Phase,
    Lanes,
    MarketPath,
    Oracle,
    Point,
    Positions,
    Risk,
    Scenario,
    Service,
)
from node.types.faults import Ordered
from node.types.tables import Faults, in_range, read_section

CLIENT_LANES = tuple(lane for lane in LANES if lane != "liquidation")
"""What clients can enter: liquidations have their lane to themselves."""

_FIRST = ("name", "about")
_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "extent": Extent,
    "service": Service,
    "lanes": Lanes,
    "batches": Batches,
    "l1": Chain,
    "oracle": Oracle,
    "market": MarketPath,
    "positions": Positions,
    "risk": Risk,
    "flow": Flow,
}

RANGES: dict[str, dict[str, tuple[Ordered, Ordered]]] = {
    "extent": {
        "horizon_s": (10.0, 604_800.0),
        "step_s": (0.05, 60.0),
        "stretch_events": (100, 1_000_000),
        "knee_runs": (1, 10_000),
        "knee_s": (10.0, 86_400.0),
        "runs": (1, 1_000_000),
        "seed": (0, 2**63 - 1),
    },
    "service": {
        "workers": (1, 1_024),
        "cores": (0, 1_024),
        "idle_ms": (0.0, 1_000.0),
        "beside_idle_ms": (0.0, 1e6),
        "commit_us": (0.0, 1e7),
        "record_us": (0.0, 1e6),
        "records_max": (1, 100_000),
        "patience_ms": (1.0, 10_000.0),
        "liquidate_us": (0.0, 1e7),
        "round_us": (0.0, 1e7),
        "scan_us_per_1000": (0.0, 1e6),
        "scan_us_max": (0.0, 1e7),
    },
    "lanes": dict.fromkeys(LANES, (1, 10_000_000)),
    "batches": {
        "commands_max": (1, 200_000),
        "data_bytes_max": (1_000, AIMED_BYTES_MAX),
        "gas_max": (250_000, GAS_MAX),
        "age_s": (0.001, 3_600.0),
        "backlog_batches_max": (1, 100_000),
        "backlog_bytes_max": (1_000, 10_000_000_000),
    },
    "l1": {
        "block_s": (0.1, 3_600.0),
        "block_gas": (0.0, 1e12),
        "block_share": (0.0, 1.0),
        "batch_gas": (1.0, 1e9),
        "byte_gas": (1.0, 10_000.0),
        "in_flight_max": (1, 1_000),
        "inclusion": (0.001, 1.0),
        "finality_blocks": (0, 100_000),
        "gas_price_gwei": (0.0, 1e6),
        "fee_cap_gwei": (0.0, 1e9),
        "reorgs_per_hour": (0.0, 3_600.0),
        "reorg_blocks": (1, 64),
        "unposted_at_start": (0, 1_000_000_000),
    },
    "oracle": {"interval_s": (0.001, 3_600.0), "stale_s": (0.01, 86_400.0)},
    "market": {
        "daily_volatility": (0.0, 10.0),
        "tail_degrees": (2.1, 1_000.0),
        "jumps_per_day": (0.0, 10_000.0),
        "jump_size": (0.0, 2.0),
        "recorded_from": (0, 2**40),
        "recorded_block_s": (1.0, 3_600.0),
        "depth": (1.0, 1e15),
        "depth_within": (1e-5, 0.5),
        "depth_recovery_s": (0.01, 86_400.0),
    },
    "positions": {
        "accounts": (1, 100_000_000),
        "open": (0, 100_000_000),
        "notional": (0.0, 1e12),
        "long_share": (0.0, 1.0),
        "maintenance": (1e-4, 0.5),
        "seasoned": (0.0, 1.0),
    },
    "risk": {"turn_ms": (0.0, 60_000.0), "late_after_ms": (0.0, 3_600_000.0)},
    "flow": {"rate_per_s": (0.01, 10_000_000.0)},
}
"""Lowest and highest value of each key, both allowed."""

_KIND_RANGES: dict[str, tuple[Ordered, Ordered]] = {
    "share": (0.0, 1e9),
    "loop_us": (0.01, 1e7),
    "variation": (0.0, 20.0),
    "verify_us": (0.0, 1e7),
    "beside_us": (0.0, 1e7),
    "bytes": (0.1, 1e6),
    "items": (1.0, 10_000.0),
}
_PHASE_RANGES: dict[str, tuple[Ordered, Ordered]] = {
    "from_s": (0.0, 604_800.0),
    "until_s": (0.0, 604_800.0),
    "gas_price_factor": (0.0, 1e6),
    "inclusion": (0.0, 1.0),
    "block_share": (0.0, 1.0),
}


def read_scenario(tables: Mapping[str, Any]) -> Scenario:
    """Return the scenario of a file's tables. Raises ``ConfigInvalid`` naming every fault."""
    faults = Faults()
    known = {*_FIRST, *_SECTIONS, "kinds"}
    for key in sorted(set(tables) - known):
        faults.add(key, f"unknown key; known are {', '.join(sorted(known))}")
    values: dict[str, Any] = {}
    for key in _FIRST:
        values[key] = tables.get(key)
        if not isinstance(values[key], str) or not values[key].strip():
            faults.add(key, "some words are needed")
    for name, kind in _SECTIONS.items():
        section = read_section(kind, _without_lists(name, tables), name, faults) or kind()
        in_range(faults, name, section, RANGES[name])
        values[name] = section
    values["l1"] = msgspec.structs.replace(values["l1"], phases=_phases(tables, faults))
    values["kinds"] = _kinds(tables, faults)
    scenario = Scenario(**values)
    for key, fault in _faults_across(scenario):
        faults.add(key, fault)
    faults.raise_if_any()
    return scenario


def _without_lists(name: str, tables: Mapping[str, Any]) -> object:
    """Return a section's table; L1's phases are tables of their own and read one by one."""
    table = tables.get(name, {})
    if name == "l1" and isinstance(table, Mapping):
        return {key: value for key, value in table.items() if key != "phases"}
    return table


def _phases(tables: Mapping[str, Any], faults: Faults) -> tuple[L1Phase, ...]:
    chain = tables.get("l1", {})
    rows = chain.get("phases", []) if isinstance(chain, Mapping) else []
    return tuple(_read_list(L1Phase, rows, "l1.phases", _PHASE_RANGES, faults))


def _kinds(tables: Mapping[str, Any], faults: Faults) -> tuple[FlowKind, ...]:
    if "kinds" not in tables:
        return DEFAULT_KINDS
    return tuple(_read_list(FlowKind, tables["kinds"], "kinds", _KIND_RANGES, faults))


def _read_list(
    kind: type[Any],
    rows: object,
    prefix: str,
    ranges: Mapping[str, tuple[Ordered, Ordered]],
    faults: Faults,
) -> Iterator[Any]:
    if not isinstance(rows, list | tuple):
        faults.add(prefix, f"must be a list of tables, [[{prefix}]]")
        return
    for index, row in enumerate(rows):
        place = f"{prefix}[{index}]"
        found = read_section(kind, row, place, faults)
        if found is not None:
            in_range(faults, place, found, ranges)
            yield found


def _faults_across(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with no single number: shapes, orders, sums, one key beside another."""
    extent, chain = scenario.extent, scenario.l1
    if extent.step_s > chain.block_s:
        yield "extent.step_s", f"{extent.step_s}, at most l1.block_s = {chain.block_s} allowed"
    if extent.step_s > extent.horizon_s or extent.step_s > extent.knee_s:
        yield "extent.step_s", f"{extent.step_s}, at most horizon_s and knee_s allowed"
    longest_s = max(extent.horizon_s, scenario.knee_s)
    if extent.step_s * STEPS_MAX < longest_s:
        least = longest_s / STEPS_MAX
        why = (
            f"{STEPS_MAX} steps of horizon_s, knee_s and {KNEE_BLOCKS} l1.block_s / l1.inclusion "
            "at most"
        )
        yield "extent.step_s", f"{extent.step_s}, at least {least:.4g} allowed: {why}"
    yield from _kind_faults(scenario)
    yield from _flow_faults(scenario.flow)
    yield from _market_faults(scenario)
    for index, phase in enumerate(chain.phases):
        if not phase.from_s < phase.until_s:
            yield f"l1.phases[{index}].until_s", f"{phase.until_s}, above {phase.from_s} allowed"
    for index, (begin, end) in enumerate(scenario.oracle.stalls):
        if not 0 <= begin < end:
            yield f"oracle.stalls[{index}]", f"[{begin}, {end}], 0 <= from < until allowed"


def _kind_faults(scenario: Scenario) -> Iterator[tuple[str, str]]:
    kinds = scenario.kinds
    if not sum(kind.share for kind in kinds) > 0:
        yield "kinds", "their shares add up to nothing, above 0 allowed"
    names = [kind.name for kind in kinds]
    for index, kind in enumerate(kinds):
        if kind.name in (*names[:index], "liquidate", "oracle_round"):
            yield f"kinds[{index}].name", f"{kind.name} is taken"
        if kind.lane not in CLIENT_LANES:
            yield f"kinds[{index}].lane", f"{kind.lane}, one of {', '.join(CLIENT_LANES)} allowed"
        for key in ("loop_us", "verify_us"):
            if getattr(kind, key) is None and not scenario.service.calibration:
                yield f"kinds[{index}].{key}", "is missing, as service.calibration names no file"


def _flow_faults(flow: Flow) -> Iterator[tuple[str, str]]:
    if len(flow.branching) != len(flow.decays_per_s):
        yield "flow.decays_per_s", f"{len(flow.branching)} values needed, one for each branching"
    if not all(0 <= value < math.inf for value in flow.branching):
        yield "flow.branching", "0 … 1 allowed for each"
    elif sum(flow.branching) >= 1:
        radius = sum(flow.branching)
        yield "flow.branching", f"spectral radius {radius:.3g}, below 1 needed: bursts never end"
    if not all(0 < value < math.inf for value in flow.decays_per_s):
        yield "flow.decays_per_s", "above 0 allowed for each"
    yield from _path_faults("flow.path", flow.path, low=0.0)


def _market_faults(scenario: Scenario) -> Iterator[tuple[str, str]]:
    market, positions = scenario.market, scenario.positions
    alpha, beta = market.garch
    if not (alpha >= 0 and beta >= 0 and alpha + beta < 1):
        yield "market.garch", f"{list(market.garch)}, both >= 0 with a sum below 1 allowed"
    if market.path == "recorded" and not market.recorded:
        yield "market.recorded", "is missing, as market.path is recorded"
    yield from _path_faults("market.shape", market.shape, low=1e-6)
    yield from _path_faults("market.volatility_path", market.volatility_path, low=0.0)
    if positions.open > positions.accounts * 100:
        yield "positions.open", f"{positions.open}, at most 100 for each account allowed"
    if not sum(share for _, share in positions.leverage) > 0:
        yield "positions.leverage", "shares that add up to more than 0 are needed"
    for index, (leverage, share) in enumerate(positions.leverage):
        highest = 1 / positions.maintenance if positions.maintenance > 0 else math.inf
        if not (1 <= leverage < highest and 0 <= share < math.inf):
            fault = f"[{leverage}, {share}], leverage 1 … below {highest:g}, share >= 0 allowed"
            yield f"positions.leverage[{index}]", fault


def _path_faults(key: str, path: tuple[Point, ...], low: float) -> Iterator[tuple[str, str]]:
    times = [time for time, _ in path]
    if any(not later > earlier for earlier, later in itertools.pairwise(times)):
        yield key, "times must ascend"
    if not all(time >= 0 and low <= value < math.inf for time, value in path):
        yield key, f"times >= 0 and values >= {low:g} allowed"
