"""An open order gets another end, or another price to wait for."""

from collections.abc import Callable

import msgspec
import pytest

from node.transition.state import State
from node.types.commands import NewOrder, OrderType, Side
from node.types.errors import (
    AmendInvalid,
    MarkStale,
    NothingExpired,
    NotionalTooSmall,
    NotTriggered,
    OrderExpired,
    TriggerInvalid,
)
from node.types.events import CancelReason, OrderAmended
from tests.examples import ALICE, BOB, CAROL
from tests.unit.transition.exchange import (
    BUY,
    COIN,
    SELL,
    Exchange,
    amendment,
    order,
    stop,
    target,
)

# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [4, 1])
def test_an_order_with_a_new_end_keeps_its_place(exchange: Exchange, size: int) -> None:
    first = exchange.place(ALICE, order(SELL, 4 * COIN, 101_00, client_id=5, group=3))
    exchange.place(CAROL, order(SELL, COIN, 101_00))
    # Losing size and a later end: none of them needs a fresh mark.
    exchange.wait(61_000)
    end = exchange.state.time + 50
    exchange.amend(ALICE, amendment(first, 101_00, size * COIN, good_till=end))
    (event,) = exchange.told(OrderAmended)
    assert (event.price_before, event.remaining_before) == (101_00, 4 * COIN)
    assert (event.remaining, event.resting) == (size * COIN, True)
    assert (event.good_till, event.trigger_price) == (end, 0)
    resting = exchange.account(ALICE).orders[first]
    assert (resting.good_till, resting.client_id, resting.group) == (end, 5, 3)
    assert exchange.market.book.best(SELL) is resting


@pytest.mark.parametrize("before", [0, 100])
def test_the_old_end_does_not_come_and_the_new_one_does(exchange: Exchange, before: int) -> None:
    start = exchange.state.time
    old = start + before if before else 0
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, good_till=old))
    exchange.amend(ALICE, amendment(first, 99_00, COIN, good_till=start + 200))
    exchange.wait(199)
    exchange.refused(exchange.expire(ALICE), NothingExpired)
    exchange.wait(1)
    exchange.do(exchange.expire(ALICE))
    assert exchange.gone() == [(first, CancelReason.EXPIRED, True)]


def test_an_end_can_be_moved_and_not_taken_away(exchange: Exchange) -> None:
    start = exchange.state.time
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, good_till=start + 100))
    exchange.amend(ALICE, amendment(first, 98_00, COIN, good_till=0))
    assert exchange.account(ALICE).orders[first].good_till == start + 100
    exchange.amend(ALICE, amendment(first, 97_00, COIN, good_till=start + 300))
    assert [event.good_till for event in exchange.told(OrderAmended)] == [start + 300]
    exchange.amend(ALICE, amendment(first, 97_00, COIN, good_till=start + 200))
    assert exchange.account(ALICE).orders[first].good_till == start + 200


def test_what_fills_have_left_may_be_too_small_for_an_order_and_gets_its_end(
    exchange: Exchange,
) -> None:
    first = exchange.place(ALICE, order(SELL, 5 * COIN, 101_00))
    exchange.place(BOB, order(BUY, 5 * COIN - 1, 101_00))
    end = exchange.state.time + 50
    exchange.amend(ALICE, amendment(first, 101_00, 5 * COIN, good_till=end))
    resting = exchange.account(ALICE).orders[first]
    assert (resting.remaining, resting.good_till) == (1, end)


@pytest.mark.parametrize("size", [4, 1, 5])
def test_an_end_in_the_past_is_refused(exchange: Exchange, size: int) -> None:
    first = exchange.place(ALICE, order(BUY, 4 * COIN, 99_00))
    now = exchange.state.time
    over = exchange.orders(ALICE, amends=(amendment(first, 99_00, size * COIN, good_till=now),))
    assert exchange.refused(over, OrderExpired) == {"good_till": now, "now": now}


# --- the trigger price ----------------------------------------------------------------------------


def test_an_order_that_does_not_wait_has_no_price_to_wait_for(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, 4 * COIN, 99_00))
    for size in (4 * COIN, COIN, 5 * COIN):
        change = amendment(first, 99_00, size, at=105_00)
        exchange.refused(exchange.orders(ALICE, amends=(change,)), AmendInvalid)
    # One that was triggered meanwhile rests and waits no more; to take it back is always right.
    exchange.amend(ALICE, amendment(first, 99_00, 0, at=105_00, good_till=1))
    assert exchange.gone() == [(first, CancelReason.AMENDED, True)]


def test_a_waiting_order_waits_for_another_price_and_ends_at_another_time(
    exchange: Exchange,
) -> None:
    waiting = stop(BUY, COIN, 106_00, at=105_00, client_id=7, group=2)
    first = exchange.wait_for(ALICE, waiting, max_fee=9)
    end = exchange.state.time + 1_000
    exchange.amend(ALICE, amendment(first, 106_00, COIN, at=104_00, good_till=end))
    (event,) = exchange.told(OrderAmended)
    assert (event.trigger_price, event.good_till, event.resting) == (104_00, end, True)
    kept = exchange.account(ALICE).waiting[first]
    expected = msgspec.structs.replace(waiting, trigger_price=104_00, good_till=end)
    assert (kept.new, kept.max_fee) == (expected, 9)
    state = exchange.state
    back = State.from_leaves(state.rules, state.domain, state.leaves())
    assert back.accounts[ALICE.address].waiting[first].new == expected
    exchange.mark(104_00)
    exchange.do(exchange.trigger(ALICE, first))
    assert exchange.account(ALICE).orders[first].good_till == end


def test_the_old_trigger_price_is_waited_for_no_more(exchange: Exchange) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=102_00))
    exchange.amend(ALICE, amendment(first, 106_00, COIN, at=105_00))
    exchange.mark(102_00)
    exchange.refused(exchange.trigger(ALICE, first), NotTriggered)


def test_only_a_new_trigger_price_is_held_to_the_mark(exchange: Exchange) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=102_00))
    exchange.mark(103_00)
    exchange.amend(ALICE, amendment(first, 107_00, COIN, at=102_00))
    assert exchange.account(ALICE).waiting[first].price == 107_00


@pytest.mark.parametrize("at", [100_00, 99_00, 1, 2**48])
@pytest.mark.parametrize("kind", [stop, target])
def test_a_trigger_price_that_could_not_be_placed_is_not_amended_to(
    exchange: Exchange, kind: Callable[..., NewOrder], at: int
) -> None:
    side, wrong = (BUY, at) if kind is stop else (SELL, at)
    first = exchange.wait_for(ALICE, kind(side, COIN, 106_00, at=105_00))
    change = exchange.orders(ALICE, amends=(amendment(first, 106_00, COIN, at=wrong),))
    values = exchange.refused(change, TriggerInvalid)
    assert values == {"trigger_price": wrong, "mark": 100_00}


def test_a_market_order_that_waits_is_measured_at_its_new_trigger_price(
    exchange: Exchange,
) -> None:
    small = 1_010_000 // 105_00
    first = exchange.wait_for(ALICE, stop(BUY, small + 1, 110_00, at=105_00, kind=OrderType.MARKET))
    change = amendment(first, 110_00, small, at=102_00)
    exchange.refused(exchange.orders(ALICE, amends=(change,)), NotionalTooSmall)


@pytest.mark.parametrize(("side", "at", "beyond"), [(BUY, 105_00, 111_00), (SELL, 95_00, 89_00)])
def test_a_market_order_is_not_moved_to_where_its_worst_price_would_refuse_it(
    exchange: Exchange, side: Side, at: int, beyond: int
) -> None:
    """Who moves the trigger price alone means the protection to go along, and not to be gone."""
    worst = 110_00 if side is BUY else 90_00
    first = exchange.wait_for(ALICE, stop(side, COIN, worst, at=at, kind=OrderType.MARKET))
    change = exchange.orders(ALICE, amends=(amendment(first, worst, COIN, at=beyond),))
    exchange.refused(change, AmendInvalid)
    exchange.amend(ALICE, amendment(first, worst, COIN, at=worst))
    exchange.amend(ALICE, amendment(first, beyond, COIN, at=beyond))
    assert exchange.account(ALICE).waiting[first].trigger_price == beyond


def test_a_limit_order_may_rest_beyond_what_it_waited_for(exchange: Exchange) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    exchange.amend(ALICE, amendment(first, 106_00, COIN, at=107_00))
    assert exchange.account(ALICE).waiting[first].trigger_price == 107_00


def test_without_a_mark_nothing_new_is_waited_for() -> None:
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    exchange.market.move_mark(0, 0)
    other = exchange.orders(ALICE, amends=(amendment(first, 106_00, COIN, at=104_00),))
    exchange.refused(other, MarkStale)
