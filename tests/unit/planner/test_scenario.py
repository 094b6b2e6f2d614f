"""Reading scenarios: what is left out is as measured, and every fault is told at once."""

from typing import get_type_hints

import pytest

from node.planner.model import with_laws
from node.planner.scenario import DEFAULT_KINDS, Scenario
from node.planner.scenario_reading import RANGES, read_scenario
from node.types.errors import ConfigInvalid

WORDS = {"name": "one", "about": "a few words"}


def faults_of(**tables: object) -> list[str]:
    with pytest.raises(ConfigInvalid) as refused:
        read_scenario({**WORDS, **tables})
    return list(refused.value.faults)


def keys_of(faults: list[str]) -> set[str]:
    return {fault.split(":")[0] for fault in faults}


def test_what_is_left_out_is_as_measured() -> None:
    assert read_scenario(WORDS) == Scenario(name="one", about="a few words")


def test_every_number_has_a_range() -> None:
    """A key without one would take anything."""
    ranged = {f"{section}.{key}" for section, keys in RANGES.items() for key in keys}
    numeric = {int, float, int | None, float | None}
    scenario = read_scenario(WORDS)
    numbers = {
        f"{section}.{key}"
        for section in RANGES
        for key, kind in get_type_hints(type(getattr(scenario, section))).items()
        if kind in numeric
    }
    assert numbers == ranged


def test_defaults_lie_within_their_ranges() -> None:
    scenario = with_laws(read_scenario(WORDS), None)
    for section, keys in RANGES.items():
        for key, (low, high) in keys.items():
            assert low <= getattr(getattr(scenario, section), key) <= high, (section, key)


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(
        name=" ",
        unheard={},
        flow={"rate_per_s": -1.0, "branching": [0.7, 0.6]},
        l1={"block_s": "twelve", "phases": [{"from_s": 3, "until_s": 2}]},
        kinds=[{"name": "a", "lane": "liquidation", "share": 1}],
        market={"shape": [[0, 1], [0, 0.5]], "garch": [0.5, 0.6], "path": "recorded"},
        positions={"leverage": [[100, 1]]},
        oracle={"stalls": [[5, 4]]},
        extent={"seed": -1},
    )
    assert keys_of(faults) == {
        "name",
        "unheard",
        "flow.rate_per_s",
        "flow.branching",
        "l1.block_s",
        "l1.phases[0].until_s",
        "kinds[0].lane",
        "kinds[0].loop_us",
        "kinds[0].verify_us",
        "market.shape",
        "market.garch",
        "market.recorded",
        "positions.leverage[0]",
        "oracle.stalls[0]",
        "extent.seed",
    }


@pytest.mark.parametrize(
    ("tables", "key", "range_told"),
    [
        ({"flow": {"rate_per_s": 0}}, "flow.rate_per_s", "0.01 … 10000000.0"),
        ({"flow": {"branching": [1.0], "decays_per_s": [1.0]}}, "flow.branching", "below 1"),
        ({"flow": {"branching": [0.5]}}, "flow.decays_per_s", "one for each"),
        ({"flow": {"branching": [-0.5], "decays_per_s": [1.0]}}, "flow.branching", "0 … 1"),
        ({"flow": {"branching": [0.5], "decays_per_s": [0.0]}}, "flow.decays_per_s", "above 0"),
        ({"flow": {"path": [[0, -1]]}}, "flow.path", ">= 0"),
        ({"l1": {"inclusion": 0}}, "l1.inclusion", "0.001 … 1.0"),
        ({"l1": {"phases": {}}}, "l1.phases", "list of tables"),
        ({"l1": {"phases": [{"from_s": 0}]}}, "l1.phases[0].until_s", "missing"),
        ({"extent": {"step_s": 13.0}}, "extent.step_s", "l1.block_s"),
        ({"extent": {"step_s": 0.05, "horizon_s": 604_800.0}}, "extent.step_s", "at least 1 "),
        ({"extent": {"step_s": 0.05, "knee_s": 60_480.0}}, "extent.step_s", "at least 0.1 "),
        (
            {"extent": {"step_s": 0.05}, "l1": {"block_s": 3_600.0}},
            "extent.step_s",
            "at least 0.6266 ",
        ),
        ({"positions": {"open": 10_000, "accounts": 1}}, "positions.open", "100 for each"),
        ({"positions": {"leverage": [[2, 0]]}}, "positions.leverage", "more than 0"),
        ({"kinds": []}, "kinds", "above 0"),
        ({"kinds": 3}, "kinds", "list of tables"),
        ({"service": []}, "service", "table"),
        ({"service": {"workers": 1.5}}, "service.workers", "int"),
    ],
)
def test_a_fault_names_its_key_and_what_is_allowed(
    tables: dict[str, object], key: str, range_told: str
) -> None:
    matching = [fault for fault in faults_of(**tables) if fault.startswith(f"{key}:")]
    assert matching
    assert range_told in matching[0]


def test_two_kinds_of_one_name_are_refused() -> None:
    kind = {"name": "a", "lane": "taking", "share": 1, "loop_us": 1.0, "verify_us": 1.0}
    assert keys_of(faults_of(kinds=[kind, kind])) == {"kinds[1].name"}


def test_a_calibration_stands_in_for_times() -> None:
    kind = {"name": "place", "lane": "taking", "share": 1}
    tables = {**WORDS, "service": {"calibration": "node.json"}, "kinds": [kind]}
    assert read_scenario(tables).kinds[0].loop_us is None
    assert read_scenario(WORDS).kinds == DEFAULT_KINDS
