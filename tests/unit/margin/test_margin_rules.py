"""The rules of margin in numbers that one can follow: 100 dollars a coin, ten percent initial."""

import msgspec
import pytest

from node.margin.fill import Effect, fill_effect
from node.margin.funding import CARRY_ONE, funding_step, next_funding_time, premium_sample
from node.margin.liquidation import closing_size, liquidation_fee, price_band, worst_price
from node.margin.position import (
    Position,
    initial_margin,
    maintenance_margin,
    order_reserve,
)
from node.types.ids import Address, MarketId
from node.types.units import Money
from tests.examples import DOLLAR, RULES

MARKET = RULES.markets[0]
COIN = 10_000
MARK = 100_00


def held(size: int = 0, entry: int = 0, margin: int = 0, funding: int = 0) -> Position:
    position = Position(Address(bytes(20)), MarketId(1))
    position.size, position.entry = size, entry
    position.margin, position.funding = margin, funding
    return position


def fill(position: Position, lots: int, price: int, free: int, *, index: int = 0) -> Effect | None:
    return fill_effect(MARKET, position, index, MARK, free, lots, price, 500)


def numbers(effect: Effect | None) -> tuple[int, int, int, int, int]:
    assert effect is not None
    return effect.size, effect.entry, effect.margin, effect.free, effect.fee


LONG = (COIN, 100 * DOLLAR, 10 * DOLLAR)


# --- fills ----------------------------------------------------------------------------------------


def test_opening_pays_initial_margin_and_the_fee_to_the_unit() -> None:
    cost = 10 * DOLLAR + 50_000
    opened = fill(held(), COIN, MARK, cost)
    assert numbers(opened) == (COIN, 100 * DOLLAR, 10 * DOLLAR, 0, 50_000)
    assert fill(held(), COIN, MARK, cost - 1) is None


def test_opening_above_the_mark_pays_the_difference_at_once() -> None:
    opened = fill(held(), COIN, 110_00, 100 * DOLLAR)
    assert numbers(opened) == (COIN, 110 * DOLLAR, 20 * DOLLAR, 80 * DOLLAR - 55_000, 55_000)


def test_opening_below_the_mark_still_pays_margin_on_its_price() -> None:
    opened = fill(held(), COIN, 90_00, 100 * DOLLAR)
    assert numbers(opened) == (COIN, 90 * DOLLAR, 9 * DOLLAR, 91 * DOLLAR - 45_000, 45_000)


def test_growing_into_the_next_bracket_pays_for_the_whole_position() -> None:
    border = held(100 * COIN, 10_000 * DOLLAR, 1_000 * DOLLAR)
    grown = fill(border, 1, MARK, 2_000 * DOLLAR)
    size, _, margin, _, fee = numbers(grown)
    assert (size, fee) == (100 * COIN + 1, 5)
    assert margin == initial_margin(MARKET, size, MARK) == 2_000 * DOLLAR + 2_000


def test_no_position_grows_past_the_last_bracket() -> None:
    largest = held(MARKET.max_size, MARKET.max_size * MARK, 20_000 * DOLLAR)
    assert fill(largest, 1, MARK, 10**15) is None
    assert fill(largest, -1, MARK, 0) is not None


def test_closing_half_releases_half_and_pays_the_fee_out_of_margin() -> None:
    half = fill(held(*LONG), -COIN // 2, MARK, 0)
    assert numbers(half) == (COIN // 2, 50 * DOLLAR, 5 * DOLLAR, 5 * DOLLAR - 25_000, 25_000)


def test_closing_a_short_at_a_profit() -> None:
    closed = fill(held(-COIN, -100 * DOLLAR, 10 * DOLLAR), COIN, 90_00, 0)
    assert numbers(closed) == (0, 0, 0, 20 * DOLLAR - 45_000, 45_000)


def test_closing_all_must_leave_nothing_owed() -> None:
    """With ten dollars behind a coin from 100, 90 less the fee is a unit too little."""
    assert fill(held(COIN, 100 * DOLLAR, 10 * DOLLAR + 45_000), -COIN, 90_00, 0) is not None
    assert fill(held(COIN, 100 * DOLLAR, 10 * DOLLAR + 44_999), -COIN, 90_00, 10**9) is None


def test_funding_is_settled_before_anything_else() -> None:
    closed = fill(held(*LONG, funding=10), -COIN, MARK, 0, index=110)
    assert numbers(closed) == (0, 0, 0, 10 * DOLLAR - 100 * COIN - 50_000, 50_000)


def test_a_flip_closes_first_and_pays_for_the_new_side_from_what_is_free() -> None:
    flipped = fill(held(*LONG), -3 * COIN, MARK, 11 * DOLLAR)
    free = 11 * DOLLAR + 10 * DOLLAR - 20 * DOLLAR - 150_000
    assert numbers(flipped) == (-2 * COIN, -200 * DOLLAR, 20 * DOLLAR, free, 150_000)
    assert fill(held(*LONG), -3 * COIN, MARK, 10 * DOLLAR) is None


def test_half_of_a_failing_position_closes_for_half_of_its_equity_at_most() -> None:
    """Four dollars of equity: two may go with the half, and 96.05 with the fee costs just that."""
    failing = held(COIN, 100 * DOLLAR, 4 * DOLLAR)
    assert fill(failing, -COIN // 2, MARK, 0) is not None
    assert fill(failing, -COIN // 2, 96_05, 0) is not None
    assert fill(failing, -COIN // 2, 96_04, 10**9) is None


def test_a_part_of_a_failing_position_may_cost_just_its_share_of_the_equity() -> None:
    """Ten dollars of equity: half of ten coins at 99 costs five, and nothing in fees."""
    failing = held(10 * COIN, 1_000 * DOLLAR, 10 * DOLLAR)
    half = fill_effect(MARKET, failing, 0, MARK, 0, -5 * COIN, 99_00, 0)
    assert numbers(half) == (5 * COIN, 500 * DOLLAR, 5 * DOLLAR, 0, 0)
    assert fill_effect(MARKET, failing, 0, MARK, 0, -5 * COIN, 98_99, 0) is None


def test_the_part_of_a_flips_fee_that_closing_pays_is_rounded_up() -> None:
    """A lot from 100.00 sold at 99.99 loses a unit, and its fee of 4.9995 is five."""
    assert flipped_at_a_loss(margin=1 + 5) is not None
    assert flipped_at_a_loss(margin=1 + 4) is None


def flipped_at_a_loss(margin: int) -> Effect | None:
    return fill_effect(MARKET, held(1, 100_00, margin), 0, 99_99, 10**9, -2, 99_99, 500)


def test_a_bankrupt_position_is_not_its_owners_to_close() -> None:
    bankrupt = held(COIN, 100 * DOLLAR, -DOLLAR)
    assert fill(bankrupt, -COIN // 2, MARK, 10**9) is None
    assert fill(bankrupt, -COIN, MARK, 10**9) is None


def test_entry_is_split_without_losing_a_unit() -> None:
    position = held(3, 10, 10 * DOLLAR)
    first = fill_effect(MARKET, position, 0, 3, 0, -1, 3, 0)
    assert first is not None
    assert (first.size, first.entry) == (2, 7)
    short = fill_effect(MARKET, held(-3, -10, 10 * DOLLAR), 0, 3, 0, 1, 3, 0)
    assert short is not None
    assert (short.size, short.entry) == (-2, -6)


# --- requirements ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "initial", "maintenance"),
    [
        (0, 0, 0),
        (1, 1_000, 500),
        (-1_000_000, 1_000 * DOLLAR, 500 * DOLLAR),
        (1_000_001, 2_000 * DOLLAR + 2_000, 1_000 * DOLLAR + 1_000),
        (10_000_000, 20_000 * DOLLAR, 10_000 * DOLLAR),
    ],
)
def test_the_bracket_is_that_of_the_whole_position(
    size: int, initial: int, maintenance: int
) -> None:
    assert initial_margin(MARKET, size, MARK) == initial
    assert maintenance_margin(MARKET, size, MARK) == maintenance


def test_requirements_and_reserves_are_rounded_up() -> None:
    assert initial_margin(MARKET, 1, 11) == 2
    assert maintenance_margin(MARKET, 1, 11) == 1
    assert order_reserve(MARKET, 11, 1, 1) == 2 + 1
    assert order_reserve(MARKET, 11, 0, 1) == order_reserve(MARKET, 11, -5, 1) == 0


@pytest.mark.parametrize(
    ("size", "entry", "margin", "backing", "price"),
    [
        (3, 300, 10, 0, 97),
        (3, 300, 9, 0, 97),
        (3, 300, 9, 1, 97),
        (3, 300, 9, 3, 96),
        (3, 300, 400, 0, 0),
        (-3, -300, 10, 0, 103),
        (-3, -300, 9, 0, 103),
        (-3, -300, 8, 0, 102),
        (-3, -300, 8, 1, 103),
        (-3, -300, -400, 0, 0),
    ],
)
def test_the_bankruptcy_price_is_rounded_to_the_solvent_side(
    size: int, entry: int, margin: int, backing: int, price: int
) -> None:
    assert held(size, entry, margin).bankruptcy_price(0, backing) == price


# --- liquidation ----------------------------------------------------------------------------------


def test_all_is_closed_where_little_would_stay_or_nothing_is_left() -> None:
    assert closing_size(MARKET, 10 * COIN, 40 * DOLLAR, MARK) == 66_667
    assert closing_size(MARKET, -10 * COIN, 0, MARK) == 10 * COIN
    assert closing_size(MARKET, 10 * COIN, -1, MARK) == 10 * COIN
    assert closing_size(MARKET, 10 * COIN, 9 * DOLLAR, MARK) == 10 * COIN
    assert closing_size(MARKET, 150, 70_000, MARK) == 150


def test_what_would_stay_may_be_worth_just_the_least_that_an_order_may_be() -> None:
    needed = 66_667
    left = (10 * COIN - needed) * MARK
    for least, closed in ((left, needed), (left + 1, 10 * COIN)):
        rules = msgspec.structs.replace(MARKET, min_notional=Money(least))
        assert closing_size(rules, 10 * COIN, 40 * DOLLAR, MARK) == closed


def test_the_limit_of_a_solvent_liquidation_ignores_the_fund() -> None:
    solvent = held(10 * COIN, 1_000 * DOLLAR, 100 * DOLLAR)
    assert worst_price(MARKET, solvent, 0, 94_00, 0) == 90_00
    assert worst_price(MARKET, solvent, 0, 94_00, 10**12) == 90_00


@pytest.mark.parametrize("fund", [0, 10, 10**6])
def test_one_that_owes_nothing_is_not_bankrupt(fund: int) -> None:
    long = held(10 * COIN, 1_000 * DOLLAR, 100 * DOLLAR)
    assert worst_price(MARKET, long, 0, 90_00, fund * DOLLAR) == 90_00
    short = held(-10 * COIN, -1_000 * DOLLAR, 100 * DOLLAR)
    assert worst_price(MARKET, short, 0, 110_00, fund * DOLLAR) == 110_00


@pytest.mark.parametrize(
    ("fund", "long_limit", "short_limit"),
    [(0, 90_01, 109_99), (10, 89_01, 110_99), (10**6, 85_50, 115_50)],
)
def test_a_bankrupt_one_goes_as_far_as_the_fund_or_its_maintenance_margin(
    fund: int, long_limit: int, short_limit: int
) -> None:
    """Bankrupt by a unit of money: ten coins at 90, and at 110, need 45 and 55 of maintenance."""
    long = held(10 * COIN, 1_000 * DOLLAR, 100 * DOLLAR - 1)
    assert worst_price(MARKET, long, 0, 90_00, fund * DOLLAR) == long_limit
    short = held(-10 * COIN, -1_000 * DOLLAR, 100 * DOLLAR - 1)
    assert worst_price(MARKET, short, 0, 110_00, fund * DOLLAR) == short_limit


def test_a_liquidation_stays_inside_the_band() -> None:
    rich = held(10 * COIN, 1_000 * DOLLAR, 900 * DOLLAR)
    assert worst_price(MARKET, rich, 0, MARK, 0) == 80_00
    short = held(-10 * COIN, -1_000 * DOLLAR, 900 * DOLLAR)
    assert worst_price(MARKET, short, 0, MARK, 0) == 120_00


@pytest.mark.parametrize(("mark", "band"), [(1, (1, 1)), (3, (3, 3)), (7, (6, 8)), (10, (8, 12))])
def test_the_band_is_rounded_inward(mark: int, band: tuple[int, int]) -> None:
    assert price_band(MARKET, mark) == band


@pytest.mark.parametrize(
    ("value", "margin", "equity", "fee"),
    [
        (1_000, 99, 99, 10),
        (1_001, 99, 99, 11),
        (1_000, 5, 99, 5),
        (1_000, 99, 4, 4),
        (1_000, -1, 99, 0),
        (1_000, 99, -1, 0),
    ],
)
def test_the_fee_is_capped_by_what_is_left(value: int, margin: int, equity: int, fee: int) -> None:
    assert liquidation_fee(MARKET, value, margin, equity) == fee


# --- funding --------------------------------------------------------------------------------------


def test_the_premium_is_held_inside_the_cap() -> None:
    assert premium_sample(MARKET, 100_00, 100_01, MARK) == 1
    assert premium_sample(MARKET, 150_00, 160_00, MARK) == 150
    assert premium_sample(MARKET, 50_00, 60_00, MARK) == -150


def test_a_step_moves_whole_units_and_carries_the_rest() -> None:
    assert funding_step(MARKET, 150, 1, 0) == (9, 375_000_000)
    assert funding_step(MARKET, 150, 1, 625_000_000) == (10, 0)
    assert funding_step(MARKET, -150, 1, 0) == (-10, 625_000_000)
    assert funding_step(MARKET, 0, 0, 7) == (0, 7)


def test_equal_premiums_of_both_signs_leave_the_index_where_it_was() -> None:
    index = carry = 0
    for _ in range(1_000):
        for premium in (37, -37):
            step, carry = funding_step(MARKET, premium, 3, carry)
            index += step
    # A billionth is dropped in one of the two, never more.
    assert -1 <= index <= 0
    assert carry >= CARRY_ONE - 1_000 or carry == 0


def test_the_next_funding_time_is_a_multiple_after_now() -> None:
    hour = MARKET.funding_interval_ms
    assert next_funding_time(MARKET, 0) == hour
    assert next_funding_time(MARKET, hour - 1) == hour
    assert next_funding_time(MARKET, hour) == 2 * hour
