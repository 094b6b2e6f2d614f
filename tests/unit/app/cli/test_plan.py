"""``plimsoll plan``: what it writes and refuses, and that a cluster gives what a process does."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from distributed import LocalCluster
from rich.console import Console
from typer.testing import CliRunner

from node.app.cli import app
from node.app.cli.cluster import cluster
from node.app.cli.plan import PlanOptions, run_plan
from node.app.cli.recorded import recorded_path
from node.planner.chunks import Call
from node.planner.forecast import Drawn, draw
from node.planner.report import PlanReport
from node.planner.scenario_reading import read_scenario
from node.simulation.ramp.command import RampOptions
from node.simulation.ramp.messages import Mix
from node.types.errors import ConfigInvalid, SchedulerUnavailable

QUICK = """
name = "quick"
about = "ten minutes </script> & <b>"

[extent]
horizon_s = 600.0
step_s = 12.0
knee_s = 60.0
knee_runs = 2
runs = 8
stretch_events = 200
"""
TABLES = {
    "name": "quick",
    "about": "ten minutes",
    "extent": {
        "horizon_s": 600.0,
        "step_s": 12.0,
        "knee_s": 60.0,
        "knee_runs": 2,
        "runs": 8,
        "stretch_events": 200,
    },
}


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    file = tmp_path / "quick.toml"
    file.write_text(QUICK, encoding="utf-8")
    return file


def test_it_shows_writes_json_and_a_page(quick: Path, tmp_path: Path) -> None:
    json, page = tmp_path / "plan.json", tmp_path / "plan.html"
    arguments = ["plan", str(quick), "--target", "2000", "--processes", "1"]
    arguments += ["--sweep", "l1.block_s=12:24:2", "--sweep", "positions.open=0:100:1"]
    arguments += ["--sweep-runs", "2", "--json", str(json), "--report", str(page), "--seed", "9"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    for word in ("The line", "liquidation", "bad debt", "l1.block_share"):
        assert word in done.output
    found = msgspec.json.decode(json.read_bytes())
    assert found["answer"]["seed"] == 9
    assert found["way"]["reached_per_s"] >= 2_000
    assert len(found["sweep"]["points"]) == 2
    assert [axis["key"] for axis in found["sweep"]["axes"]] == ["l1.block_s", "positions.open"]
    text = page.read_text(encoding="utf-8")
    assert "&lt;/script&gt;" in text
    assert "%%" not in text[: text.index("<script>")]
    # All that it needs is in it.
    assert "<link" not in text
    assert "<script src" not in text
    assert "Plotly.react" in text


def test_the_same_seed_gives_the_same_file(quick: Path) -> None:
    silent = Console(quiet=True)
    reports = [run_plan(PlanOptions(quick, processes=1), silent) for _ in range(2)]
    encoded = [msgspec.json.encode(report) for report in reports]
    assert encoded[0] == encoded[1]
    other = run_plan(PlanOptions(quick, processes=1, seed=2), silent)
    assert isinstance(other, PlanReport)
    assert msgspec.json.encode(other) != encoded[0]


def test_what_is_typed_wrongly_is_told_together(quick: Path) -> None:
    options = PlanOptions(quick, target_per_s=-1.0, sweep=("l1", "a=b"), processes=0)
    with pytest.raises(ConfigInvalid) as refused:
        run_plan(options, Console(quiet=True))
    assert len(refused.value.faults) == 4


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (
            (
                "plan --verify {file} --target 5 --sweep a.b=1:2:2 --sweep-runs 3 --runs 2 --seed 1"
                " --processes 1 --scheduler tcp://h:1 --data . --report page.html --json plan.json"
            ),
            "scenario target sweep sweep-runs runs processes scheduler data report",
        ),
        (
            (
                "plan {file} --mix bulk --node http://127.0.0.1:1 --rpc http://127.0.0.1:2"
                " --node-data . --config node.toml --seed 3"
            ),
            "mix node rpc node-data config",
        ),
        ("plan {file} --sweep-runs 9", "sweep-runs"),
        ("plan {file} --processes 2 --scheduler tcp://127.0.0.1:1", "processes"),
        ("plan --verify --rpc http://127.0.0.1:2 --node-data .", "rpc node-data"),
        ("plan --verify --node http://127.0.0.1:1 --config node.toml", "config"),
        ("ramp --rpc http://127.0.0.1:2 --data .", "rpc data"),
        ("ramp --node http://127.0.0.1:1 --config node.toml", "config"),
        (
            "replay --format bme --limit 3 --accounts 2 --fills out.csv",
            "format limit accounts fills",
        ),
        ("replay {file} --flow calm.toml", "flow"),
        ("replay {file} --engine-only --speed 2 --node http://127.0.0.1:1", "speed node"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    quick: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, names: str
) -> None:
    monkeypatch.setattr("node.app.cli.plan.verify_plan", None)
    monkeypatch.setattr("node.app.cli.ramp.run_ramp", None)
    monkeypatch.setattr("node.app.cli.simulate.run_replay", None)
    typed = [*arguments.format(file=quick).split()]
    refused = CliRunner().invoke(app, typed).exception
    assert isinstance(refused, ConfigInvalid)
    assert {fault.partition(":")[0] for fault in refused.faults} == set(names.split())


def test_a_data_folder_in_the_environment_is_no_slip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[RampOptions, int]] = []

    def verified(load: RampOptions, _data: object, *, turns: int) -> int:
        asked.append((load, turns))
        return 0

    monkeypatch.setenv("PLIMSOLL_DATA", str(tmp_path))
    monkeypatch.setattr("node.app.cli.plan.verify_plan", verified)
    typed = ["plan", "--verify", "--mix", "bulk", "--json", str(tmp_path / "v.json")]
    typed += ["--turns", "20", "--config", "node.toml", "--seed", "7"]
    assert CliRunner().invoke(app, typed, catch_exceptions=False).exit_code == 0
    ((load, turns),) = asked
    assert (turns, load.config, load.seed, load.mixes) == (20, Path("node.toml"), 7, (Mix.BULK,))


@pytest.mark.parametrize("sweep", ["l1.blocks=1:2:2", "l1.block_s=-5:2:2"])
def test_a_sweep_is_checked_before_anything_is_computed(quick: Path, sweep: str) -> None:
    with pytest.raises(ConfigInvalid):
        run_plan(PlanOptions(quick, sweep=(sweep,), runs=1_000_000), Console(quiet=True))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        protocol="tcp://",
    ) as running:
        yield running.scheduler_address


class Backwards:
    """Computes the last first, and remembers how many there were."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def compute(self, work: Callable[..., Any], calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        self.calls.append(len(calls))
        for index in reversed(range(len(calls))):
            yield index, work(*calls[index])


def assert_same(found: Drawn, other: Drawn) -> None:
    assert found.columns.keys() == other.columns.keys()
    for name, values in found.columns.items():
        assert np.array_equal(values, other.columns[name], equal_nan=True), name
    assert np.array_equal(found.knees_per_s, other.knees_per_s)


def test_two_workers_of_a_cluster_give_what_a_process_gives(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chunks so small that each worker has some of them.
    monkeypatch.setattr("node.planner.chunks.RUNS_PER_CHUNK", 1)
    scenario = read_scenario(TABLES)
    alone, backwards = draw(scenario), Backwards()
    assert_same(alone, draw(scenario, crew=backwards))
    assert backwards.calls == [2, 8]
    with cluster(address) as crew:
        assert_same(alone, draw(scenario, crew=crew))


def test_a_scheduler_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.app.cli.cluster.CONNECT_S", 0.2)
    with pytest.raises(SchedulerUnavailable), cluster("tcp://127.0.0.1:1"):
        pass
    with pytest.raises(ConfigInvalid), cluster("nonsense://127.0.0.1:1"):
        pass


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ConfigInvalid) as refused, cluster("tcp://127.0.0.1:1"):
        pass
    assert ".[cluster]" in refused.value.faults[0]


RECORDED = {
    **TABLES,
    "market": {"path": "recorded", "recorded": "a/b.csv.gz", "recorded_from": 1_000},
}


def write_record(folder: Path, text: str) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "b.csv.gz").write_bytes(gzip.compress(text.encode()))


def test_trades_hold_their_price_and_bars_move_evenly(tmp_path: Path) -> None:
    scenario = read_scenario(RECORDED)
    write_record(tmp_path, "timestamp,price\n900000000,100\n1300000000,90\n1590000000,80\n")
    record, why = recorded_path(scenario, tmp_path)
    assert record is not None
    assert why == ""
    held = np.exp(record.log_price)
    assert held[24] == pytest.approx(1.0)
    assert held[25] == pytest.approx(0.9)
    (tmp_path / "a" / "b.csv.gz").write_bytes(gzip.compress(b"ts,close\n1000,100\n1600,90\n"))
    even, _ = recorded_path(scenario, tmp_path)
    assert even is not None
    assert np.exp(even.log_price[25]) == pytest.approx(0.95)


def test_an_absent_record_is_stood_in_for(tmp_path: Path) -> None:
    scenario = read_scenario(RECORDED)
    for folder in (None, tmp_path):
        record, why = recorded_path(scenario, folder)
        assert record is None
        assert "a/b.csv.gz" in why
    assert recorded_path(read_scenario(TABLES), tmp_path) == (None, "")


@pytest.mark.parametrize(
    "text",
    [
        "time,price\n1,1\n",
        "timestamp,price\n900000000,-1\n1590000000,1\n",
        "timestamp,price\n900000000,1\n",
        "timestamp,price\n1590000000,1\n",
        "timestamp,price\nnow,1\n",
    ],
)
def test_a_record_that_does_not_fit_is_refused(text: str, tmp_path: Path) -> None:
    write_record(tmp_path, text)
    with pytest.raises(ConfigInvalid):
        recorded_path(read_scenario(RECORDED), tmp_path)
