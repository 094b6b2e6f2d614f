"""Files are read back as they were written; a bad one is refused with all of its faults."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from node.planner.calibration import Calibration, Source, calibrate, with_flow
from node.planner.calibration_file import (
    decode_calibration,
    encode_calibration,
    read_calibration,
    write_calibration,
)
from node.planner.flow_law import ArrivalLaw, FlowLaw
from node.types.errors import MeasurementInvalid, PathUnusable
from tests.unit.planner.telemetry_examples import Node, reads_of

ARRIVALS = ArrivalLaw(
    kinds=("place", "cancel"),
    baseline_per_s=(2.0, 1.0),
    branching=(((0.3, 0.1), (0.2, 0.4)),),
    decays_per_s=(8.0,),
    baseline_error=(0.1, None),
    branching_error=(((0.01, None), (0.02, 0.03)),),
    decays_error=(0.5,),
    mark_power=-0.1,
    mark_power_error=None,
    distance=(0.02, 0.03),
    p_value=(0.4, 0.5),
    poisson_distance=(0.4, 0.5),
    poisson_p_value=(0.0, 0.0),
    aic=-2_000.0,
    poisson_aic=-1_000.0,
    events=1_000,
    seconds=100.0,
    converged=True,
)
TAPE = Calibration(Source("tape", tape="a.csv"), flow=FlowLaw({}, 0.5, arrivals=ARRIVALS))
RATES = np.linspace(100, 800, 12).tolist()
MEASURED = calibrate(reads_of(Node(), RATES, np.random.default_rng(1)))


def faults_of(data: object) -> set[str]:
    with pytest.raises(MeasurementInvalid) as raised:
        decode_calibration(msgspec.json.encode(data))
    return {fault.partition(":")[0] for fault in raised.value.faults}


def as_json(calibration: Calibration) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(encode_calibration(calibration))
    return data


@pytest.mark.parametrize("calibration", [TAPE, MEASURED, with_flow(MEASURED, TAPE)])
def test_what_was_written_is_read(calibration: Calibration, tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    write_calibration(file, calibration)
    assert read_calibration(file) == calibration


def test_a_node_under_another_flow_keeps_what_its_commands_held() -> None:
    both = with_flow(MEASURED, TAPE)
    assert both.source.what == "both"
    assert both.source.tape == "a.csv"
    assert both.flow is not None
    assert MEASURED.flow is not None
    assert both.flow.arrivals == ARRIVALS
    assert both.flow.kinds == MEASURED.flow.kinds
    assert both.flow.oracle_interval_s == MEASURED.flow.oracle_interval_s
    assert both.services == MEASURED.services


def test_every_fault_is_told_with_its_key() -> None:
    data = as_json(with_flow(MEASURED, TAPE))
    arrivals = data["flow"]["arrivals"]
    arrivals["branching"] = [[[0.9, 0.4], [0.4, 0.9]]]
    arrivals["p_value"] = [0.5, 1.5]
    del data["flow"]["cancel_ratio"]
    data["services"][0]["mean_s"] = -1.0
    data["services"][1]["square_s2"] = 0.0
    data["journal"]["coefficients"] = [1e-3]
    data["version"] = 1
    data["loop"]["replicates"] = []
    data["colour"] = "blue"
    assert faults_of(data) == {
        "flow.arrivals.p_value[1]",
        "flow.cancel_ratio",
        "services[0].mean_s",
        "services[1].square_s2",
        "journal.coefficients",
        "version",
        "loop.replicates (their number)",
        "colour",
    }
    # The radius is told once the numbers beside it are in range.
    arrivals["p_value"] = [0.5, 0.5]
    assert "flow.arrivals.branching" in faults_of(data)


def test_an_unstable_process_names_its_radius_and_the_range() -> None:
    data = as_json(TAPE)
    data["flow"]["arrivals"]["branching"] = [[[0.9, 0.4], [0.4, 0.9]]]
    with pytest.raises(MeasurementInvalid) as raised:
        decode_calibration(msgspec.json.encode(data))
    (fault,) = raised.value.faults
    assert fault == "flow.arrivals.branching: spectral radius 1.300, 0 … 1 allowed, 1 excluded"


def test_laws_of_different_resamples_are_refused() -> None:
    data = as_json(MEASURED)
    data["services"][1]["replicates_s"] = data["services"][1]["replicates_s"][:3]
    data["loop"]["replicates"] = data["loop"]["replicates"][:5]
    assert faults_of(data) == {
        "services[1].replicates_s (their number)",
        "loop.replicates (their number)",
    }


def test_the_law_of_cold_commands_is_checked_like_the_others() -> None:
    data = as_json(MEASURED)
    data["cold"]["coefficients"] = []
    data["cold"]["terms"] = ["block", "work"]
    data["cold"]["replicates"] = data["cold"]["replicates"][:5]
    assert faults_of(data) == {
        "cold.coefficients",
        "cold.terms",
        "cold.replicates (their number)",
    }


def test_a_law_that_knows_of_no_term_tells_of_nothing() -> None:
    data = as_json(MEASURED)
    data["cold"] |= {"terms": [], "coefficients": []}
    data["cold"]["replicates"] = [[] for _ in data["cold"]["replicates"]]
    found = decode_calibration(msgspec.json.encode(data))
    assert found.cold is not None
    assert not found.cold.replicates_at({"block": 1.0}).any()


def test_a_file_from_before_the_law_of_cold_commands_tells_their_means() -> None:
    data = as_json(MEASURED)
    del data["cold"]
    found = decode_calibration(msgspec.json.encode(data))
    assert found.cold is None
    place = found.service("transition", "place")
    assert place is not None
    assert found.command_s("place") == place.mean_s


def test_shapes_that_do_not_fit_are_told() -> None:
    data = as_json(TAPE)
    data["flow"]["arrivals"]["branching"] = [[[0.3], [0.2, 0.4]]]
    data["flow"]["arrivals"]["baseline_per_s"] = [1.0]
    data["flow"]["arrivals"]["decays_per_s"] = [0.0]
    assert faults_of(data) == {
        "flow.arrivals.branching",
        "flow.arrivals.baseline_per_s",
        "flow.arrivals.decays_per_s",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"{}"])
def test_what_is_no_calibration_is_refused(body: bytes) -> None:
    with pytest.raises(MeasurementInvalid):
        decode_calibration(body)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathUnusable):
        read_calibration(tmp_path / "missing.json")
    with pytest.raises(PathUnusable):
        write_calibration(tmp_path, TAPE)
