"""The auction against the plain one: price, volume, shares, and what must hold of any of them."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from node.matching.auction import NO_PRICE, Interest, Reach, clear
from node.types.commands import Side
from node.types.units import Lots, Ticks
from tests.property import naive_auction

HIGHEST = 24
interests = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, HIGHEST),
        st.integers(1, 9) | st.integers(1, 10**12),
        st.integers(1, 3),
    ),
    max_size=14,
).map(
    lambda drawn: [
        Interest(side, Ticks(price), Lots(size), batch, rank)
        for rank, (side, price, size, batch) in enumerate(drawn)
    ]
)
marks = st.integers(0, HIGHEST + 3)
reaches = st.tuples(st.integers(1, HIGHEST), st.integers(1, HIGHEST)).map(
    lambda ends: Reach(Ticks(min(ends)), Ticks(max(ends)))
)


@settings(max_examples=400)
@given(interests, marks, reaches)
def test_price_volume_and_shares_are_those_of_the_plain_auction(
    drawn: list[Interest], mark: int, reach: Reach
) -> None:
    clearing = clear(drawn, mark, reach)
    prices = range(reach.low, reach.high + 1)
    price, size = naive_auction.price_and_size(drawn, mark, prices)
    some = naive_auction.prices_that_matter(drawn, mark, reach.low, reach.high)
    assert naive_auction.price_and_size(drawn, mark, some) == (price, size)
    assert (clearing.price, clearing.size) == (price, size)
    assert clearing.shares == naive_auction.shares(drawn, price, size)


@settings(max_examples=300)
@given(interests, marks, reaches)
def test_nobody_trades_beyond_his_limit_or_size_and_both_sides_sum_up(
    drawn: list[Interest], mark: int, reach: Reach
) -> None:
    clearing = clear(drawn, mark, reach)
    for side in Side:
        shares = [
            share for one, share in zip(drawn, clearing.shares, strict=True) if one.side == side
        ]
        assert sum(shares) == clearing.size
    for one, share in zip(drawn, clearing.shares, strict=True):
        assert 0 <= share <= one.size
        assert not share or naive_auction.trades_at(one, clearing.price)
    if clearing.price == NO_PRICE:
        assert not any(clearing.shares)


@settings(max_examples=200)
@given(interests, marks, st.integers(0, 2**32))
def test_who_spoke_first_makes_no_difference(drawn: list[Interest], mark: int, seed: int) -> None:
    reach = Reach(Ticks(1), Ticks(HIGHEST))
    clearing = clear(drawn, mark, reach)
    places = list(range(len(drawn)))
    Random(seed).shuffle(places)
    shuffled = clear([drawn[place] for place in places], mark, reach)
    assert (shuffled.price, shuffled.size) == (clearing.price, clearing.size)
    assert shuffled.shares == [clearing.shares[place] for place in places]


@settings(max_examples=200)
@given(interests, marks)
def test_after_the_auction_nobody_is_left_who_could_still_trade_at_its_price(
    drawn: list[Interest], mark: int
) -> None:
    clearing = clear(drawn, mark, Reach(Ticks(1), Ticks(HIGHEST)))
    left = [
        Interest(one.side, one.price, Lots(one.size - share), one.batch, one.rank)
        for one, share in zip(drawn, clearing.shares, strict=True)
    ]
    buyers = naive_auction.wanted(left, Side.BUY, clearing.price)
    sellers = naive_auction.wanted(left, Side.SELL, clearing.price)
    assert not (clearing.size and buyers and sellers)
