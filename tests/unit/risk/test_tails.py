"""Tail tables ask for the distance that their budget needs, no more and no less."""

import math
import random

import msgspec
import numpy as np
import pytest
from scipy.special import ndtr

from node.risk.config import RiskConfig
from node.risk.tails import _excursions, conformal_tail, gaussian_tail, tail_of
from node.types.errors import ConfigInvalid

CONFIG = RiskConfig(late_share=0.05, budget_horizon_s=4_000, shortest_horizon_s=10)


def test_gaussian_distances_spend_exactly_their_part_of_the_budget() -> None:
    table = gaussian_tail(CONFIG)
    assert table.horizons_ms[0] == 10_000
    assert table.horizons_ms[-1] == 4_000_000
    for horizon, distance in zip(table.horizons_ms, table.distances, strict=True):
        crossing = 2 * ndtr(-distance / math.sqrt(horizon / 1_000))
        assert crossing == pytest.approx(0.05 * horizon / 4_000_000, rel=1e-6)


def test_the_next_check_is_the_longest_horizon_that_the_distance_pays_for() -> None:
    table = gaussian_tail(CONFIG)
    for horizon, distance in zip(table.horizons_ms, table.distances, strict=True):
        assert table.horizon_ms(distance) == horizon
        assert table.horizon_ms(distance * (1 - 1e-9)) < horizon
    assert table.horizon_ms(0.0) == 0
    assert table.horizon_ms(-math.inf) == 0
    assert table.horizon_ms(math.inf) == 4_000_000


def test_excursions_look_ahead_by_exactly_their_window() -> None:
    draw = np.random.default_rng(4)
    path = draw.normal(size=60).cumsum()
    for window in (1, 2, 3, 8, 9):
        naive = [
            max(abs(path[start + step] - path[start]) for step in range(1, window + 1))
            for start in range(len(path) - window)
        ]
        assert _excursions(path, window) == pytest.approx(naive)


def walk(seed: int, steps: int, sigma: float) -> list[int]:
    draw = np.random.default_rng(seed)
    prices: list[int] = (
        np.exp(math.log(1e9) + draw.normal(0, sigma, steps).cumsum()).astype(int).tolist()
    )
    return prices


def test_conformal_distances_hold_on_another_path_of_the_same_kind() -> None:
    table = conformal_tail(CONFIG, walk(1, 20_000, 1e-3), 10_000)
    fresh = np.log(np.asarray(walk(2, 20_000, 1e-3), dtype=float))
    sigma = 1e-3 / math.sqrt(10)
    for horizon, distance in zip(table.horizons_ms, table.distances, strict=True):
        exceeded = float(np.mean(_excursions(fresh, horizon // 10_000) / sigma > distance))
        spendable = 0.05 * horizon / 4_000_000
        # Overlapping windows come in clusters; four times the budget is far from chance here,
        # as the Gaussian table with half its distance would exceed it forty times.
        assert exceeded <= 4 * spendable


def test_conformal_distances_never_fall_with_the_horizon() -> None:
    table = conformal_tail(CONFIG, walk(3, 20_000, 1e-3), 10_000)
    assert list(table.distances) == sorted(table.distances)
    assert all(horizon % 10_000 == 0 for horizon in table.horizons_ms)


def test_a_calibration_path_that_is_too_short_is_refused() -> None:
    # T / alpha is 80,000 s: 8,000 steps of ten seconds.
    conformal_tail(CONFIG, walk(1, 8_000, 1e-3), 10_000)
    with pytest.raises(ConfigInvalid):
        conformal_tail(CONFIG, walk(1, 7_999, 1e-3), 10_000)


def test_a_calibrated_tail_goes_through_the_configuration_unchanged() -> None:
    table = conformal_tail(CONFIG, walk(1, 20_000, 1e-3), 10_000)
    pairs = tuple(zip(table.horizons_ms, table.distances, strict=True))
    assert tail_of(msgspec.structs.replace(CONFIG, tail=pairs)) == table
    assert tail_of(CONFIG) == gaussian_tail(CONFIG)


def test_reflection_holds_for_a_walk_of_small_steps() -> None:
    draw = random.Random(9)
    distance, horizon, paths = 1.5, 200, 2_000
    reached = 0
    for _ in range(paths):
        place = highest = 0.0
        for _ in range(horizon):
            place += draw.gauss(0, 1 / math.sqrt(horizon))
            highest = max(highest, place)
        reached += highest >= distance
    continuous = 2 * ndtr(-distance)
    # Looked at in rounds, a barrier acts as if it stood 0.5826 of a step further away.
    discrete = 2 * ndtr(-(distance + 0.5826 / math.sqrt(horizon)))
    error = 3 * math.sqrt(continuous / paths)
    assert discrete - error < reached / paths < continuous + error
