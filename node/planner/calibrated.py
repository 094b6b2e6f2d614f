"""A scenario that names a calibration: what the calibration tells where the scenario is silent.

What stands in the scenario's file always goes first. Of ``[flow]`` the rate is one thing that a
calibration with arrivals can tell, and how they burst (``branching`` and ``decays_per_s``, which
belong together) is another. What a node's work costs is put into the pipeline by
``node.planner.model``, wherever the scenario leaves it out; here it is seen to that the default
kinds leave it out.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from node.planner.calibration import Calibration
from node.planner.calibration_file import read_calibration
from node.planner.flow_law import ArrivalLaw
from node.planner.scenario import DEFAULT_KINDS, FlowKind, Scenario
from node.planner.scenario_reading import read_scenario
from node.types.faults import raise_faults

BURSTS = ("branching", "decays_per_s")


class Resolved(msgspec.Struct, frozen=True):
    """A scenario with what its calibration tells written into it."""

    tables: dict[str, Any]
    """Of the scenario's file, the keys that the calibration told among them."""
    scenario: Scenario
    calibration: Calibration | None = None
    note: str = ""
    """Which keys came from the calibration; empty where none did."""


def resolved(tables: Mapping[str, Any], folder: Path) -> Resolved:
    """Return the scenario of a file's tables, whose calibration lies beside it in ``folder``.

    Raises ``ConfigInvalid`` for the scenario, and where nothing tells the time of a kind;
    ``PathUnusable`` and ``MeasurementInvalid`` for the calibration.
    """
    scenario = read_scenario(tables)
    name = scenario.service.calibration
    if not name:
        return Resolved(dict(tables), scenario)
    calibration = read_calibration(folder / name)
    raise_faults(list(_missing_times(scenario, calibration)))
    whole, notes = dict(tables), []
    if "kinds" not in tables and calibration.tells_work:
        whole["kinds"] = [_untimed(kind) for kind in DEFAULT_KINDS]
        notes.append("kinds: loop_us, verify_us, beside_us")
    for section, found in _told_by(calibration):
        told = dict(tables.get(section, {}))
        taken = {key: value for key, value in found.items() if _is_left_out(key, told)}
        if taken:
            whole[section] = {**told, **taken}
            notes.append(f"{section}: {', '.join(taken)}")
    if not notes:
        return Resolved(whole, scenario, calibration)
    note = f"{'; '.join(notes)} as calibrated, from {name}"
    return Resolved(whole, read_scenario(whole), calibration, note)


def _untimed(kind: FlowKind) -> dict[str, Any]:
    """Return the table of a default kind, its times left to the calibration."""
    table = msgspec.structs.asdict(kind)
    return {key: value for key, value in table.items() if not key.endswith("_us")}


def _told_by(calibration: Calibration) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield by section what a calibration tells of a flow, of the oracle and of L1."""
    flow, chain = calibration.flow, calibration.l1
    if flow is not None and flow.arrivals is not None:
        yield "flow", _arrivals(flow.arrivals)
    if flow is not None and flow.oracle_interval_s:
        yield "oracle", {"interval_s": flow.oracle_interval_s}
    if chain is not None:
        gas = {f"{term}_gas": chain.gas.coefficient(term) for term in ("batch", "byte")}
        # A term that the windows did not tell from the other carries nothing, and the other both.
        if min(gas.values()) >= 1:
            yield "l1", gas


def _is_left_out(key: str, told: Mapping[str, Any]) -> bool:
    return not any(other in told for other in (BURSTS if key in BURSTS else (key,)))


def _arrivals(arrivals: ArrivalLaw) -> dict[str, Any]:
    """Return the keys of the flow.

    A scenario has one kind of arrival where the law has several: the rate is their sum, and an
    event has as many children on each scale as the mean event of the law has, so that clusters are
    as large as the law's on average.
    """
    process = arrivals.process
    rates = process.mean_rates_per_s
    children = (process.branching * rates).sum(axis=(1, 2)) / max(rates.sum(), 1e-300)
    return {
        "rate_per_s": float(rates.sum()),
        "branching": children.tolist(),
        "decays_per_s": list(arrivals.decays_per_s),
    }


def _missing_times(scenario: Scenario, calibration: Calibration) -> Iterator[str]:
    if calibration.tells_work:
        return
    for index, kind in enumerate(scenario.kinds):
        for key in ("loop_us", "verify_us"):
            if getattr(kind, key) is None:
                why = "service.calibration tells of a flow, not of what work costs"
                yield f"kinds[{index}].{key}: is missing, as {why}"
