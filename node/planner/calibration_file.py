"""Calibrations as files: JSON, checked as a whole when it is read.

A file may come from another version or from a person's hand, so reading it trusts nothing: shapes,
ranges and whether the arrival process is stable are told at once, each with its key.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from node.planner.calibration import VERSION, Calibration, Work, amounts_of
from node.planner.chain_law import ChainLaw
from node.planner.checked import ANY_NUMBER, Range, read_checked
from node.planner.flow_law import ArrivalLaw
from node.planner.hawkes import spectral_radius
from node.planner.regression import LinearLaw
from node.planner.service_law import ServiceLaw
from node.planner.windows import LIMIT_RANGES
from node.types.errors import MeasurementInvalid, PathUnusable
from node.types.faults import out_of

RANGES: dict[str, Range] = {
    "log_mean": ANY_NUMBER,
    "aic": ANY_NUMBER,
    "poisson_aic": ANY_NUMBER,
    "mark_power": ANY_NUMBER,
    "distance": (0, 1),
    "p_value": (0, 1),
    "poisson_distance": (0, 1),
    "poisson_p_value": (0, 1),
    "load_max": (0.01, 1),
    "version": (VERSION, VERSION),
    **LIMIT_RANGES,
}
"""By the last part of the key; all other numbers must not be negative."""

TERMS = tuple(amounts_of(Work(0, 0, 0, {}, 0)))
"""Of the laws of work; those of the chain name kinds of commands."""


def encode_calibration(calibration: Calibration) -> bytes:
    """Return ``calibration`` as JSON, one key a line so that two files can be compared."""
    return msgspec.json.format(msgspec.json.encode(calibration)) + b"\n"


def decode_calibration(body: bytes) -> Calibration:
    """Return the calibration in ``body``. Raises ``MeasurementInvalid`` with all faults."""
    try:
        data = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise MeasurementInvalid(faults=(f"calibration: {error}",)) from None
    calibration, faults = read_checked(Calibration, data, RANGES)
    if isinstance(data, dict):
        faults += _law_faults(data)
    if calibration is None or faults:
        raise MeasurementInvalid(faults=tuple(faults))
    return calibration


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write ``calibration``. Raises ``PathUnusable`` where that cannot be done."""
    try:
        path.write_bytes(encode_calibration(calibration))
    except OSError as error:
        raise PathUnusable(path=str(path), detail=error.strerror) from error


def read_calibration(path: Path) -> Calibration:
    """Read a file. Raises ``PathUnusable``, or ``MeasurementInvalid`` with all faults."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise PathUnusable(path=str(path), detail=error.strerror) from error
    return decode_calibration(body)


def _law_faults(data: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong between the numbers of one law, for each law that can be read at all."""
    services = data.get("services")
    for place, raw in enumerate(services if isinstance(services, list) else ()):
        service, _ = read_checked(ServiceLaw, raw, RANGES)
        if service is not None:
            yield from _service_faults(service, f"services[{place}]")
    processes = data.get("processes")
    named = {f"processes.{name}": law for name, law in _items(processes)}
    named |= {name: data.get(name) for name in ("loop", "cold", "blocks", "journal")}
    for key, raw in named.items():
        law, _ = read_checked(LinearLaw, raw, RANGES)
        if law is not None:
            yield from _linear_faults(law, key)
            yield from (
                f"{key}.terms: {term!r}, one of {', '.join(TERMS)} allowed"
                for term in law.terms
                if term not in TERMS
            )
    yield from _replicate_faults(data, named)
    chain, _ = read_checked(ChainLaw, data.get("l1"), RANGES)
    if chain is not None:
        yield from _linear_faults(chain.gas, "l1.gas")
        yield from _linear_faults(chain.data_bytes, "l1.data_bytes")
    arrivals, _ = read_checked(ArrivalLaw, dict(_items(data.get("flow"))).get("arrivals"), RANGES)
    if arrivals is not None:
        yield from _arrival_faults(arrivals, "flow.arrivals")


def _items(table: object) -> list[tuple[str, Any]]:
    return list(table.items()) if isinstance(table, dict) else []


def _replicate_faults(data: dict[str, Any], linear: Mapping[str, Any]) -> Iterator[str]:
    """Yield each law with another number of replicates than the first: the r-th belong together."""
    services = data.get("services")
    told = {
        f"services[{place}].replicates_s": raw.get("replicates_s")
        for place, raw in enumerate(services if isinstance(services, list) else ())
        if isinstance(raw, dict)
    }
    told |= {
        f"{key}.replicates": dict(_items(raw)).get("replicates") for key, raw in linear.items()
    }
    counts = {key: len(rows) for key, rows in told.items() if isinstance(rows, list) and rows}
    first = next(iter(counts.values()), 0)
    for key, count in counts.items():
        if count != first:
            yield f"{key} (their number): {count}, {first} allowed, as in {next(iter(counts))}"


def _service_faults(law: ServiceLaw, key: str) -> Iterator[str]:
    least = law.mean_s**2 * (1 - 1e-9)
    yield from out_of(f"{key}.square_s2", law.square_s2, least, math.inf)
    yield from out_of(f"{key}.replicates_s (their number)", len(law.replicates_s), 1, math.inf)


def _linear_faults(law: LinearLaw, key: str) -> Iterator[str]:
    terms = len(law.terms)
    if len(law.coefficients) != terms:
        yield f"{key}.coefficients: {len(law.coefficients)} of them, {terms} allowed (the terms)"
    yield from out_of(f"{key}.replicates (their number)", len(law.replicates), 1, math.inf)
    for place, row in enumerate(law.replicates):
        if len(row) != terms:
            yield f"{key}.replicates[{place}]: {len(row)} numbers, {terms} allowed (the terms)"


def _arrival_faults(law: ArrivalLaw, key: str) -> Iterator[str]:
    kinds, scales = len(law.kinds), len(law.decays_per_s)
    if len(law.baseline_per_s) != kinds:
        yield f"{key}.baseline_per_s: {len(law.baseline_per_s)} of them, {kinds} allowed"
    if not all(law.decays_per_s):
        yield f"{key}.decays_per_s: 0, more than 0 allowed"
    shapes = {(len(rows), *map(len, rows)) for rows in law.branching}
    if len(law.branching) != scales or shapes - {(kinds, *(kinds,) * kinds)}:
        yield f"{key}.branching: {scales} matrices of {kinds} × {kinds} allowed"
        return
    radius = spectral_radius(np.asarray(law.branching, dtype=np.float64))
    if not radius < 1:
        yield f"{key}.branching: spectral radius {radius:.3f}, 0 … 1 allowed, 1 excluded"
