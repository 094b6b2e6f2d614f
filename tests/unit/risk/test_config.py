"""A configuration is taken whole or refused with every fault it has."""

import math

import msgspec
import pytest

from node.risk.config import _RANGES, RiskConfig, check_risk_config
from node.types.errors import ConfigInvalid


def faults_of(**keys: object) -> tuple[str, ...]:
    with pytest.raises(ConfigInvalid) as caught:
        check_risk_config(msgspec.structs.replace(RiskConfig(), **keys))
    faults: tuple[str, ...] = caught.value.faults
    return faults


def test_the_defaults_are_within_their_ranges() -> None:
    check_risk_config(RiskConfig())


def test_every_number_has_a_range() -> None:
    assert set(_RANGES) == set(RiskConfig.__struct_fields__) - {"tail", "shards"}


@pytest.mark.parametrize("key", sorted(_RANGES))
def test_a_number_outside_its_range_is_named(key: str) -> None:
    low, high = _RANGES[key]
    for value in (low - 1, high + 1, math.nan):
        assert any(fault.startswith(f"{key}:") for fault in faults_of(**{key: value}))


def test_all_faults_are_told_at_once() -> None:
    faults = faults_of(late_share=2.0, near_s=0, retry_rounds=100, retry_rounds_max=5)
    assert [fault.split(":")[0] for fault in faults] == ["late_share", "near_s", "retry_rounds_max"]


def test_keys_that_contradict_each_other_are_told() -> None:
    assert len(faults_of(near_s=600, watch_s=600)) == 1
    assert len(faults_of(shortest_horizon_s=3_600, budget_horizon_s=60)) == 1


@pytest.mark.parametrize(
    "tail",
    [((0, 1.0),), ((10, 1.0), (10, 2.0)), ((10, 2.0), (20, 1.0)), ((10, math.inf),), ((10, 0.0),)],
)
def test_a_tail_that_does_not_rise_is_refused(tail: tuple[tuple[int, float], ...]) -> None:
    assert len(faults_of(tail=tail)) == 1


def test_it_is_read_from_text_and_unknown_keys_are_refused() -> None:
    text = b'{"late_share": 0.02, "tail": [[1000, 3.5]]}'
    config = msgspec.json.decode(text, type=RiskConfig)
    assert (config.late_share, config.tail) == (0.02, ((1_000, 3.5),))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"late_shares": 0.02}', type=RiskConfig)
