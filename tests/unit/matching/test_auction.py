"""The auction by example: each rule of price and share, one at a time, to the last lot."""

import pytest

from node.matching.auction import NO_PRICE, Clearing, Interest, Reach, clear
from node.types.commands import Side
from node.types.units import Lots, Ticks

ANYWHERE = Reach(Ticks(1), Ticks(2**63))
NOW = 7
EARLIER = 6


def buy(price: int, size: int, rank: int, batch: int = NOW) -> Interest:
    return Interest(Side.BUY, Ticks(price), Lots(size), batch, rank)


def sell(price: int, size: int, rank: int, batch: int = NOW) -> Interest:
    return Interest(Side.SELL, Ticks(price), Lots(size), batch, rank)


def test_the_price_is_where_most_trades() -> None:
    interests = [buy(105, 10, 1), buy(102, 10, 2), sell(100, 5, 3), sell(102, 15, 4)]
    assert clear(interests, 100, ANYWHERE) == Clearing(Ticks(102), Lots(20), [10, 10, 5, 15])


def test_of_prices_with_the_same_volume_the_smallest_imbalance_counts() -> None:
    # 100 … 103: 10 against 4 (6 over); 104: 6 against 4; 105: 6 against 6 sells, volume 6.
    interests = [buy(103, 4, 1), buy(108, 4, 2), sell(100, 4, 3), sell(106, 2, 4)]
    # 100 … 103: 8 wanted, 4 offered. 104 and 105: 4 and 4. 106 … 108: 4 wanted, 6 offered.
    assert clear(interests, 1, ANYWHERE).price == 104
    assert clear(interests, 200, ANYWHERE).price == 105


@pytest.mark.parametrize(("mark", "price"), [(90, 100), (100, 100), (103, 103), (109, 106)])
def test_of_those_the_nearest_to_the_mark(mark: int, price: int) -> None:
    assert clear([buy(106, 5, 1), sell(100, 5, 2)], mark, ANYWHERE).price == price


def test_without_a_mark_the_lowest_of_those() -> None:
    assert clear([buy(106, 5, 1), sell(100, 5, 2)], 0, ANYWHERE).price == 100


def test_what_does_not_meet_does_not_trade() -> None:
    assert clear([buy(99, 5, 1), sell(100, 5, 2)], 100, ANYWHERE) == Clearing(
        NO_PRICE, Lots(0), [0, 0]
    )
    assert clear([], 100, ANYWHERE) == Clearing(NO_PRICE, Lots(0), [])


def test_the_price_stays_within_reach() -> None:
    interests = [buy(110, 5, 1), sell(90, 5, 2)]
    assert clear(interests, 100, Reach(Ticks(95), Ticks(98))).price == 98
    assert clear(interests, 100, Reach(Ticks(102), Ticks(104))).price == 102
    assert clear(interests, 100, Reach(Ticks(111), Ticks(120))).price == NO_PRICE


def test_a_better_limit_goes_first() -> None:
    interests = [buy(100, 6, 1), buy(101, 6, 2), sell(100, 8, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [2, 6, 8]


def test_at_one_limit_the_older_batch_goes_first() -> None:
    interests = [buy(100, 6, 9), buy(100, 6, 1, EARLIER), sell(100, 8, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [2, 6, 8]


def test_a_batch_shares_in_proportion_to_its_sizes() -> None:
    interests = [buy(100, 10, 1), buy(100, 30, 2), sell(100, 20, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [5, 15, 20]


def test_lots_cut_off_go_to_the_largest_fractions_and_then_to_the_lower_rank() -> None:
    # 7 lots for 10, 10 and 1: 3⅓, 3⅓ and ⅓ rounded down leave one, all fractions being equal.
    interests = [buy(100, 10, 5), buy(100, 10, 4), buy(100, 1, 6), sell(100, 7, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [3, 4, 0, 7]
    # 5 lots for 3 and 4: 2 1/7 and 2 6/7.
    interests = [buy(100, 3, 1), buy(100, 4, 2), sell(100, 5, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [2, 3, 5]


def test_sizes_of_any_magnitude_stay_exact() -> None:
    huge = 2**64 - 1
    interests = [buy(100, huge, 1), buy(100, huge, 2), sell(100, huge, 3)]
    assert clear(interests, 100, ANYWHERE).shares == [2**63, 2**63 - 1, huge]
