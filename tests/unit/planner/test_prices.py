"""Price paths: the volatility that was asked for, its shape, its jumps, and records drawn anew."""

import msgspec
import numpy as np
import pytest

from node.planner.prices import NEIGHBOURS, Record, log_paths, record_of
from node.planner.scenario import MarketPath

STEADY = MarketPath(
    daily_volatility=0.04, garch=(0.0, 0.0), tail_degrees=1_000.0, jumps_per_day=0.0
)


def paths_of(market: MarketPath, runs: int = 2_000, steps: int = 240) -> np.ndarray:
    return log_paths(market, steps, 15.0, runs, np.random.default_rng(2))


@pytest.mark.parametrize("market", [STEADY, msgspec.structs.replace(STEADY, garch=(0.1, 0.8))])
def test_an_hour_moves_as_far_as_was_asked_for(market: MarketPath) -> None:
    ends = paths_of(market)[:, -1]
    assert ends.std() == pytest.approx(0.04 / np.sqrt(24), rel=0.05)
    assert abs(ends.mean()) < 4 * 0.04 / np.sqrt(24 * 2_000)


def test_within_a_minute_it_moves_as_a_diffusion() -> None:
    steps = np.diff(paths_of(STEADY), axis=1)
    assert steps.std() == pytest.approx(0.04 / np.sqrt(86_400 / 15), rel=0.05)


def test_tails_are_fat_and_volatility_clusters() -> None:
    wild = msgspec.structs.replace(STEADY, garch=(0.2, 0.7), tail_degrees=4.0)
    minutes = np.diff(paths_of(wild, runs=500, steps=960)[:, ::4], axis=1)
    kurtosis = (minutes**4).mean() / (minutes**2).mean() ** 2
    assert kurtosis > 4
    squares = minutes**2
    together = np.corrcoef(squares[:, :-1].ravel(), squares[:, 1:].ravel())[0, 1]
    assert together > 0.05


def test_jumps_come_as_often_and_as_far_as_was_asked_for() -> None:
    jumping = msgspec.structs.replace(
        STEADY, daily_volatility=0.0, jumps_per_day=48.0, jump_size=0.02
    )
    steps = np.diff(paths_of(jumping), axis=1)
    assert (steps != 0).sum() / 2_000 == pytest.approx(2.0, rel=0.1)
    assert steps[steps != 0].std() == pytest.approx(0.02, rel=0.06)


def test_a_shape_is_followed_and_volatility_with_its_path() -> None:
    shaped = msgspec.structs.replace(
        STEADY,
        shape=((0.0, 2.0), (3_600.0, 1.0)),
        volatility_path=((0.0, 0.0), (1_800.0, 0.0), (1_860.0, 1.0)),
    )
    paths = paths_of(shaped)
    assert np.exp(paths[:, 0]) == pytest.approx(np.ones(2_000))
    assert np.exp(paths[:, 120].mean()) == pytest.approx(0.75, rel=1e-3)
    assert paths[:, 60].std() == pytest.approx(0.0, abs=1e-9)
    assert paths[:, -1].std() > 0.003


def test_a_constant_price_does_not_move() -> None:
    assert not paths_of(msgspec.structs.replace(STEADY, path="constant"), runs=3).any()


def test_a_record_keeps_its_course_and_is_drawn_anew_within() -> None:
    random = np.random.default_rng(7)
    record = Record(np.concatenate([[0.0], np.cumsum(random.normal(0, 0.01, 245))]))
    market = MarketPath(path="recorded", recorded="x", recorded_block_s=60.0)
    paths = log_paths(market, 245, 15.0, 50, random, record)
    assert paths.shape == (50, 246)
    # Block ends, and what is left after the last whole block, are the record's.
    assert paths[:, ::4] == pytest.approx(np.tile(record.log_price[::4], (50, 1)))
    assert (paths[:, 244:] == record.log_price[244:]).all()
    assert paths[:, 2].std() > 0
    assert len(np.unique(paths[:, 101].round(12))) <= 2 * NEIGHBOURS + 1


def test_a_record_shorter_than_a_block_is_taken_as_it_is() -> None:
    record = Record(np.array([0.0, 0.1, 0.2]))
    market = MarketPath(path="recorded", recorded="x", recorded_block_s=3_600.0)
    paths = log_paths(market, 2, 15.0, 4, np.random.default_rng(1), record)
    assert (paths == record.log_price).all()


@pytest.mark.parametrize(
    "rows", [[], [(0.0, 0.0), (100.0, 1.0)], [(5.0, 1.0), (100.0, 1.0)], [(0.0, 1.0), (20.0, 1.0)]]
)
def test_a_record_with_a_gap_or_without_prices_is_refused(rows: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError):
        record_of(rows, 1.0, 100, 1.0, evenly=False)
