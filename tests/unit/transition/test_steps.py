"""The orders of one action share its steps; the rest is dropped, as at an order's own limit."""

import msgspec
import pytest

from node.transition.steps import Steps
from node.types.commands import OrderType
from node.types.errors import FillOrKillUnfilled
from node.types.events import CancelReason, ItemRejected, OrderCancelled
from node.types.rules import Limits
from tests.examples import ALICE, BOB, CAROL, DAVE, RULES
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order


def exchange_of(steps_per_action: int, fills_per_order: int = 100) -> Exchange:
    """Return an exchange of four people with so many steps to an action."""
    limits = msgspec.structs.replace(
        RULES.limits, steps_per_action=steps_per_action, fills_per_order=fills_per_order
    )
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB, CAROL, DAVE):
        exchange.fund(person, 10_000)
    return exchange


def offer(exchange: Exchange, makers: int) -> None:
    exchange.place(ALICE, *[order(SELL, COIN, 100_00 + place) for place in range(makers)])


def dropped(exchange: Exchange) -> list[tuple[int, CancelReason]]:
    """Return (remaining, reason) of the orders that the last command dropped."""
    return [(event.remaining, event.reason) for event in exchange.told(OrderCancelled)]


def test_steps_are_shared_and_never_go_below_zero() -> None:
    steps = Steps(Limits(fills_per_order=4, steps_per_action=10))
    assert (steps.most, steps.left) == (4, 10)
    steps.take(7)
    assert (steps.most, steps.left) == (3, 3)
    steps.take(9)
    assert (steps.most, steps.left) == (0, 0)


def test_the_last_orders_of_an_action_are_dropped() -> None:
    exchange = exchange_of(3)
    offer(exchange, 6)
    exchange.place(BOB, *[order(BUY, 2 * COIN, 110_00)] * 3)
    assert exchange.fills() == [(100_00, COIN), (100_01, COIN), (100_02, COIN)]
    assert dropped(exchange) == [
        (COIN, CancelReason.FILL_LIMIT),
        (2 * COIN, CancelReason.FILL_LIMIT),
    ]
    # The next action has its own.
    exchange.place(BOB, order(BUY, 2 * COIN, 110_00))
    assert len(exchange.fills()) == 2


def test_an_order_that_meets_nothing_needs_no_steps() -> None:
    exchange = exchange_of(1)
    offer(exchange, 2)
    exchange.place(BOB, order(BUY, COIN, 110_00), order(BUY, COIN, 99_00))
    assert exchange.book()[0] == [(99_00, COIN)]


def test_an_order_that_is_tried_out_spends_steps_twice() -> None:
    exchange = exchange_of(4)
    offer(exchange, 6)
    exchange.place(BOB, order(BUY, 2 * COIN, 110_00, OrderType.FOK), order(BUY, COIN, 110_00))
    # Two makers are tried out and then taken; nothing is left for the second order.
    assert exchange.fills() == [(100_00, COIN), (100_01, COIN)]
    assert dropped(exchange) == [(COIN, CancelReason.FILL_LIMIT)]


def test_an_order_is_not_tried_out_where_its_steps_would_not_suffice() -> None:
    exchange = exchange_of(3)
    offer(exchange, 6)
    two = exchange.orders(BOB, order(BUY, 2 * COIN, 110_00, OrderType.FOK))
    exchange.refused(two, FillOrKillUnfilled)


def test_orders_that_leave_with_a_closed_position_are_steps() -> None:
    exchange = exchange_of(4)
    exchange.place(CAROL, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00))
    exchange.place(BOB, *[order(SELL, COIN, 105_00, reduce_only=True)] * 3)
    exchange.place(ALICE, *[order(SELL, COIN, 101_00)] * 2)
    exchange.place(DAVE, order(BUY, COIN, 100_00), order(BUY, COIN, 101_00))
    # One fill and Bob's three idle orders are all four steps.
    assert exchange.fills() == [(100_00, COIN)]
    reasons = [reason for _, reason in dropped(exchange)]
    assert reasons == [CancelReason.REDUCE_ONLY] * 3 + [CancelReason.FILL_LIMIT]
    assert not exchange.told(ItemRejected)


@pytest.mark.parametrize("steps", [1, 5, 50])
def test_a_state_stays_whole_at_every_limit(steps: int) -> None:
    exchange = exchange_of(steps, fills_per_order=3)
    offer(exchange, 20)
    exchange.place(BOB, *[order(BUY, 4 * COIN, 110_00)] * 5)
    assert len(exchange.fills()) == min(steps, 15, 20)
