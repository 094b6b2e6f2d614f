"""An open order changes in place, or arrives anew; every refusal leaves it as it was."""

import pytest

from node.transition.state import State
from node.types.commands import AmendOrder, OrderType, SelfTrade
from node.types.errors import (
    AmendInvalid,
    EveryItemRejected,
    InsufficientCollateral,
    MarkStale,
    NotionalTooSmall,
    OrderExpired,
    PlimsollError,
    PositionTooLarge,
    PostOnlyWouldCross,
    PriceOutsideBand,
    SizeInvalid,
    UnknownOrder,
)
from node.types.events import CancelReason, OrderAmended, OrderRested
from node.types.ids import ClientOrderId, OrderId
from node.types.units import Lots, Ticks
from tests.examples import ALICE, BOB, CAROL, DOLLAR
from tests.unit.transition.exchange import (
    BTC,
    BUY,
    COIN,
    ETH,
    SELL,
    Exchange,
    amendment,
    order,
    stop,
)

POST_ONLY = OrderType.POST_ONLY


def reserve(price: int, coins: int) -> int:
    """Return what buying ``coins`` at ``price`` ticks reserves: a tenth and the dearer fee."""
    return price * coins * COIN // 10 + price * coins * COIN * 5 // 10_000


# --- the place is kept ----------------------------------------------------------------------------


def test_an_order_that_only_loses_size_keeps_its_place(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(SELL, 4 * COIN, 101_00))
    exchange.place(CAROL, order(SELL, COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, COIN))
    (event,) = exchange.told(OrderAmended)
    assert (event.price_before, event.remaining_before) == (101_00, 4 * COIN)
    assert (event.price, event.remaining, event.resting) == (101_00, COIN, True)
    account = exchange.account(ALICE)
    assert account.reserved == reserve(101_00, 1)
    assert account.free + account.reserved == 1_000 * DOLLAR
    exchange.place(BOB, order(BUY, COIN, 101_00))
    assert first not in account.orders


def test_what_is_filled_counts_towards_the_size(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(SELL, 5 * COIN, 101_00))
    exchange.place(BOB, order(BUY, 2 * COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, 3 * COIN))
    assert exchange.book()[1] == [(101_00, COIN)]
    resting = exchange.account(ALICE).orders[first]
    assert (resting.size, resting.remaining) == (3 * COIN, COIN)


@pytest.mark.parametrize("size", [0, COIN, 2 * COIN])
def test_a_size_that_is_filled_already_cancels(exchange: Exchange, size: int) -> None:
    first = exchange.place(ALICE, order(SELL, 5 * COIN, 101_00))
    exchange.place(BOB, order(BUY, 2 * COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, size))
    assert exchange.gone() == [(first, CancelReason.AMENDED, True)]
    assert exchange.account(ALICE).reserved == 0


def test_losing_size_needs_no_fresh_mark(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, 4 * COIN, 99_00))
    exchange.wait(61_000)
    exchange.amend(ALICE, amendment(first, 99_00, COIN))
    assert exchange.book()[0] == [(99_00, COIN)]
    assert exchange.account(ALICE).reserved <= reserve(99_00, 4)
    larger = exchange.orders(ALICE, amends=(amendment(first, 99_00, 2 * COIN),))
    exchange.refused(larger, MarkStale)


def test_what_stays_must_be_worth_its_minimum(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    dust = exchange.orders(ALICE, amends=(amendment(first, 99_00, 101),))
    assert exchange.refused(dust, NotionalTooSmall) == {"notional": 999_900, "minimum": DOLLAR}


# --- the place is lost ----------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "coins"), [(101_00, 2), (101_50, 1), (100_50, 1)])
def test_any_other_change_costs_the_place(exchange: Exchange, price: int, coins: int) -> None:
    first = exchange.place(ALICE, order(SELL, COIN, 101_00, client_id=5))
    other = exchange.place(CAROL, order(SELL, COIN, price))
    exchange.amend(ALICE, amendment(first, price, coins * COIN))
    (event,) = exchange.told(OrderAmended)
    assert (event.resting, event.price_before, event.remaining_before) == (False, 101_00, COIN)
    assert [event.order_id for event in exchange.told(OrderRested)] == [first]
    queue = [resting.order_id for resting in exchange.market.book.orders(SELL)]
    assert queue == [other, first]
    assert exchange.account(ALICE).reserved == reserve(price, coins)
    assert exchange.account(ALICE).clients[ClientOrderId(5)].order_id == first


def test_its_own_reserve_counts_as_free(exchange: Exchange) -> None:
    """A thousand dollars bear 99 coins at a hundred, fee included, and not a hundred."""
    first = exchange.place(ALICE, order(BUY, 90 * COIN, 100_00))
    exchange.amend(ALICE, amendment(first, 100_00, 99 * COIN))
    assert exchange.account(ALICE).reserved == reserve(100_00, 99)
    more = exchange.orders(ALICE, amends=(amendment(first, 100_00, 100 * COIN),))
    values = exchange.refused(more, InsufficientCollateral)
    assert (values["required"], values["free"]) == (reserve(100_00, 100), 1_000 * DOLLAR)


def test_its_own_lots_are_there_to_close_again(exchange: Exchange) -> None:
    """Closing needs no reserve, and moving the order that closes needs none either."""
    exchange.trade(BOB, ALICE, 2 * COIN, 100_00)
    first = exchange.place(BOB, order(SELL, 2 * COIN, 105_00))
    assert exchange.account(BOB).reserved == 0
    exchange.amend(BOB, amendment(first, 104_00, 2 * COIN))
    assert exchange.account(BOB).reserved == 0


def test_an_amended_order_crosses_what_it_reaches_and_rests(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, 3 * COIN, 99_00))
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, 3 * COIN))
    assert exchange.fills() == [(101_00, COIN)]
    assert exchange.book() == ([(101_00, 2 * COIN)], [])
    resting = exchange.account(ALICE).orders[first]
    assert (resting.size, resting.remaining) == (3 * COIN, 2 * COIN)
    exchange.amend(ALICE, amendment(first, 101_00, 2 * COIN))
    assert exchange.account(ALICE).orders[first].remaining == COIN


def test_it_meets_its_own_account_as_its_owner_signed(exchange: Exchange) -> None:
    mode = SelfTrade.CANCEL_TAKER
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, self_trade=mode))
    other = exchange.place(ALICE, order(SELL, COIN, 101_00))
    exchange.amend(ALICE, amendment(first, 101_00, COIN))
    assert exchange.gone() == [(first, CancelReason.SELF_TRADE, False)]
    assert list(exchange.account(ALICE).orders) == [other]


def test_a_place_costs_a_rank_and_no_id(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.amend(ALICE, amendment(first, 98_00, COIN))
    exchange.state.drain_changes()
    rank = exchange.account(ALICE).orders[first].rank
    assert rank > first
    assert exchange.place(ALICE, order(BUY, COIN, 97_00)) > rank


def test_a_reduce_only_order_is_clipped_again(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, 2 * COIN, 100_00)
    first = exchange.place(BOB, order(SELL, COIN, 105_00, reduce_only=True))
    exchange.wait(61_000)
    exchange.amend(BOB, amendment(first, 104_00, 9 * COIN))
    assert exchange.book()[1] == [(104_00, 2 * COIN)]
    assert exchange.account(BOB).orders[first].size == 2 * COIN


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "size", "error"),
    [
        (99_00, COIN, AmendInvalid),
        (130_00, COIN, PriceOutsideBand),
        (0, COIN, PriceOutsideBand),
        (98_00, 101, NotionalTooSmall),
        (98_00, 1_000 * COIN + 1, SizeInvalid),
        (98_00, 900 * COIN, InsufficientCollateral),
        (101_00, COIN, PostOnlyWouldCross),
    ],
)
def test_what_may_not_arrive_is_not_amended(
    exchange: Exchange, price: int, size: int, error: type[PlimsollError]
) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, POST_ONLY))
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.refused(exchange.orders(ALICE, amends=(amendment(first, price, size),)), error)


def test_a_position_cannot_be_amended_past_the_largest(exchange: Exchange) -> None:
    for person in (ALICE, BOB):
        exchange.fund(person, 100_000)
    exchange.trade(BOB, ALICE, 500 * COIN, 100_00)
    first = exchange.place(BOB, order(BUY, COIN, 99_00))
    larger = exchange.orders(BOB, amends=(amendment(first, 98_00, 600 * COIN),))
    exchange.refused(larger, PositionTooLarge)


def test_only_ones_own_open_orders_of_that_market_are_amended(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    change = amendment(first, 98_00, COIN)
    exchange.refused(exchange.orders(BOB, amends=(change,)), UnknownOrder)
    elsewhere = amendment(first, 98_00, COIN, ETH)
    exchange.refused(exchange.orders(ALICE, amends=(elsewhere,)), AmendInvalid)
    nobody = AmendOrder(BTC, Ticks(98_00), Lots(COIN), OrderId(0), ClientOrderId(9))
    exchange.refused(exchange.orders(ALICE, amends=(nobody,)), UnknownOrder)
    values = exchange.refused(exchange.orders(ALICE, amends=(nobody, elsewhere)), EveryItemRejected)
    assert [one["code"] for one in values["errors"]] == [UnknownOrder.code, AmendInvalid.code]


def test_a_dead_order_can_only_be_cancelled(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    first = exchange.place(ALICE, order(BUY, 2 * COIN, 99_00, good_till=end))
    exchange.wait(50)
    smaller = exchange.orders(ALICE, amends=(amendment(first, 99_00, COIN),))
    exchange.refused(smaller, OrderExpired)
    revived = exchange.orders(ALICE, amends=(amendment(first, 99_00, COIN, good_till=end + 99),))
    assert exchange.refused(revived, OrderExpired) == {"good_till": end, "now": end}


# --- orders that wait -----------------------------------------------------------------------------


def test_a_waiting_order_changes_price_and_size(exchange: Exchange) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    exchange.amend(ALICE, amendment(first, 107_00, 2 * COIN))
    (event,) = exchange.told(OrderAmended)
    assert (event.price_before, event.remaining_before, event.resting) == (0, 0, True)
    waiting = exchange.account(ALICE).waiting[first]
    assert (waiting.price, waiting.size, waiting.trigger_price) == (107_00, 2 * COIN, 105_00)
    exchange.amend(ALICE, amendment(first, 107_00, 0))
    assert exchange.gone() == [(first, CancelReason.AMENDED, False)]


@pytest.mark.parametrize(
    ("price", "size", "error"),
    [
        (106_00, COIN, AmendInvalid),
        (106_00, 1, NotionalTooSmall),
        (0, COIN, NotionalTooSmall),
        (106_00, 1_000 * COIN + 1, SizeInvalid),
    ],
)
def test_a_waiting_order_keeps_the_rules_of_its_entry(
    exchange: Exchange, price: int, size: int, error: type[PlimsollError]
) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    exchange.refused(exchange.orders(ALICE, amends=(amendment(first, price, size),)), error)


# --- in bulk --------------------------------------------------------------------------------------


def test_amends_stand_between_cancels_and_orders(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, 98 * COIN, 100_00))
    exchange.do(
        exchange.orders(
            ALICE, order(BUY, 90 * COIN, 100_00), amends=(amendment(first, 100_00, COIN),)
        )
    )
    assert exchange.book()[0] == [(100_00, 91 * COIN)]


def test_leaves_follow_an_order_that_moves(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    leaves = dict(exchange.state.leaves())
    exchange.state.drain_changes()
    exchange.amend(ALICE, amendment(first, 98_00, COIN))
    for key, value in exchange.state.drain_changes().items():
        if value is None:
            leaves.pop(key, None)
        else:
            leaves[key] = value
    assert leaves == dict(exchange.state.leaves())
    state = exchange.state
    back = State.from_leaves(state.rules, state.domain, leaves.items())
    assert back.accounts[ALICE.address].orders[first].rank > first
