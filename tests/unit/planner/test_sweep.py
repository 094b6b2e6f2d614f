"""Sweeps: axes as typed, the grid, and the keys that it sets."""

import pytest

from node.planner.scenario_reading import read_scenario
from node.planner.sweep import POINTS_MAX, grid, parse_axes, quick, tables_at
from node.types.errors import ConfigInvalid

TABLES = {"name": "one", "about": "a few words", "l1": {"finality_blocks": 3}}


def test_an_axis_has_both_of_its_ends() -> None:
    (axis,) = parse_axes(["l1.block_s=2:24:3"])
    assert (axis.key, axis.values) == ("l1.block_s", (2.0, 13.0, 24.0))
    assert parse_axes(["a.b=5:9:1"])[0].values == (5.0,)


def test_the_last_axis_runs_fastest() -> None:
    axes = parse_axes(["a.x=0:1:2", "b.y=5:7:3"])
    points = [tuple(point.values()) for point in grid(axes)]
    assert points == [(0, 5), (0, 6), (0, 7), (1, 5), (1, 6), (1, 7)]


@pytest.mark.parametrize(
    "texts",
    [
        ["l1.block_s"],
        ["l1.block_s=2:24"],
        ["l1.block_s=2:24:0"],
        ["l1.block_s=2:24:2.5"],
        ["l1.block_s=two:24:2"],
        ["l1.block_s=2:inf:2"],
        ["=2:24:2"],
        ["a.b=1:2:2", "c.d=1:2:2", "e.f=1:2:2"],
        ["a.b=1:2:2", "a.b=3:4:2"],
        [f"a.b=1:2:{POINTS_MAX}", "c.d=1:2:2"],
    ],
)
def test_a_slip_is_told(texts: list[str]) -> None:
    with pytest.raises(ConfigInvalid):
        parse_axes(texts)


def test_the_faults_of_all_axes_are_told() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        parse_axes(["a.b=1", "c.d=2"])
    assert len(refused.value.faults) == 2


def test_a_point_sets_its_keys_and_no_others() -> None:
    point = {"l1.block_s": 6.0, "positions.open": 500.0}
    scenario = read_scenario(tables_at(TABLES, point))
    assert (scenario.l1.block_s, scenario.positions.open) == (6.0, 500)
    assert scenario.l1.finality_blocks == 3
    assert TABLES["l1"] == {"finality_blocks": 3}


@pytest.mark.parametrize("key", ["l1", "l1.", ".block_s", "name.x"])
def test_a_key_needs_section_and_name(key: str) -> None:
    with pytest.raises(ConfigInvalid):
        tables_at(TABLES, {key: 1.0})


@pytest.mark.parametrize(
    "point", [{"l1.blocks": 1.0}, {"l1.block_s": -1.0}, {"positions.open": 0.5}]
)
def test_reading_a_point_checks_key_and_range(point: dict[str, float]) -> None:
    with pytest.raises(ConfigInvalid):
        read_scenario(tables_at(TABLES, point))


@pytest.mark.parametrize("key", ["extent.runs", "extent.knee_runs", "extent.stretch_events"])
def test_what_a_sweep_sets_itself_cannot_be_swept(key: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        parse_axes([f"{key}=100:1000:2"])
    assert "--sweep-runs" in str(refused.value.values["faults"])


def test_a_point_has_the_sweeps_own_runs() -> None:
    few = quick({"extent": {"runs": 1_000, "horizon_s": 60.0}}, 7)
    assert few["extent"] == {
        "runs": 7,
        "knee_runs": 7,
        "stretch_events": 1_000,
        "horizon_s": 60.0,
    }
