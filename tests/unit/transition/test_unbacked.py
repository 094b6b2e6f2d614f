"""Orders with too little behind them: who meets one is not held up by the others."""

import pytest

from node.types.commands import OrderType
from node.types.events import CancelReason, OrderCancelled
from tests.examples import ALICE, BOB, CAROL, DAVE, DOLLAR, MALLORY
from tests.unit.transition.auctions import exchange_of, rest, uncross
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, amendment, order

IOC, MARKET = OrderType.IOC, OrderType.MARKET


@pytest.mark.parametrize("kept", [0, 1], ids=["nothing is left", "a lot is left"])
@pytest.mark.parametrize("opens", [0, 1], ids=["reserves nothing", "reserves a lot"])
def test_orders_for_a_position_that_is_gone_hold_up_nobody(kept: int, opens: int) -> None:
    """Mallory's hundred and fifty sells were to close what she held, and reserve (next to) nothing.

    One that opens a lot, and is amended to close all that it sells, keeps that lot's reserve.
    """
    exchange, unit, count = Exchange(), 150, 150
    for person in (ALICE, BOB, MALLORY):
        exchange.fund(person, 10_000)
    exchange.trade(MALLORY, ALICE, count * unit, 100_00)
    for place in range(count):
        left = count * unit - place * unit
        wall = exchange.place(MALLORY, order(SELL, left + 1 if opens else unit, 100_01))
        if opens and left > unit:
            exchange.do(exchange.orders(MALLORY, amends=(amendment(wall, 100_01, unit),)))
    exchange.place(ALICE, order(BUY, count * unit - kept, 100_00))
    exchange.place(MALLORY, order(SELL, count * unit - kept, 100_00, IOC, reduce_only=True))
    exchange.do(exchange.withdraw(MALLORY, exchange.account(MALLORY).free))
    assert len(exchange.account(MALLORY).orders) == count
    exchange.place(ALICE, order(SELL, COIN, 100_02))
    exchange.place(BOB, order(BUY, COIN, 100_02, IOC))
    assert exchange.fills() == [(100_02, COIN)]
    assert not exchange.account(MALLORY).orders


def test_an_order_that_is_backed_stays_where_another_lacks_margin() -> None:
    """Of three buys one is to close what Bob is short of no more, one still is, one is paid for."""
    exchange = Exchange()
    for person in (ALICE, CAROL):
        exchange.fund(person, 10_000)
    exchange.fund(BOB, 301)
    exchange.trade(ALICE, BOB, 20 * COIN, 100_00)
    exchange.place(BOB, *[order(BUY, 10 * COIN, price) for price in (99_00, 98_00, 97_00)])
    assert [one.reserve for one in exchange.account(BOB).orders.values()][:2] == [0, 0]
    exchange.place(ALICE, order(SELL, 15 * COIN, 100_00))
    exchange.place(BOB, order(BUY, 15 * COIN, 100_00, IOC, reduce_only=True))
    exchange.do(exchange.withdraw(BOB, exchange.account(BOB).free))
    exchange.mark(90_00)
    exchange.place(CAROL, order(SELL, 10 * COIN, 99_00, IOC))
    dropped = [(one.price, one.reason) for one in exchange.told(OrderCancelled)]
    assert dropped[:-1] == [(99_00, CancelReason.MARGIN), (98_00, CancelReason.MARGIN)]
    assert exchange.book()[0] == [(97_00, 10 * COIN)]


def test_an_order_that_is_backed_takes_none_along_when_the_mark_has_left_it() -> None:
    """Bob's first buy was to close what he is short of no more; the one that is met is paid for."""
    exchange = Exchange()
    for person in (ALICE, CAROL):
        exchange.fund(person, 10_000)
    exchange.fund(BOB, 301)
    exchange.trade(ALICE, BOB, 10 * COIN, 100_00)
    exchange.place(BOB, *[order(BUY, 10 * COIN, price) for price in (98_00, 99_00)])
    exchange.place(ALICE, order(SELL, 10 * COIN, 100_00))
    exchange.place(BOB, order(BUY, 10 * COIN, 100_00, IOC, reduce_only=True))
    exchange.do(exchange.withdraw(BOB, exchange.account(BOB).free))
    exchange.mark(90_00)
    exchange.place(CAROL, order(SELL, 10 * COIN, 99_00, IOC))
    dropped = [(one.price, one.reason) for one in exchange.told(OrderCancelled)]
    assert dropped[:-1] == [(99_00, CancelReason.MARGIN)]
    assert exchange.book()[0] == [(98_00, 10 * COIN)]


def test_a_reduce_only_order_that_lacks_margin_takes_none_along() -> None:
    """Ten more than the position has say nothing of what stands behind Bob's buy at 109."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.trade(ALICE, BOB, 10 * COIN, 100_00)
    exchange.do(exchange.adjust(BOB, 100 * DOLLAR))
    for coins in (5, 10):
        exchange.place(BOB, order(BUY, coins * COIN, 110_00, reduce_only=True))
    exchange.place(BOB, order(BUY, 10 * COIN, 109_00))
    exchange.place(CAROL, order(SELL, 5 * COIN, 110_00, IOC))
    assert exchange.position(BOB).size == -5 * COIN
    exchange.do(exchange.adjust(BOB, 50 * DOLLAR - exchange.position(BOB).margin))
    exchange.do(exchange.withdraw(BOB, exchange.account(BOB).free))
    exchange.place(CAROL, order(SELL, 5 * COIN, 110_00, IOC))
    dropped = [(one.price, one.reason) for one in exchange.told(OrderCancelled)]
    assert dropped[:-1] == [(110_00, CancelReason.MARGIN)]
    assert exchange.book()[0] == [(109_00, 10 * COIN)]


def test_what_goes_along_leaves_the_lots_to_close_to_what_stays() -> None:
    """One coin is left to close: too little for two, enough for the next, none for the last."""
    exchange = Exchange()
    for person, dollars in ((MALLORY, 100), (BOB, 10_000), (ALICE, 1_000)):
        exchange.fund(person, dollars)
    exchange.trade(MALLORY, BOB, 7 * COIN, 100_00)
    for coins, price in ((3, 101_00), (2, 102_00), (1, 103_00), (1, 104_00)):
        exchange.place(MALLORY, order(SELL, coins * COIN, price))
    exchange.place(BOB, order(BUY, 6 * COIN, 100_00))
    exchange.place(MALLORY, order(SELL, 6 * COIN, 100_00, MARKET, reduce_only=True))
    exchange.do(exchange.withdraw(MALLORY, exchange.account(MALLORY).free))
    exchange.place(ALICE, order(BUY, 3 * COIN, 101_00))
    assert [one.price for one in exchange.account(MALLORY).orders.values()] == [103_00]


def test_what_is_gathered_for_an_auction_does_not_go_along_with_what_rests() -> None:
    """Dave's buys at 89 and 84 were to close the short that Carol's bankruptcy takes from him."""
    exchange = exchange_of()
    for buyer, seller, coins, price in ((CAROL, DAVE, 6, 100_00), (BOB, ALICE, 10, 93_00)):
        exchange.mark(price)
        exchange.place(seller, order(SELL, coins * COIN, price))
        exchange.place(buyer, order(BUY, coins * COIN, price))
        assert uncross(exchange) == (price, coins * COIN)
    rest(exchange, DAVE, order(BUY, 4 * COIN, 89_00))
    rest(exchange, ALICE, order(BUY, 10 * COIN, 84_00))
    exchange.mark(85_00)
    gathered = exchange.place(DAVE, order(BUY, 2 * COIN, 84_00))
    assert exchange.account(DAVE).reserved == 0
    exchange.do(exchange.liquidate(CAROL))
    assert exchange.position(DAVE).size == 0
    exchange.do(exchange.withdraw(DAVE, exchange.account(DAVE).free))
    exchange.do(exchange.liquidate(BOB))
    assert exchange.gone()[0][1:] == (CancelReason.MARGIN, True)
    assert list(exchange.account(DAVE).orders) == [gathered]


def test_a_fill_or_kill_is_filled_whole_though_orders_that_it_did_not_see_go_along() -> None:
    """What the one at 110 holds back would let Mallory bear a fill that the rehearsal had not."""
    exchange, size = Exchange(), 20_002
    for person, dollars in ((MALLORY, 100), (BOB, 10_000), (CAROL, 10_000), (ALICE, 1_000)):
        exchange.fund(person, dollars)
    exchange.trade(MALLORY, BOB, 2 * COIN, 100_00)
    for lots, price in ((COIN, 101_00), (COIN + COIN // 2, 110_00), (10_001, 101_00)):
        exchange.place(MALLORY, order(SELL, lots, price))
    exchange.place(CAROL, order(SELL, 3 * COIN, 101_00))
    exchange.place(BOB, order(BUY, 2 * COIN, 100_00))
    exchange.place(MALLORY, order(SELL, 2 * COIN, 100_00, MARKET, reduce_only=True))
    exchange.do(exchange.withdraw(MALLORY, exchange.account(MALLORY).free))
    needed = size * 10_10 + -(-size * 101_00 * 500 // 1_000_000)
    exchange.do(exchange.withdraw(ALICE, exchange.account(ALICE).free - needed))
    exchange.mark(102_00)
    exchange.place(ALICE, order(BUY, size, 101_00, OrderType.FOK))
    assert sum(filled for _, filled in exchange.fills()) == size
