"""A scenario that names a calibration: what the calibration tells where the scenario is silent.

What stands in the scenario's file always goes first. Of ``[flow]`` the rate is one thing that a
calibration with arrivals can tell, and how they burst (``branching`` and ``decays_per_s``, which
belong together) is another; times of kinds and of the journal are ``node.planner.model``'s.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from node.planner.calibration import Calibration
from node.planner.calibration_file import read_calibration
from node.planner.flow_law import ArrivalLaw
from node.planner.scenario import Scenario
from node.planner.scenario_reading import read_scenario
from node.types.faults import raise_faults

BURSTS = ("branching", "decays_per_s")


class Resolved(msgspec.Struct, frozen=True):
    """A scenario with the flow that its calibration tells."""

    tables: dict[str, Any]
    """Of the scenario's file, the calibrated flow's keys among them."""
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
    arrivals = calibration.flow.arrivals if calibration.flow is not None else None
    told = dict(tables.get("flow", {}))
    taken = _calibrated(arrivals, told) if arrivals is not None else {}
    if not taken:
        return Resolved(dict(tables), scenario, calibration)
    whole = {**tables, "flow": {**told, **taken}}
    note = f"flow: {', '.join(taken)} as calibrated, from {name}"
    return Resolved(whole, read_scenario(whole), calibration, note)


def _calibrated(arrivals: ArrivalLaw, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of the flow that were not told.

    A scenario has one kind of arrival where the law has several: the rate is their sum, and an
    event has as many children on each scale as the mean event of the law has, so that clusters are
    as large as the law's on average.
    """
    process = arrivals.process
    rates = process.mean_rates_per_s
    children = (process.branching * rates).sum(axis=(1, 2)) / max(rates.sum(), 1e-300)
    found: dict[str, Any] = {}
    if "rate_per_s" not in told:
        found["rate_per_s"] = float(rates.sum())
    if not any(key in told for key in BURSTS):
        found |= {"branching": children.tolist(), "decays_per_s": list(arrivals.decays_per_s)}
    return found


def _missing_times(scenario: Scenario, calibration: Calibration) -> Iterator[str]:
    if calibration.tells_work:
        return
    for index, kind in enumerate(scenario.kinds):
        for key in ("loop_us", "verify_us"):
            if getattr(kind, key) is None:
                why = "service.calibration tells of a flow, not of what work costs"
                yield f"kinds[{index}].{key}: is missing, as {why}"
