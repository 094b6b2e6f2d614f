"""What a plan's Monte Carlo takes: an hour, a thousand times, on two processes."""

from pathlib import Path
from typing import Final

import msgspec

from node.app.sections import read_toml
from node.planner.chunks import Processes
from node.planner.forecast import draw
from node.planner.scenario import Extent
from node.planner.scenario_reading import read_scenario
from tests.benchmarks.rounds import seconds_of

SCENARIO: Final = Path(__file__).parents[2] / "configs" / "scenarios" / "calm.toml"
HOUR: Final = Extent(horizon_s=3_600.0, runs=1_000, knee_runs=100)
PROCESSES: Final = 2


class Planned(msgspec.Struct, frozen=True):
    """The runs of a scenario and those of its knee, and what they took on so many processes."""

    scenario: str
    runs: int
    knee_runs: int
    processes: int
    seconds: float


def measure_plan(extent: Extent = HOUR, processes: int = PROCESSES) -> list[Planned]:
    """Draw the calm hour once, as ``plimsoll plan`` does, starting the processes included."""
    scenario = msgspec.structs.replace(read_scenario(read_toml(SCENARIO)), extent=extent)
    crew = Processes(processes)

    def work() -> None:
        draw(scenario, crew=crew)

    return [Planned(scenario.name, extent.runs, extent.knee_runs, processes, seconds_of(work))]
