"""What work costs on simulated ground: the loop's, and what passes beside it."""

import asyncio
from pathlib import Path

import pytest

from node.app.cli.rehearsed import script_of
from node.app.sections import read_toml
from node.planner.scenario_reading import read_scenario
from node.planner.timeline import timeline
from node.simulation.rehearsal.stage import platform_of
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.transition.state import State
from node.types.commands import Deposit, OpenBlock
from node.types.units import Money
from tests.examples import ALICE, DOLLAR, DOMAIN, RULES, START_MS


def test_a_command_takes_the_loop_and_a_commit_passes_beside_it(tmp_path: Path) -> None:
    scenario = read_scenario(read_toml(Path("configs/scenarios/calm.toml")))
    script = script_of(scenario, timeline(scenario, 1), 1)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        clock = VirtualClock(loop, START_MS)
        platform = platform_of(script, loop, clock)
        state = State.genesis(RULES, DOMAIN)

        async def work() -> int:
            platform.apply(state, OpenBlock(1, START_MS))
            platform.apply(state, Deposit(0, ALICE.address, Money(DOLLAR)))
            file = platform.open_file(tmp_path / "segment")

            def write() -> int:
                before_ns = clock.now_ns()
                file.write(b"block")
                return clock.now_ns() - before_ns

            took_ns: int = await loop.run_in_executor(None, write)
            file.close()
            return took_ns

        took_ns = runner.run(work())
    assert loop.spent_ns == round(script.costs.command_s * 1e9)
    # The journal's own measure of it.
    assert took_ns == round(script.costs.commit_s * 1e9)
    assert loop.now_ns == pytest.approx(loop.spent_ns + took_ns, abs=10_000)
    assert (tmp_path / "segment").read_bytes() == b"block"
