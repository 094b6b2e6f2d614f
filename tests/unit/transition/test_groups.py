"""One cancels the other: of a pair only one is ever filled, triggered or cancelled by itself."""

import pytest

from node.types.commands import CancelOrder, OrderType, SelfTrade
from node.types.errors import FillOrKillUnfilled, GroupFull
from node.types.events import CancelReason
from tests.examples import ALICE, BOB, CAROL, DAVE
from tests.unit.transition.exchange import (
    BUY,
    COIN,
    ETH,
    SELL,
    Exchange,
    amendment,
    order,
    stop,
)

OTHER = CancelReason.ONE_CANCELS_OTHER


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange of four people with ten thousand dollars each."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL, DAVE):
        exchange.fund(person, 10_000)
    return exchange


def test_a_group_has_two_orders_at_most(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 99_00, group=1), order(SELL, COIN, 101_00, group=1))
    for third in (order(BUY, COIN, 98_00, group=1), stop(BUY, COIN, 106_00, at=105_00, group=1)):
        assert exchange.refused(exchange.orders(ALICE, third), GroupFull) == {"group": 1}
    # Another's, and another number, are other groups.
    exchange.place(ALICE, order(BUY, COIN, 98_00, group=2))
    exchange.place(BOB, order(BUY, COIN, 98_00, group=1))


def test_a_fill_of_any_part_cancels_the_other(exchange: Exchange) -> None:
    target = exchange.place(ALICE, order(SELL, 3 * COIN, 101_00, group=1))
    loss = exchange.wait_for(ALICE, stop(SELL, 3 * COIN, 94_00, at=95_00, group=1))
    exchange.place(BOB, order(BUY, COIN, 101_00))
    assert exchange.gone() == [(loss, OTHER, False)]
    # What is left of the one stays, alone; the next may join it.
    assert list(exchange.account(ALICE).orders) == [target]
    exchange.place(ALICE, order(BUY, COIN, 90_00, group=1))
    exchange.place(BOB, order(BUY, 2 * COIN, 101_00))
    assert exchange.account(ALICE).groups == {}


def test_of_a_pair_in_one_action_the_leg_that_waits_is_to_come_first(exchange: Exchange) -> None:
    """The orders of an action enter one after the other, and only open ones are a pair."""
    exchange.trade(ALICE, BOB, 2 * COIN, 100_00)
    loss = stop(SELL, COIN, 90_00, at=95_00, reduce_only=True, group=1)
    profit = order(SELL, COIN, 101_00, group=1)
    for legs, waiting in (((loss, profit), 0), ((profit, loss), 1)):
        exchange.place(BOB, order(BUY, COIN, 101_00))
        exchange.do(exchange.orders(ALICE, *legs))
        assert exchange.fills() == [(101_00, COIN)]
        assert len(exchange.account(ALICE).waiting) == waiting


def test_a_cancel_of_the_one_cancels_the_other_in_any_market(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, group=1))
    second = exchange.place(ALICE, order(BUY, COIN, 99_00, group=1, market=ETH))
    exchange.do(exchange.cancel_all(ALICE, market=ETH))
    assert exchange.gone() == [(second, CancelReason.BY_ACCOUNT, True), (first, OTHER, True)]
    assert exchange.account(ALICE).reserved == 0


def test_cancelling_both_cancels_each_once(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, group=1))
    second = exchange.place(ALICE, order(BUY, COIN, 98_00, group=1))
    cancels = (CancelOrder(first), CancelOrder(second))
    exchange.do(exchange.orders(ALICE, cancels=cancels))
    # The second had gone with the first: its item finds nothing.
    assert exchange.gone() == [(first, CancelReason.BY_ACCOUNT, True), (second, OTHER, True)]
    exchange.place(ALICE, order(BUY, COIN, 99_00, group=1), order(BUY, COIN, 98_00, group=1))
    exchange.do(exchange.cancel_all(ALICE))
    assert {reason for _, reason, _ in exchange.gone()} == {CancelReason.BY_ACCOUNT}


def test_a_trigger_cancels_the_other_and_has_its_money(exchange: Exchange) -> None:
    """All of Alice's money is behind the bid; the stop could not arrive beside it."""
    bid = exchange.place(ALICE, order(BUY, 500 * COIN, 91_00, group=1))
    free = exchange.account(ALICE).free
    waiting = exchange.wait_for(ALICE, stop(BUY, 90 * COIN, 104_00, at=105_00, group=1))
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.gone() == [(bid, OTHER, True)]
    assert exchange.account(ALICE).reserved > free


def test_an_order_that_expires_cancels_the_other(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    dead = exchange.place(ALICE, order(SELL, COIN, 101_00, good_till=end, group=1))
    other = exchange.place(ALICE, order(SELL, COIN, 102_00, group=1))
    exchange.wait(50)
    exchange.place(BOB, order(BUY, COIN, 101_00))
    assert exchange.gone() == [(dead, CancelReason.EXPIRED, True), (other, OTHER, True)]
    assert exchange.fills() == []


def test_one_crossing_never_fills_both(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 101_00, group=1))
    second = exchange.place(ALICE, order(SELL, COIN, 102_00, group=1))
    exchange.place(CAROL, order(SELL, COIN, 103_00))
    exchange.place(BOB, order(BUY, 3 * COIN, 103_00))
    assert exchange.fills() == [(101_00, COIN), (103_00, COIN)]
    assert exchange.gone() == [(second, OTHER, True)]
    assert exchange.book() == ([(103_00, COIN)], [])


def test_an_amend_leaves_the_other_alone(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, 2 * COIN, 99_00, group=1))
    second = exchange.place(ALICE, order(BUY, COIN, 98_00, group=1))
    exchange.amend(ALICE, amendment(first, 99_00, COIN))
    exchange.amend(ALICE, amendment(first, 97_00, 3 * COIN))
    assert exchange.gone() == []
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, 3 * COIN))
    assert exchange.fills() == [(101_00, COIN)]
    assert exchange.gone() == [(second, OTHER, True)]


def test_an_arriving_order_that_trades_cancels_the_other_afterwards(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 98_00, group=1))
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.place(ALICE, order(BUY, 2 * COIN, 101_00, group=1))
    assert exchange.fills() == [(101_00, COIN)]
    assert exchange.gone() == [(first, OTHER, True)]
    assert exchange.book()[0] == [(101_00, COIN)]


def test_an_arriving_order_that_only_rests_joins_the_other(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 98_00, group=1))
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.place(ALICE, order(BUY, COIN, 99_00, group=1))
    assert exchange.gone() == []
    assert len(exchange.account(ALICE).groups[1]) == 2


def test_an_arriving_order_that_is_dropped_cancels_the_other(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 98_00, group=1))
    own = exchange.place(ALICE, order(SELL, COIN, 101_00))
    out = order(BUY, COIN, 101_00, group=1, self_trade=SelfTrade.CANCEL_TAKER)
    taker = exchange.place(ALICE, out)
    assert exchange.gone() == [(taker, CancelReason.SELF_TRADE, False), (first, OTHER, True)]
    assert list(exchange.account(ALICE).orders) == [own]


def test_one_that_meets_its_other_as_maker_goes_with_it(exchange: Exchange) -> None:
    other = exchange.place(ALICE, order(SELL, COIN, 101_00, group=1))
    exchange.place(BOB, order(SELL, COIN, 102_00))
    taker = exchange.place(ALICE, order(BUY, 3 * COIN, 102_00, group=1))
    assert exchange.fills() == [(102_00, COIN)]
    assert exchange.gone() == [(other, CancelReason.SELF_TRADE, True), (taker, OTHER, False)]
    assert exchange.account(ALICE).groups == {}


def test_the_other_of_a_maker_without_margin_goes_too(exchange: Exchange) -> None:
    exchange.fund(DAVE, 100_000)
    first = exchange.place(CAROL, order(SELL, 90 * COIN, 110_00, group=1))
    other = exchange.place(CAROL, order(BUY, COIN, 90_00, group=1))
    exchange.place(CAROL, order(BUY, 100 * COIN, 85_00))
    exchange.mark(250_00)
    exchange.mark(240_00)
    exchange.fund(BOB, 100_000)
    exchange.place(BOB, order(BUY, 90 * COIN, 200_00))
    gone = exchange.gone()
    assert (first, CancelReason.MARGIN, True) in gone
    assert (other, OTHER, True) in gone


def test_a_fill_or_kill_order_sees_that_a_pair_fills_once(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 101_00, group=1))
    exchange.place(ALICE, order(SELL, COIN, 102_00, group=1))
    exchange.place(CAROL, order(SELL, COIN, 103_00))
    kind = OrderType.FOK
    three = exchange.orders(BOB, order(BUY, 3 * COIN, 103_00, kind))
    exchange.refused(three, FillOrKillUnfilled)
    exchange.place(BOB, order(BUY, 2 * COIN, 103_00, kind))
    assert exchange.fills() == [(101_00, COIN), (103_00, COIN)]


def test_reducers_that_go_with_a_position_take_their_others_along(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    target = exchange.place(BOB, order(SELL, COIN, 105_00, reduce_only=True, group=1))
    loss = exchange.wait_for(BOB, stop(SELL, COIN, 90_00, at=95_00, reduce_only=True, group=1))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00))
    assert exchange.gone() == [
        (target, CancelReason.REDUCE_ONLY, True),
        (loss, OTHER, False),
    ]


def test_a_liquidation_cancels_the_others_elsewhere(exchange: Exchange) -> None:
    exchange.fund(ALICE, 100_000)
    exchange.trade(BOB, ALICE, 90 * COIN, 100_00)
    here = exchange.place(BOB, order(SELL, COIN, 110_00, group=1))
    there = exchange.place(BOB, order(BUY, COIN, 90_00, group=1, market=ETH))
    exchange.place(CAROL, order(BUY, 90 * COIN, 93_00))
    exchange.mark(94_00, 100_00)
    exchange.do(exchange.liquidate(BOB))
    assert exchange.gone() == [(here, CancelReason.LIQUIDATION, True), (there, OTHER, True)]
