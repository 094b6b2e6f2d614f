"""Sweeps: the same question over a grid of one or two keys of the scenario."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from node.planner.answer import Answer
from node.planner.calibration import Calibration
from node.planner.conclude import conclude
from node.planner.forecast import draw
from node.planner.prices import Record
from node.planner.scenario import Scenario
from node.types.errors import ConfigInvalid

POINTS_MAX = 400
"""Of a whole grid: each is a plan of its own."""


class Axis(msgspec.Struct, frozen=True):
    """A key of the scenario and the values that it takes."""

    key: str
    values: tuple[float, ...]


class SweepPoint(msgspec.Struct, frozen=True):
    """One point of the grid, and the figures that surfaces are made of."""

    at: dict[str, float]
    figures: dict[str, float | None]


class Sweep(msgspec.Struct, frozen=True):
    """A grid, row by row: the last axis runs fastest."""

    axes: list[Axis]
    points: list[SweepPoint]


FIGURES = {
    "limit_per_s": "limit, actions/s",
    "knee_p50_per_s": "knee P50, actions/s",
    "refused_share": "refused, share P50",
    "liquidation_p99_s": "liquidation delay p99, s",
    "bad_debt_p95": "bad debt P95, quote",
    "unposted_peak_p95": "unposted peak P95, actions",
    "finality_p99_s": "time to finality p99, s",
}
"""What is told at each point, with its unit."""


QUICK = {"extent.runs": None, "extent.knee_runs": None, "extent.stretch_events": 1_000}
"""What a sweep sets at each point, None: to its own number of runs."""


def quick(tables: Mapping[str, Any], runs: int) -> dict[str, Any]:
    """Return the tables of a sweep's point, with its fewer ``runs``."""
    few = {key: runs if value is None else value for key, value in QUICK.items()}
    return tables_at(tables, few)


def parse_axes(texts: Sequence[str]) -> tuple[Axis, ...]:
    """Return the axes of ``key=from:until:count`` texts, at most two.

    Raises ``ConfigInvalid`` with the faults of all of them.
    """
    faults: list[str] = []
    axes = []
    for text in texts:
        try:
            axes.append(_axis(text))
        except ValueError as error:
            faults.append(f"--sweep {text}: {error}")
    if not 1 <= len(texts) <= 2:
        faults.append(f"--sweep: {len(texts)} keys, 1 … 2 allowed")
    keys = [axis.key for axis in axes]
    taken = sorted(set(keys) & QUICK.keys())
    faults += [f"--sweep {key}: a sweep sets it itself, see --sweep-runs" for key in taken]
    faults += [f"--sweep: {key} is given twice" for key in set(keys) if keys.count(key) > 1]
    points = math.prod(len(axis.values) for axis in axes)
    if points > POINTS_MAX:
        faults.append(f"--sweep: {points} points, 1 … {POINTS_MAX} allowed")
    if faults:
        raise ConfigInvalid(faults=tuple(faults))
    return tuple(axes)


def _axis(text: str) -> Axis:
    key, equals, span = text.partition("=")
    parts = span.split(":")
    if not (key.strip() and equals and len(parts) == 3):
        raise ValueError("key=from:until:count is needed, such as l1.block_s=2:24:6")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError:
        raise ValueError("from and until are numbers, count is a whole one") from None
    if not (math.isfinite(low) and math.isfinite(high) and 1 <= count <= POINTS_MAX):
        raise ValueError(f"finite numbers and a count of 1 … {POINTS_MAX} are allowed")
    step = (high - low) / (count - 1) if count > 1 else 0.0
    return Axis(key.strip(), tuple(low + index * step for index in range(count)))


def grid(axes: Sequence[Axis]) -> Iterator[dict[str, float]]:
    """Yield the points, the last axis fastest."""
    for values in itertools.product(*(axis.values for axis in axes)):
        yield {axis.key: value for axis, value in zip(axes, values, strict=True)}


def tables_at(tables: Mapping[str, Any], point: Mapping[str, float]) -> dict[str, Any]:
    """Return a scenario's tables with the keys of ``point`` set; reading them checks ranges.

    A value that is whole is set as an integer where it can only be one, since the file's reader
    tells the two apart. Raises ``ConfigInvalid`` for a key that is not section.key.
    """
    changed: dict[str, Any] = dict(tables)
    for key, value in point.items():
        section, dot, name = key.partition(".")
        table = changed.get(section, {})
        if not (section and dot and name and isinstance(table, Mapping)):
            raise ConfigInvalid(faults=(f"--sweep {key}: section.key is needed",))
        changed[section] = {**table, name: int(value) if value == int(value) else value}
    return changed


def figures_at(
    scenario: Scenario, calibration: Calibration | None, record: Record | None
) -> dict[str, float | None]:
    """Return the figures of one point: a plan of its own, computed where this is called."""
    return figures_of(conclude(scenario, draw(scenario, calibration, record)))


def figures_of(answer: Answer) -> dict[str, float | None]:
    """Return what a surface can show of an answer."""
    arrived = sum(lane.arrived.p50 or 0.0 for lane in answer.lanes)
    refused = sum(lane.refused.p50 or 0.0 for lane in answer.lanes)
    delay = answer.liquidations.pooled_delay_p99_s
    return {
        "limit_per_s": answer.law.limit_per_s,
        "knee_p50_per_s": answer.knee.p50,
        "refused_share": refused / arrived if arrived else 0.0,
        "liquidation_p99_s": None if math.isnan(delay) else delay,
        "bad_debt_p95": answer.liquidations.bad_debt.p95,
        "unposted_peak_p95": answer.chain.unposted_peak.p95,
        "finality_p99_s": answer.chain.finality_p99_s.p50,
    }
