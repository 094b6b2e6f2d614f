"""What `plimsoll rehearse` makes of a scenario, and what it refuses."""

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from node.app.cli import app
from node.app.cli.rehearse import CONFIG, node_of, script_of
from node.app.config import read_config
from node.app.sections import read_toml
from node.batcher.config import check_batcher_config
from node.planner.calibration import with_flow
from node.planner.calibration_file import write_calibration
from node.planner.scenario import Batches, Scenario
from node.planner.scenario_reading import RANGES, read_scenario
from node.planner.timeline import timeline
from node.simulation.rehearsal.script import Script
from node.types.errors import ConfigInvalid
from tests.unit.planner.test_calibration_file import MEASURED, TAPE

SCENARIOS = Path("configs/scenarios")
CALIBRATED = """
name = "calibrated"
about = "a node and a tape"
[service]
calibration = "node.json"
[[kinds]]
name = "place"
lane = "resting"
share = 1.0
"""


def read(name: str) -> tuple[Scenario, Script]:
    scenario = read_scenario(read_toml(SCENARIOS / f"{name}.toml"))
    return scenario, script_of(scenario, timeline(scenario, 1), 1)


def test_a_script_has_one_value_a_step_and_a_price_more() -> None:
    scenario, script = read("l1-outage")
    assert len(script.rate) == len(script.oracle) == scenario.steps == len(script.price) - 1
    assert script.seconds == pytest.approx(scenario.extent.horizon_s)
    assert [fault.kind for fault in script.faults] == ["outage"]
    assert 0 < script.costs.command_s < 1e-3


def test_a_stretch_is_a_part_with_less_flow_on_a_slower_node() -> None:
    _, script = read("l1-outage")
    part = script.stretch(590, 60, 0.1)
    assert part.seconds == 60
    assert part.rate == tuple(rate * 0.1 for rate in script.rate[590:650])
    assert part.price[0] == 1
    assert part.costs.command_s == pytest.approx(10 * script.costs.command_s)
    # Utilization is as it was.
    assert part.rate[0] * part.costs.command_s == pytest.approx(
        script.rate[590] * script.costs.command_s
    )
    (outage,) = part.faults
    assert (outage.from_s, outage.until_s) == (10, 3_610)
    assert script.stretch(0, 100, 1.0).faults == ()


def test_the_node_is_the_scenarios() -> None:
    scenario, script = read("arbitrum-backlog-2023-12-15")
    node = node_of(read_config(CONFIG), scenario, script)
    assert node.settlement.in_flight_max == scenario.l1.in_flight_max == 10
    assert node.batcher.backlog_batches_max == scenario.batches.backlog_batches_max
    assert node.http.port == 0


def test_its_batches_are_as_full_as_the_scenario_lets_them_be() -> None:
    scenario, script = read("calm")
    batches = Batches(commands_max=400, data_bytes_max=50_000, gas_max=900_000)
    scenario = msgspec.structs.replace(scenario, batches=batches)
    batcher = node_of(read_config(CONFIG), scenario, script).batcher
    assert batcher.commands_max == 400
    assert batcher.data_bytes_max == 50_000
    assert batcher.gas_max == 900_000


@pytest.mark.parametrize("end", [0, 1])
def test_a_node_takes_whatever_a_scenario_may_say_of_batches(end: int) -> None:
    scenario, script = read("calm")
    extremes = {key: bounds[end] for key, bounds in RANGES["batches"].items()}
    scenario = msgspec.structs.replace(scenario, batches=msgspec.convert(extremes, Batches))
    check_batcher_config(node_of(read_config(CONFIG), scenario, script).batcher)


def test_a_calibrations_times_and_flow_are_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_calibration(tmp_path / "node.json", with_flow(MEASURED, TAPE))
    file = tmp_path / "calibrated.toml"
    file.write_text(CALIBRATED, encoding="utf-8")
    played: list[Script] = []

    def rehearsed(script: Script, *_: object) -> None:
        played.append(script)
        raise typer.Exit

    monkeypatch.setattr("node.app.cli.rehearse.rehearse", rehearsed)
    monkeypatch.setattr("node.app.cli.rehearse.set_up_logs", lambda _: None)
    options = ["--seconds", "10", "--scale", "1"]
    done = CliRunner().invoke(app, ["rehearse", str(file), *options], catch_exceptions=False)
    assert done.exit_code == 0
    (script,) = played
    assert script.rate == pytest.approx((6.0,) * 10)
    assert script.costs.command_s > 0
    assert script.costs.verify_s > 0


def test_all_faults_of_the_options_are_told_at_once() -> None:
    scenario = str(SCENARIOS / "calm.toml")
    options = ["--scale", "7", "--seconds", "0", "--begin", "-1"]
    result = CliRunner().invoke(app, ["rehearse", scenario, *options])
    assert isinstance(result.exception, ConfigInvalid)
    assert len(result.exception.values["faults"]) == 3
