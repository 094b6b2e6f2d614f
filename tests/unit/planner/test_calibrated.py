"""What a calibration tells of a flow reaches the plan, and what stands in the scenario wins."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.planner.calibrated import resolved
from node.planner.calibration import Calibration, Source, with_flow
from node.planner.calibration_file import write_calibration
from node.planner.model import pipeline_of
from node.planner.scenario import DEFAULT_KINDS
from node.planner.scenario_reading import read_scenario
from node.types.errors import ConfigInvalid
from tests.unit.planner.test_calibration_file import MEASURED, TAPE

PLACED = {"name": "place", "lane": "resting", "share": 1.0}
TIMED = {**PLACED, "loop_us": 50.0, "verify_us": 60.0}


def tables_with(folder: Path, calibration: Calibration, **sections: object) -> dict[str, Any]:
    write_calibration(folder / "node.json", calibration)
    service = {"calibration": "node.json"}
    return {"name": "one", "about": "calibrated", "service": service, **sections}


def test_a_flow_that_is_left_out_is_the_tapes(tmp_path: Path) -> None:
    """(I − n)⁻¹ (2, 1) = (3.25, 2.75): six a second, of which three are somebody's children."""
    found = resolved(tables_with(tmp_path, TAPE), tmp_path)
    flow = found.scenario.flow
    assert flow.rate_per_s == pytest.approx(6.0)
    assert flow.branching == pytest.approx((0.5,))
    assert flow.decays_per_s == (8.0,)
    assert pipeline_of(found.scenario, found.calibration).rate_per_s == pytest.approx(6.0)
    assert all(word in found.note for word in ("rate_per_s", "branching", "node.json"))
    assert found.tables["flow"]["decays_per_s"] == [8.0]


@pytest.mark.parametrize(
    ("told", "rate_per_s", "decays_per_s"),
    [
        ({"rate_per_s": 40.0}, 40.0, (8.0,)),
        ({"branching": [0.2], "decays_per_s": [3.0]}, 6.0, (3.0,)),
        ({"branching": [], "decays_per_s": []}, 6.0, ()),
        ({"rate_per_s": 40.0, "branching": [0.2], "decays_per_s": [3.0]}, 40.0, (3.0,)),
    ],
)
def test_what_the_scenario_tells_of_the_flow_wins(
    tmp_path: Path, told: dict[str, Any], rate_per_s: float, decays_per_s: tuple[float, ...]
) -> None:
    flow = resolved(tables_with(tmp_path, TAPE, flow=told), tmp_path).scenario.flow
    assert flow.rate_per_s == pytest.approx(rate_per_s)
    assert flow.decays_per_s == decays_per_s


def test_a_calibration_without_a_tape_leaves_the_flow_alone(tmp_path: Path) -> None:
    found = resolved(tables_with(tmp_path, MEASURED, kinds=[PLACED]), tmp_path)
    assert found.scenario.flow.rate_per_s == 300.0
    assert "flow" not in found.note
    assert "kinds" not in found.note


def test_default_kinds_take_as_long_as_calibrated(tmp_path: Path) -> None:
    found = resolved(tables_with(tmp_path, MEASURED), tmp_path)
    assert "kinds: loop_us, verify_us, beside_us" in found.note
    assert [kind.loop_us for kind in found.scenario.kinds] == [None] * len(DEFAULT_KINDS)
    # The same where the tables are read again, as a sweep does.
    assert read_scenario(found.tables) == found.scenario
    calibrated = pipeline_of(found.scenario, found.calibration).limits_per_s()
    plain = pipeline_of(read_scenario({"name": "one", "about": "plain"})).limits_per_s()
    for resource in ("loop", "workers", "machine", "journal"):
        assert calibrated[resource] != pytest.approx(plain[resource], rel=0.01), resource


def test_a_tape_leaves_default_kinds_as_they_are(tmp_path: Path) -> None:
    found = resolved(tables_with(tmp_path, TAPE), tmp_path)
    assert found.scenario.kinds == DEFAULT_KINDS
    assert "kinds" not in found.note


def test_oracle_and_gas_are_as_calibrated_where_they_are_left_out(tmp_path: Path) -> None:
    told = {"l1": {"byte_gas": 16.0}, "kinds": [PLACED]}
    found = resolved(tables_with(tmp_path, MEASURED, **told), tmp_path)
    assert MEASURED.flow is not None
    assert MEASURED.l1 is not None
    assert found.scenario.oracle.interval_s == MEASURED.flow.oracle_interval_s
    assert found.scenario.l1.batch_gas == MEASURED.l1.gas.coefficient("batch")
    assert found.scenario.l1.byte_gas == 16.0
    assert "oracle: interval_s; l1: batch_gas as calibrated" in found.note


def test_a_scenario_without_a_calibration_is_as_it_stands(tmp_path: Path) -> None:
    found = resolved({"name": "one", "about": "plain"}, tmp_path)
    assert (found.calibration, found.note) == (None, "")


@pytest.mark.parametrize("given", [{}, {"verify_us": 60.0}, {"loop_us": 50.0}])
def test_a_tape_tells_no_costs(tmp_path: Path, given: dict[str, float]) -> None:
    tables = tables_with(tmp_path, TAPE, kinds=[TIMED | {"name": "other"}, PLACED | given])
    with pytest.raises(ConfigInvalid) as refused:
        resolved(tables, tmp_path)
    missing = {"kinds[1].loop_us", "kinds[1].verify_us"} - {f"kinds[1].{key}" for key in given}
    assert {fault.partition(":")[0] for fault in refused.value.faults} == missing
    told = tables_with(tmp_path, with_flow(MEASURED, TAPE), kinds=[PLACED | given])
    assert resolved(told, tmp_path).scenario.flow.rate_per_s == pytest.approx(6.0)


def test_a_node_without_workers_verifies_on_its_loop(tmp_path: Path) -> None:
    services = tuple(law for law in MEASURED.services if law.runs_on != "pool")
    alone = msgspec.structs.replace(MEASURED, services=services)
    found = resolved(tables_with(tmp_path, alone, kinds=[PLACED]), tmp_path)
    pipeline = pipeline_of(found.scenario, found.calibration)
    assert pipeline.kinds[-1].verify.moments.mean_s == 0
    assert pipeline.limit().bottleneck != "workers"


def test_a_calibration_of_nothing_tells_no_costs(tmp_path: Path) -> None:
    empty = Calibration(Source(what="telemetry"))
    with pytest.raises(ConfigInvalid):
        resolved(tables_with(tmp_path, empty, kinds=[PLACED]), tmp_path)
