"""The auction of a market: at what price all trade, who shares, and what is left afterwards."""

import msgspec
import pytest

from node.transition import invariants
from node.types.commands import (
    OrderType,
    Side,
)
from node.types.errors import (
    PostOnlyWouldCross,
)
from node.types.events import (
    CancelReason,
    Filled,
    OrderAccepted,
    OrderAmended,
    Uncrossed,
)
from tests.examples import ALICE, BOB, CAROL, DAVE, MALLORY
from tests.unit.transition.auctions import exchange_of, reasons, rest, uncross
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange of four people with ten thousand dollars each, its mark at 100."""
    return exchange_of()


# --- one price ------------------------------------------------------------------------------------


def test_all_trade_at_one_price_and_nobody_at_a_worse_one(exchange: Exchange) -> None:
    rest(exchange, ALICE, order(SELL, COIN, 101_00), order(SELL, COIN, 103_00))
    exchange.place(BOB, order(BUY, COIN, 105_00))
    exchange.place(CAROL, order(BUY, COIN, 103_00))
    exchange.place(DAVE, order(SELL, COIN, 102_00))
    # From 103 on three would be sold and two bought.
    assert uncross(exchange) == (102_00, 2 * COIN)
    assert {price for price, _ in exchange.fills()} == {102_00}
    assert exchange.position(ALICE).size == -COIN
    assert exchange.position(DAVE).size == -COIN
    assert exchange.book() == ([], [(103_00, COIN)])


def test_who_rested_pays_the_makers_fee_and_who_arrived_the_takers(exchange: Exchange) -> None:
    maker = rest(exchange, ALICE, order(SELL, COIN, 100_00))
    taker = exchange.place(BOB, order(BUY, 2 * COIN, 100_00))
    other = exchange.place(CAROL, order(SELL, COIN, 100_00))
    uncross(exchange)
    first, second = exchange.told(Filled)
    assert (first.maker_order, first.taker_order, first.auction) == (maker, taker, True)
    assert (first.maker_fee, first.taker_fee) == (10_000, 50_000)
    # Of two arrivals the older is told of as the maker, and pays like the other.
    assert (second.maker_order, second.taker_order, second.taker_side) == (taker, other, Side.SELL)
    assert (second.maker_fee, second.taker_fee) == (50_000, 50_000)
    assert exchange.state.fees == 10_000 + 3 * 50_000


def test_the_margin_of_the_last_price_is_shared_in_proportion(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, 3 * COIN, 100_00, IOC))
    exchange.place(CAROL, order(BUY, COIN, 100_00, IOC))
    exchange.place(DAVE, order(SELL, 2 * COIN, 100_00))
    uncross(exchange)
    assert exchange.position(BOB).size == 3 * COIN // 2
    assert exchange.position(CAROL).size == COIN // 2


def test_an_older_batch_comes_first_and_its_own_orders_share(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    rest(exchange, BOB, order(BUY, 3 * COIN, 100_00))
    rest(exchange, CAROL, order(BUY, COIN, 100_00))
    exchange.place(DAVE, order(SELL, 2 * COIN, 100_00))
    uncross(exchange)
    assert exchange.position(ALICE).size == COIN // 2
    assert exchange.position(BOB).size == 3 * COIN // 2
    assert exchange.position(CAROL).size == 0


def test_the_book_is_told_of_each_of_its_orders_that_traded(exchange: Exchange) -> None:
    whole = rest(exchange, ALICE, order(SELL, COIN, 100_00))
    part = rest(exchange, BOB, order(SELL, COIN, 101_00))
    exchange.place(CAROL, order(BUY, COIN + 4_000, 101_00))
    assert uncross(exchange) == (101_00, COIN + 4_000)
    kinds = [type(event) for event in exchange.events[:5]]
    assert kinds == [Uncrossed, OrderAmended, OrderAmended, Filled, Filled]
    told = [
        (event.order_id, event.price, event.remaining_before, event.remaining, event.resting)
        for event in exchange.told(OrderAmended)
    ]
    assert told == [(whole, 100_00, COIN, COIN, False), (part, 101_00, COIN, 6_000, True)]
    assert exchange.book() == ([], [(101_00, 6_000)])


# --- what is left ---------------------------------------------------------------------------------


def test_what_is_left_of_an_order_rests_or_goes_by_its_type(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 102_00))
    exchange.place(BOB, order(BUY, COIN, 101_00, IOC))
    exchange.place(CAROL, order(BUY, COIN, 150_00, MARKET))
    exchange.place(DAVE, order(BUY, COIN, 99_00))
    # At 102 and below, more would be bought than sold.
    assert uncross(exchange) == (102_01, COIN)
    assert exchange.position(CAROL).size == COIN
    assert reasons(exchange) == [(COIN, CancelReason.IMMEDIATE_REMAINDER, False)]
    assert exchange.book() == ([(102_00, COIN), (99_00, COIN)], [])
    # Resting, an order holds back no more than in any other market.
    assert exchange.account(DAVE).reserved == 9_900_000 + 49_500


def test_a_market_order_is_held_to_the_band(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 150_00, MARKET))
    (accepted,) = exchange.told(OrderAccepted)
    assert accepted.price == 120_00


def test_a_post_only_order_sits_the_auction_out_and_rests_after_it(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00, POST_ONLY))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert uncross(exchange) == (0, 0)
    # The older of the two rests; what would cross it does not.
    assert reasons(exchange) == [(COIN, CancelReason.FILL_LIMIT, False)]
    assert exchange.book() == ([], [(100_00, COIN)])


def test_a_post_only_order_goes_where_the_auction_leaves_what_it_would_cross(
    exchange: Exchange,
) -> None:
    exchange.place(BOB, order(BUY, COIN, 100_00))
    exchange.place(ALICE, order(SELL, COIN, 100_00, POST_ONLY))
    uncross(exchange)
    assert reasons(exchange) == [(COIN, CancelReason.REFUSED_ON_ARRIVAL, False)]
    crossing = exchange.orders(CAROL, order(SELL, COIN, 99_00, POST_ONLY))
    exchange.refused(crossing, PostOnlyWouldCross)
    exchange.place(CAROL, order(SELL, COIN, 99_00, SLIDE))
    uncross(exchange)
    assert exchange.book() == ([(100_00, COIN)], [(100_01, COIN)])


def test_of_a_deep_book_only_so_much_is_looked_at_and_nobody_is_passed_over() -> None:
    exchange = exchange_of(orders_per_auction=2)
    for price in (100_00, 101_00, 102_00):
        rest(exchange, ALICE, order(SELL, COIN, price))
    exchange.place(CAROL, order(BUY, 3 * COIN, 110_00))
    assert uncross(exchange) == (101_00, 2 * COIN)
    # What is left of it would cross what was not looked at.
    assert reasons(exchange) == [(COIN, CancelReason.FILL_LIMIT, False)]
    assert exchange.book() == ([], [(102_00, COIN)])


def test_an_order_past_its_time_is_dropped_when_it_is_met(exchange: Exchange) -> None:
    state = exchange.state
    dying = msgspec.structs.replace(order(SELL, COIN, 100_00), good_till=state.time + 15)
    rest(exchange, ALICE, dying)
    exchange.wait(10)
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert uncross(exchange) == (0, 0)
    assert reasons(exchange) == [(COIN, CancelReason.EXPIRED, True)]


def test_a_dead_order_is_in_nobodys_way(exchange: Exchange) -> None:
    dead = msgspec.structs.replace(order(SELL, COIN, 100_00), good_till=exchange.state.time + 15)
    rest(exchange, ALICE, dead)
    exchange.wait(10)
    exchange.place(BOB, order(BUY, COIN, 100_00, POST_ONLY))
    assert uncross(exchange) == (0, 0)
    assert reasons(exchange) == [(COIN, CancelReason.EXPIRED, True)]
    assert exchange.book() == ([(100_00, COIN)], [])


def test_a_dead_order_never_trades_however_many_lie_before_it() -> None:
    exchange = exchange_of(orders_per_auction=2)
    over = exchange.state.time + 25
    for price in (100_00, 100_01, 100_02):
        rest(exchange, ALICE, order(SELL, COIN, price, good_till=over))
    exchange.place(CAROL, order(BUY, COIN, 110_00))
    assert uncross(exchange) == (0, 0)
    assert [reason for _, reason, _ in reasons(exchange)] == [CancelReason.EXPIRED] * 3
    assert exchange.book() == ([(110_00, COIN)], [])


# --- who cannot -----------------------------------------------------------------------------------


def test_who_cannot_bear_his_share_is_dropped_and_the_price_is_made_without_him() -> None:
    """Mallory's bid was sound when it came to rest; now it stands far above the mark."""
    exchange = exchange_of()
    exchange.fund(MALLORY, 21)
    rest(exchange, MALLORY, order(BUY, 2 * COIN, 100_00))
    exchange.mark(90_00)
    exchange.place(BOB, order(SELL, 2 * COIN, 99_00))
    exchange.place(CAROL, order(BUY, COIN, 99_00))
    # With her bid it would be 99.01 for two coins, at a loss of 18 and a margin of 18.
    assert uncross(exchange) == (99_00, COIN)
    assert (2 * COIN, CancelReason.MARGIN, True) in reasons(exchange)
    assert exchange.position(CAROL).size == COIN
    assert exchange.position(MALLORY).size == 0


def test_reduce_only_orders_together_close_no_more_than_there_is(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    uncross(exchange)
    exchange.place(BOB, order(SELL, COIN, 99_00, reduce_only=True))
    exchange.place(BOB, order(SELL, COIN, 98_00, IOC, reduce_only=True))
    exchange.place(CAROL, order(BUY, 2 * COIN, 100_00))
    assert uncross(exchange)[1] == COIN
    assert exchange.position(BOB).size == 0
    assert exchange.position(CAROL).size == COIN
    # The other has nothing left to reduce.
    assert reasons(exchange)[0][1] is CancelReason.REDUCE_ONLY
    assert exchange.account(BOB).orders == {}


def test_of_a_group_one_order_trades_and_the_other_goes(exchange: Exchange) -> None:
    grouped = [
        msgspec.structs.replace(order(SELL, COIN, price), group=3) for price in (99_00, 98_00)
    ]
    exchange.place(ALICE, *grouped)
    exchange.place(BOB, order(BUY, 2 * COIN, 100_00))
    assert uncross(exchange)[1] == COIN
    assert reasons(exchange) == [(COIN, CancelReason.ONE_CANCELS_OTHER, False)]
    assert exchange.position(ALICE).size == -COIN


@pytest.mark.parametrize("sides", [(SELL, SELL), (BUY, SELL), (SELL, BUY)])
def test_of_a_group_the_older_trades_and_not_the_one_with_the_better_price(
    exchange: Exchange, sides: tuple[Side, Side]
) -> None:
    """Or the one on the side that is looked at first."""
    prices = {SELL: (103_00, 102_00), BUY: (98_00, 99_00)}
    for place, side in enumerate(sides):
        rest(exchange, ALICE, order(side, COIN, prices[side][place], group=3))
    older, younger = exchange.account(ALICE).orders
    more, less = (BUY, SELL) if sides[0] is SELL else (SELL, BUY)
    for person, side, coins in ((BOB, more, 2), (CAROL, less, 1)):
        exchange.place(person, order(side, coins * COIN, 103_00 if side is BUY else 98_00))
    assert uncross(exchange) == (prices[sides[0]][0], 2 * COIN)
    assert older in {fill.maker_order for fill in exchange.told(Filled)}
    assert reasons(exchange) == [(COIN, CancelReason.ONE_CANCELS_OTHER, True)]
    assert younger not in exchange.account(ALICE).orders


def test_the_younger_of_a_group_trades_where_the_older_has_nothing_left_to_reduce(
    exchange: Exchange,
) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    uncross(exchange)
    closing = rest(exchange, BOB, order(SELL, COIN, 101_00, reduce_only=True))
    rest(exchange, BOB, order(SELL, COIN, 102_00, reduce_only=True, group=3))
    younger = rest(exchange, BOB, order(SELL, COIN, 103_00, group=3))
    exchange.place(CAROL, order(BUY, 2 * COIN, 103_00))
    assert uncross(exchange) == (103_00, 2 * COIN)
    assert [fill.maker_order for fill in exchange.told(Filled)] == [closing, younger]
    assert reasons(exchange) == [(COIN, CancelReason.REDUCE_ONLY, True)]
    assert exchange.position(BOB).size == -COIN


def test_the_younger_of_a_group_takes_nothing_from_the_room_of_the_older(
    exchange: Exchange,
) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    uncross(exchange)
    older = rest(exchange, BOB, order(SELL, COIN, 102_00, reduce_only=True, group=3))
    rest(exchange, BOB, order(SELL, COIN, 101_00, reduce_only=True, group=3))
    exchange.place(CAROL, order(BUY, COIN, 102_00))
    assert uncross(exchange) == (102_00, COIN)
    assert [fill.maker_order for fill in exchange.told(Filled)] == [older]


# --- beside auctions ------------------------------------------------------------------------------


def test_a_liquidation_does_not_wait_for_the_auction(exchange: Exchange) -> None:
    exchange.fund(MALLORY, 12)
    exchange.place(MALLORY, order(BUY, COIN, 100_00))
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    uncross(exchange)
    rest(exchange, BOB, order(BUY, COIN, 93_00))
    exchange.mark(93_00)
    exchange.place(MALLORY, order(SELL, COIN, 95_00, reduce_only=True))
    exchange.do(exchange.liquidate(MALLORY))
    assert {price for price, _ in exchange.fills()} == {93_00}
    assert exchange.state.closing() == ()
    invariants.check(exchange.state)
