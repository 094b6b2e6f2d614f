"""The base fee to come: above the last one while it rises, below it while it falls, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.capacity.l1_forecast import (
    BLOCKS_MAX,
    GROWTH_MAX,
    L1Forecast,
    blocks_until_posted,
    unit_cost,
)
from node.types.units import Money

GWEI = 10**9


def follow(fees: list[int]) -> L1Forecast:
    forecast = L1Forecast()
    for block, fee in enumerate(fees, start=100):
        forecast.observe(block, fee)
    return forecast


def test_a_steady_fee_is_forecast_as_it_is() -> None:
    assert follow([20 * GWEI] * 30).fee(10) == 20 * GWEI


def test_a_rising_fee_is_forecast_above_and_below_the_worst() -> None:
    rising = [int(20 * GWEI * 1.125**block) for block in range(12)]
    forecast = follow(rising)
    assert rising[-1] * 1.3 < forecast.fee(5) <= rising[-1] * 1.125**5 + 5
    assert forecast.fee(0) == rising[-1]


def test_a_falling_fee_is_forecast_below() -> None:
    falling = [int(400 * GWEI * 0.875**block) for block in range(12)]
    assert falling[-1] * 0.875**5 <= follow(falling).fee(5) < falling[-1] * 0.75


def test_a_spike_of_one_block_does_not_make_a_trend() -> None:
    spike = [20 * GWEI] * 20 + [22 * GWEI + GWEI // 2]
    assert follow(spike).fee(20) < 1.25 * spike[-1]


def test_a_block_seen_again_or_an_older_one_changes_nothing() -> None:
    forecast = follow([20 * GWEI, 22 * GWEI])
    before = forecast.fee(5)
    forecast.observe(101, 90 * GWEI)
    forecast.observe(7, 1)
    assert forecast.fee(5) == before


def test_before_the_first_block_nothing_is_known() -> None:
    assert L1Forecast().fee(10) == 0


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=30), st.integers(0, 100))
def test_the_forecast_stays_within_what_the_base_fee_can_do(fees: list[int], blocks: int) -> None:
    forecast, ahead = follow(fees), min(blocks, BLOCKS_MAX)
    share = GROWTH_MAX / 1e6
    # A unit that rounding adds grows with the fee: all of them together make less than eight.
    highest = (fees[-1] + 8) * (1 + share) ** ahead * (1 + 1e-9)
    assert fees[-1] * (1 - share) ** ahead - 1 <= forecast.fee(blocks) <= highest


@pytest.mark.parametrize(
    ("ahead", "per_block", "included_ppm", "blocks"),
    [(0, 4, 1_000_000, 1), (3, 4, 1_000_000, 1), (4, 4, 1_000_000, 2), (9, 1, 250_000, 40)],
)
def test_a_batch_is_posted_after_those_before_it(
    ahead: int, per_block: int, included_ppm: int, blocks: int
) -> None:
    assert blocks_until_posted(ahead, per_block, included_ppm) == blocks


def test_while_l1_takes_nothing_the_forecast_is_the_furthest() -> None:
    forecast = follow([int(20 * GWEI * 1.125**block) for block in range(12)])
    assert forecast.fee(blocks_until_posted(0, 4, 0)) == forecast.fee(BLOCKS_MAX)


def test_the_cost_of_a_unit_is_rounded_up() -> None:
    assert unit_cost(20 * GWEI, 320, Money(3_000_000_000)) == 19_200
    assert unit_cost(1, 1, Money(1)) == 1
    assert unit_cost(20 * GWEI, 320, Money(0)) == 0


def test_the_growth_of_several_blocks_is_that_of_each_and_damped_from_the_first() -> None:
    forecast = L1Forecast()
    forecast.observe(1, 100 * GWEI)
    forecast.observe(3, 110 * GWEI)
    # A twentieth a block, of which two looks at it take over seven sixteenths.
    assert forecast.fee(1) == pytest.approx(110 * GWEI * (1 + 0.05 * 7 / 16 * 0.85), rel=1e-5)
