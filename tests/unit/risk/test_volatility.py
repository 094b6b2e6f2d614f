"""The live estimate finds a known volatility and is not carried off by one jump."""

import math
import random

import pytest

from node.risk.config import RiskConfig
from node.risk.volatility import LiveVolatility

CONFIG = RiskConfig(volatility_half_life_s=600, volatility_prior=1e-4)


def walk(sigma: float, gaps_ms: list[int], seed: int) -> LiveVolatility:
    draw = random.Random(seed)
    volatility = LiveVolatility(CONFIG)
    log_price, time = math.log(1e9), 0
    for gap in gaps_ms:
        time += gap
        log_price += draw.gauss(0, sigma * math.sqrt(gap / 1_000))
        volatility.update(time, round(math.exp(log_price)))
    return volatility


@pytest.mark.parametrize("sigma", [2e-5, 1e-4, 8e-4])
def test_it_finds_the_volatility_of_a_walk_whatever_the_spacing(sigma: float) -> None:
    draw = random.Random(5)
    even = walk(sigma, [1_000] * 20_000, seed=1)
    uneven = walk(sigma, [draw.choice((100, 700, 5_000)) for _ in range(20_000)], seed=2)
    # 600 s of half life hold about 1,700 returns of one second: a standard error of 2 %.
    assert even.per_root_second == pytest.approx(sigma, rel=0.12)
    assert uneven.per_root_second == pytest.approx(sigma, rel=0.15)


def test_one_jump_of_any_size_raises_it_by_the_same_bounded_factor() -> None:
    def after_jump(factor: int) -> float:
        volatility = LiveVolatility(CONFIG)
        volatility.update(0, 10**9)
        volatility.update(1_000, 10**9 * factor)
        return volatility.per_root_second

    weight = 1 - 2 ** (-1 / 600)
    bound = CONFIG.volatility_prior * math.sqrt(1 + weight * (CONFIG.volatility_clip**2 - 1))
    assert after_jump(2) == pytest.approx(bound)
    assert after_jump(100) == pytest.approx(bound)


def test_a_lasting_rise_passes_the_clip() -> None:
    assert walk(1e-2, [1_000] * 5_000, seed=3).per_root_second == pytest.approx(1e-2, rel=0.15)


def test_a_market_that_stands_still_falls_to_the_floor_and_can_leave_it() -> None:
    volatility = LiveVolatility(CONFIG)
    for second in range(100_000):
        volatility.update(second * 1_000, 10**9)
    assert volatility.per_root_second == CONFIG.volatility_floor
    volatility.update(100_000_000, 11 * 10**8)
    assert volatility.per_root_second > CONFIG.volatility_floor


def test_a_mark_that_is_not_newer_is_ignored() -> None:
    volatility = LiveVolatility(CONFIG)
    volatility.update(5_000, 10**9)
    volatility.update(5_000, 2 * 10**9)
    volatility.update(4_000, 3 * 10**9)
    assert volatility.per_root_second == CONFIG.volatility_prior
