"""What `plimsoll rehearse` makes of a scenario, and what it refuses."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import sleep

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from node.app.cli import app
from node.app.cli.rehearse import CLIENTS, CONFIG
from node.app.cli.rehearsed import UNPLAYED, first_event_s, node_of, script_of, unplayed
from node.app.config import NodeConfig, read_config
from node.app.fees_config import check_fees_config
from node.app.sections import read_toml
from node.batcher.config import check_batcher_config
from node.planner.calibration import with_flow
from node.planner.calibration_file import write_calibration
from node.planner.scenario import Batches, Scenario
from node.planner.scenario_reading import RANGES, read_scenario
from node.planner.timeline import timeline
from node.settlement.config import check_settlement_config
from node.simulation.flow.config import FlowConfig
from node.simulation.progress import shown_progress
from node.simulation.rehearsal.run import Moment, Rehearsal
from node.simulation.rehearsal.script import Script
from node.simulation.replay.outcomes import Outcomes
from node.simulation.replay.sources import read_flow_config
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


def test_work_takes_what_it_takes_at_the_highest_rate_of_the_flow() -> None:
    """There the loop waits longest for a core; a rush is the calm flow five times over."""
    _, calm = read("calm")
    _, rush = read("rush")
    assert calm.costs.command_s < rush.costs.command_s


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


def test_what_waits_at_the_start_gathers_while_l1_takes_nothing() -> None:
    _, script = read("arbitrum-backlog-2023-12-15")
    part = script.stretch(0, 60, 0.02)
    # 34,515 at 315 a second, all at a fiftieth.
    assert part.lead_s == 110
    assert sum(part.rate[:110]) == pytest.approx(34_515 * 0.02, rel=0.01)
    assert len(part.oracle) == len(part.rate) == len(part.price) - 1 == 170
    assert part.price[:111] == (1.0,) * 111
    withheld, dear = part.faults
    assert (withheld.from_s, withheld.until_s, withheld.inclusion) == (0, 110, 0)
    assert (dear.from_s, dear.until_s, dear.gas_price_factor) == (110, 1_910, 5)
    assert dear.block_share == 0.6
    assert script.stretch(1, 60, 0.02).lead_s == 0


def node_for(scenario: Scenario, scale: float = 0.02) -> NodeConfig:
    script = script_of(scenario, timeline(scenario, 1), 1).stretch(0, 60, scale)
    return node_of(read_config(CONFIG), scenario, script, read_flow_config(CLIENTS))


def test_the_node_is_the_scenarios() -> None:
    scenario, _ = read("arbitrum-backlog-2023-12-15")
    node = node_for(scenario)
    assert node.settlement.in_flight_max == scenario.l1.in_flight_max == 10
    assert node.settlement.fees.max_fee_cap == 400 * 10**9
    assert node.batcher.backlog_batches_max == scenario.batches.backlog_batches_max
    assert node.http.port == 0


def test_a_slower_node_is_patient_for_longer() -> None:
    scenario, _ = read("calm")
    whole, part = node_for(scenario, 1.0).sequencer, node_for(scenario, 0.02).sequencer
    assert (whole.delay_target_ms, part.delay_target_ms) == (20, 1_000)
    assert part.delay_interval_ms == 5_000
    assert part.block_ms_max == pytest.approx(150)
    service = msgspec.structs.replace(scenario.service, patience_ms=5.0)
    hasty = node_for(msgspec.structs.replace(scenario, service=service), 0.02).sequencer
    assert hasty.delay_target_ms == 250


def test_marks_are_stale_when_the_scenario_says() -> None:
    scenario, _ = read("calm")
    oracle = msgspec.structs.replace(scenario.oracle, stale_s=1.5)
    node = node_for(msgspec.structs.replace(scenario, oracle=oracle))
    assert {market.mark_stale_ms for market in node.rules.markets} == {1_500}


def test_a_full_batch_holds_its_part_of_what_the_scenario_lets_a_batch_hold() -> None:
    scenario, _ = read("calm")
    whole, part = node_for(scenario, 0.2).batcher, node_for(scenario, 0.02).batcher
    # A tenth of the actions, though all of the oracle's rounds.
    assert 0.1 < part.data_bytes_max / whole.data_bytes_max < 0.3
    assert part.backlog_bytes_max == pytest.approx(80 * part.data_bytes_max, rel=0.001)
    # The limit that is reached first, whichever it is.
    for batches in (Batches(commands_max=150), Batches(data_bytes_max=10_000)):
        smaller = node_for(msgspec.structs.replace(scenario, batches=batches), 0.2).batcher
        assert 0.08 < smaller.data_bytes_max / whole.data_bytes_max < 0.15


def test_what_l1_carries_is_priced_as_scarce_as_it_is() -> None:
    scenario, _ = read("calm")
    fees, roomy = node_for(scenario, 0.02).fees, node_for(scenario, 0.2).fees
    assert fees.l1_bytes < roomy.l1_bytes / 3
    assert fees.l1_gas == pytest.approx(40 * fees.l1_bytes, rel=0.01)


@pytest.mark.parametrize("end", [0, 1])
def test_a_node_takes_whatever_a_scenario_may_say_of_batches_and_l1(end: int) -> None:
    scenario, _ = read("calm")
    extremes = {key: bounds[end] for key, bounds in RANGES["batches"].items()}
    l1 = {key: bounds[end] for key, bounds in RANGES["l1"].items() if key != "in_flight_max"}
    scenario = msgspec.structs.replace(
        scenario,
        batches=msgspec.convert(extremes, Batches),
        l1=msgspec.structs.replace(scenario.l1, **l1),
    )
    node = node_for(scenario)
    check_batcher_config(node.batcher)
    check_settlement_config(node.settlement)
    check_fees_config(node.fees)


@pytest.mark.parametrize(
    ("name", "moment_s"),
    [
        ("calm", 0),
        ("rush", 600),
        ("l1-outage", 600),
        ("oracle-stall", 300),
        ("arbitrum-backlog-2023-12-15", 0),
    ],
)
def test_the_first_thing_that_happens_is_found(name: str, moment_s: float) -> None:
    scenario, _ = read(name)
    assert first_event_s(scenario, timeline(scenario, 1)) == moment_s


def test_every_key_that_is_not_played_is_a_scenarios() -> None:
    scenario, _ = read("calm")
    sections = msgspec.structs.asdict(scenario) | {"kinds": scenario.kinds[0]}
    for section, keys in UNPLAYED.items():
        assert set(keys) <= set(sections[section].__struct_fields__)


def test_what_is_not_played_is_told_where_a_scenario_says_it() -> None:
    file = SCENARIOS / "new-listing.toml"
    scenario, script = read("new-listing")
    told = unplayed(read_toml(file), scenario, script)
    assert {"flow.branching", "market.depth", "positions.open", "kinds.items"} <= set(told)
    assert not {"flow.rate_per_s", "kinds.loop_us", "service.workers"} & set(told)
    assert unplayed(read_toml(SCENARIOS / "calm.toml"), *read("calm")) == ()


def test_a_backlog_at_the_start_is_played_from_the_start_only() -> None:
    file = SCENARIOS / "arbitrum-backlog-2023-12-15.toml"
    scenario, script = read("arbitrum-backlog-2023-12-15")
    tables = read_toml(file)
    assert unplayed(tables, scenario, script.stretch(0, 60, 0.1)) == ()
    late = unplayed(tables, scenario, script.stretch(60, 60, 0.1))
    assert late == ("l1.unposted_at_start",)


def rehearsed(monkeypatch: pytest.MonkeyPatch, *options: str) -> Script:
    """Return the script that a command line would play."""
    played: list[Script] = []

    def stop(script: Script, *_: object) -> None:
        played.append(script)
        raise typer.Exit

    monkeypatch.setattr("node.app.cli.rehearse.rehearse", stop)
    monkeypatch.setattr("node.app.cli.rehearse.set_up_logs", lambda _: None)
    done = CliRunner().invoke(app, ["rehearse", *options], catch_exceptions=False)
    assert done.exit_code == 0
    return played[0]


def test_a_calibrations_times_and_flow_are_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_calibration(tmp_path / "node.json", with_flow(MEASURED, TAPE))
    file = tmp_path / "calibrated.toml"
    file.write_text(CALIBRATED, encoding="utf-8")
    script = rehearsed(monkeypatch, str(file), "--seconds", "10", "--scale", "1")
    assert script.rate == pytest.approx((6.0,) * 10)
    assert script.costs.command_s > 0
    assert script.costs.verify_s > 0


def test_what_happens_first_is_played_unless_another_part_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = str(SCENARIOS / "l1-outage.toml")
    (outage,) = rehearsed(monkeypatch, file).faults
    assert outage.from_s == 10
    assert rehearsed(monkeypatch, file, "--begin", "0").faults == ()


def test_the_last_seconds_of_a_scenario_can_be_played(monkeypatch: pytest.MonkeyPatch) -> None:
    script = rehearsed(monkeypatch, str(SCENARIOS / "calm.toml"), "--begin", "3599")
    assert script.seconds == 1


def test_notes_and_what_is_not_played_stand_in_the_output_and_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = Moment(0.0, None, 0, 0, 0, 0, 0.0, 100, 0.0, 0, 0)
    result = Rehearsal(
        name="crash",
        seconds=120.0,
        lead_s=0.0,
        clients=Outcomes().report(120.0),
        stats={"liquidations": 0, "deleveragings": 0, "batches": {"posted": 1}},
        moments=(moment,),
        gate_closed_s={},
        refused_by_stage={},
        reorgs=0,
        roots={"sequencer": "0x00", "verifier": "0x00"},
        verdict="",
        conserved=True,
    )
    monkeypatch.setattr("node.app.cli.rehearse.rehearse", lambda *_: result)
    monkeypatch.setattr("node.app.cli.rehearse.set_up_logs", lambda _: None)
    file, report = str(SCENARIOS / "crash-2025-10-10.toml"), tmp_path / "report.json"
    options = ["--data", str(tmp_path), "--json", str(report)]
    done = CliRunner().invoke(app, ["rehearse", file, *options], catch_exceptions=False)
    assert done.exit_code == 0
    written = msgspec.json.decode(report.read_bytes())
    (note,) = written["notes"]
    assert "market.shape stands in for it" in note
    assert "market.depth" in written["unplayed"]
    assert "market.depth" in done.output
    assert "stands in for it" in " ".join(done.output.split())
    assert (written["begin_s"], written["scale"], written["seconds"]) == (0, 0.1, 120)


def test_a_log_is_told_how_far_it_is_on_the_standard_error_stream_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs, errors = [], ""

    def play(_: Script, __: NodeConfig, ___: FlowConfig, tell: Callable[..., None]) -> None:
        nonlocal errors
        tell(30.0, 120.0)
        for _turn in range(1_000):
            told = capsys.readouterr()
            outputs.append(told.out)
            errors += told.err
            if "\n" in errors:
                raise typer.Exit
            sleep(0.01)

    module = "node.app.cli.rehearse"
    monkeypatch.setattr(f"{module}.shown_progress", partial(shown_progress, pause_s=0.01))
    monkeypatch.setattr(f"{module}.rehearse", play)
    monkeypatch.setattr(f"{module}.set_up_logs", lambda _: None)
    app(["rehearse", str(SCENARIOS / "calm.toml")], standalone_mode=False)
    first = errors.splitlines()[0]
    assert first.startswith("rehearsing")
    assert "30 of 120 s" in first
    assert not any(outputs)


@pytest.mark.parametrize(
    "options", [("--begin", "3600"), ("--begin", "3500", "--seconds", "101"), ("--seconds", "3601")]
)
def test_what_the_scenario_does_not_have_is_refused(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["rehearse", str(SCENARIOS / "calm.toml"), *options])
    assert isinstance(result.exception, ConfigInvalid)
    (fault,) = result.exception.values["faults"]
    assert fault.startswith(options[-2].removeprefix("--"))


def test_all_faults_of_the_options_are_told_at_once() -> None:
    scenario = str(SCENARIOS / "calm.toml")
    options = ["--scale", "7", "--seconds", "0", "--begin", "-1"]
    result = CliRunner().invoke(app, ["rehearse", scenario, *options])
    assert isinstance(result.exception, ConfigInvalid)
    assert len(result.exception.values["faults"]) == 3
