"""A market whose cancels come first: what is out of phase, what never is, and when it is over."""

import msgspec
import pytest

from node.transition.state import State
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    Expire,
    NewOrder,
    OrderType,
    PlaceOrders,
)
from node.types.errors import OutOfPhase
from node.types.events import CancelReason, ItemRejected, OrderCancelled
from node.types.ids import ClientOrderId, OrderId
from node.types.rules import Ordering
from node.types.units import Lots, Money, Ticks
from tests.examples import ALICE, BOB, CAROL, DOMAIN, RULES
from tests.unit.transition.exchange import BTC, BUY, COIN, ETH, SELL, Exchange, order

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange whose first market lets cancels come first; Alice quotes in both."""
    first, second = RULES.markets
    rules = msgspec.structs.replace(
        RULES, markets=(msgspec.structs.replace(first, ordering=Ordering.CANCELS_FIRST), second)
    )
    exchange = Exchange(rules)
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(BUY, COIN, 99_00, client_id=1))
    exchange.place(ALICE, order(SELL, COIN, 101_00, client_id=2))
    exchange.place(ALICE, order(BUY, COIN, 99_00, client_id=3, market=ETH))
    exchange.wait(5)
    return exchange


def cancel(exchange: Exchange, *client_ids: int, orders: tuple[NewOrder, ...] = ()) -> PlaceOrders:
    cancels = tuple(CancelOrder(client_id=ClientOrderId(one)) for one in client_ids)
    return exchange.orders(ALICE, *orders, cancels=cancels)


def test_a_cancel_before_anything_could_take_applies(exchange: Exchange) -> None:
    exchange.place(BOB, order(SELL, COIN, 99_00, SLIDE), order(SELL, COIN, 102_00, POST_ONLY))
    exchange.do(cancel(exchange, 1))


@pytest.mark.parametrize("price", [101_00, 98_00])
def test_after_what_may_take_nothing_that_only_cancels_applies(
    exchange: Exchange, price: int
) -> None:
    """Whether it did take makes no difference: nobody can see that before the block is out."""
    exchange.place(BOB, order(BUY, COIN // 2, price))
    assert exchange.refused(cancel(exchange, 1), OutOfPhase) == {"market": BTC}
    assert exchange.refused(exchange.cancel_all(ALICE, BTC), OutOfPhase) == {"market": BTC}
    exchange.refused(exchange.cancel_all(ALICE), OutOfPhase)


def test_the_next_block_begins_with_cancels_again(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.wait(5)
    exchange.do(cancel(exchange, 1, 2))


def test_each_market_has_phases_of_its_own_if_any(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 99_50, market=ETH))
    exchange.do(cancel(exchange, 1))
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.do(cancel(exchange, 3))
    exchange.refused(cancel(exchange, 2), OutOfPhase)


def test_in_a_bulk_action_only_the_item_is_out_of_phase(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.do(cancel(exchange, 1, 3, orders=(order(SELL, COIN, 103_00, POST_ONLY),)))
    (rejected,) = exchange.told(ItemRejected)
    assert (rejected.item, rejected.code) == (0, OutOfPhase.code)


def test_an_action_that_may_take_itself_cancels_in_its_turn(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.do(cancel(exchange, 1, orders=(order(BUY, COIN, 98_00),)))
    assert not exchange.told(ItemRejected)


def test_what_arrived_in_this_block_may_go_at_any_time(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 98_00, client_id=8))
    exchange.do(exchange.orders(BOB, cancels=(CancelOrder(client_id=ClientOrderId(8)),)))
    exchange.place(BOB, order(BUY, COIN, 98_00))
    exchange.do(exchange.cancel_all(BOB))


def test_an_amend_that_loses_its_place_begins_the_second_phase(exchange: Exchange) -> None:
    amend = AmendOrder(BTC, Ticks(98_00), Lots(COIN), OrderId(0), ClientOrderId(1))
    exchange.do(PlaceOrders(*exchange.head(ALICE), (), (), Money(0), (amend,)))
    exchange.refused(cancel(exchange, 2), OutOfPhase)
    # It arrived anew in this block itself.
    exchange.do(cancel(exchange, 1))


def test_the_exchanges_own_commands_know_no_phase(exchange: Exchange) -> None:
    dying = msgspec.structs.replace(order(BUY, COIN, 97_00), good_till=exchange.state.time + 5)
    exchange.place(CAROL, dying)
    exchange.wait(5)
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.do(Expire(CAROL.address))
    assert [event.reason for event in exchange.told(OrderCancelled)] == [CancelReason.EXPIRED]


def test_a_state_rebuilt_between_blocks_has_no_phase_left(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    exchange.state = State.from_leaves(exchange.state.rules, DOMAIN, exchange.state.leaves())
    exchange.wait(5)
    exchange.do(cancel(exchange, 1))


def test_a_cancel_takes_no_partner_out_of_phase(exchange: Exchange) -> None:
    exchange.place(
        ALICE,
        order(BUY, COIN, 98_00, client_id=7, group=5),
        order(BUY, COIN, 98_00, client_id=8, group=5, market=ETH),
    )
    exchange.wait(5)
    exchange.place(BOB, order(BUY, COIN // 2, 98_50))
    assert exchange.refused(cancel(exchange, 8), OutOfPhase) == {"market": BTC}
    exchange.wait(5)
    exchange.do(cancel(exchange, 8))
    assert {one[1] for one in exchange.gone()} >= {CancelReason.ONE_CANCELS_OTHER}


def test_what_takes_in_another_market_is_of_the_first_phase_all_the_same(
    exchange: Exchange,
) -> None:
    """Who sorts the block puts it there, so who replays it must hold it there."""
    exchange.place(BOB, order(BUY, COIN // 2, 98_50))
    elsewhere = order(BUY, COIN, 98_00, market=ETH)
    mixed = cancel(exchange, 1, orders=(elsewhere,))
    exchange.do(mixed)
    (refused,) = exchange.told(ItemRejected)
    assert refused.error == "OutOfPhase"
