"""Scenarios on the whole node under a simulated clock: what L1 does, and what the node makes of it.

``scripts/test tests/integration/test_rehearsal.py -m thorough`` plays a stretch of every scenario
of the library.
"""

from pathlib import Path

import msgspec
import pytest

from node.app.cli.rehearse import CLIENTS, CONFIG
from node.app.cli.rehearsed import node_of, script_of
from node.app.config import read_config
from node.app.sections import read_toml
from node.planner.scenario import Scenario
from node.planner.scenario_reading import read_scenario
from node.planner.timeline import timeline
from node.simulation.flow.config import FlowConfig
from node.simulation.rehearsal.full_batch import full_batch_bytes
from node.simulation.rehearsal.run import Rehearsal, rehearse
from node.simulation.rehearsal.script import Fault, Script
from node.simulation.replay.sources import read_flow_config

SCENARIOS = Path("configs/scenarios")
ALL = sorted(file.stem for file in SCENARIOS.glob("*.toml"))
# py-evm opens blocks as if nobody else existed: what happens between two of them is quick.
pytestmark = pytest.mark.timeout(300)


def scenario_of(name: str) -> Scenario:
    return read_scenario(read_toml(SCENARIOS / f"{name}.toml"))


def script_for(name: str, begin: float, seconds: float, scale: float) -> Script:
    scenario = scenario_of(name)
    script = script_of(scenario, timeline(scenario, 1), 1)
    return script.stretch(begin, seconds, scale)


def clients() -> FlowConfig:
    return msgspec.structs.replace(read_flow_config(CLIENTS), traders=40, leveraged=20)


def play(scenario: Scenario, script: Script) -> Rehearsal:
    node = node_of(read_config(CONFIG), scenario, script, clients())
    return rehearse(script, node, clients(), lambda _done, _of: None)


def require_sound(result: Rehearsal) -> None:
    assert result.verdict == ""
    assert len(set(result.roots.values())) == 1
    assert result.conserved
    assert result.clients.lost == 0
    assert result.clients.accepted > 0


def test_an_outage_is_worked_off_and_the_same_seed_gives_the_same_log() -> None:
    script = script_for("l1-outage", 500, 40, 0.01)
    outage = Fault(5.0, 25.0, "outage")
    script = msgspec.structs.replace(script, block_s=2.0, faults=(outage,))
    first = play(scenario_of("l1-outage"), script)
    require_sound(first)
    away = [moment for moment in first.moments if 8 <= moment.at_s <= 24]
    assert max(moment.oldest_unposted_s for moment in away) > 10
    assert all(moment.in_flight <= 8 for moment in first.moments)
    assert first.stats["batches"]["posted"] == first.stats["batches"]["sealed"]
    again = play(scenario_of("l1-outage"), script)
    assert again.roots == first.roots
    assert again.moments == first.moments
    assert msgspec.json.encode(again.clients) == msgspec.json.encode(first.clients)


@pytest.mark.lengthy
def test_a_crash_liquidates_and_a_stalled_oracle_opens_nothing() -> None:
    script = script_for("calm", 0, 30, 0.01)
    steps = len(script.rate)
    falling = tuple(1.0 - 0.12 * step / steps for step in range(steps + 1))
    told = tuple(step < steps - 10 for step in range(steps))
    script = msgspec.structs.replace(script, price=falling, oracle=told)
    result = play(scenario_of("calm"), script)
    require_sound(result)
    assert result.stats["liquidations"] > 0
    assert result.clients.refusals.get("MarkStale", 0) > 0


@pytest.mark.lengthy
def test_arbitrums_backlog_is_bounded_and_worked_off() -> None:
    name, limit, seconds = "arbitrum-backlog-2023-12-15", 20, 40
    scenario = scenario_of(name)
    # The gate closes at fewer batches than wait, and the price falls, so that little shows both.
    batches = msgspec.structs.replace(scenario.batches, backlog_batches_max=limit)
    scenario = msgspec.structs.replace(scenario, batches=batches)
    script = script_for(name, 0, seconds, 0.02)
    falling = tuple(1.0 - 0.12 * step / seconds for step in range(1, seconds + 1))
    price = script.price[:-seconds] + falling
    script = msgspec.structs.replace(script, price=price, oracle_s=1.0)
    result = play(scenario, script)
    require_sound(result)
    moments = result.moments
    assert moments[0].unposted_batches == 0
    assert max(moment.in_flight for moment in moments) == scenario.l1.in_flight_max == 10
    assert max(moment.in_pool for moment in moments) == 10
    # Rounds and what reduces go on behind a closed gate.
    most = limit + 4
    full_bytes = full_batch_bytes(script, clients(), read_config(CONFIG).rules)
    assert limit <= max(moment.unposted_batches for moment in moments) <= most
    assert max(moment.unposted_bytes for moment in moments) <= most * full_bytes
    closed = [moment for moment in moments if moment.gate is not None]
    assert closed[-1].liquidations > closed[0].liquidations
    stages = {stage["name"]: stage for stage in result.stats["stages"]}
    for lane in ("lane_liquidation", "lane_reducing"):
        assert stages[lane]["in"] == stages[lane]["out"] > 0
        assert stages[lane]["refused"] == {}
    for lane in ("lane_resting", "lane_taking"):
        assert stages[lane]["refused"]["gate_l1_in_flight"] > 0
    assert result.stats["batches"]["posted"] == result.stats["batches"]["sealed"]


@pytest.mark.lengthy
def test_a_thinned_rush_is_too_much_for_l1_as_the_whole_one_is() -> None:
    # 1,500 actions a second, of which L1 takes some 850.
    result = play(scenario_of("rush"), script_for("rush", 700, 40, 0.01))
    require_sound(result)
    assert max(moment.in_flight for moment in result.moments) == 8
    assert result.moments[-1].unposted_batches > 2 * 8


@pytest.mark.thorough
@pytest.mark.parametrize("name", ALL)
def test_every_scenario_can_be_rehearsed(name: str) -> None:
    require_sound(play(scenario_of(name), script_for(name, 600, 60, 0.02)))
