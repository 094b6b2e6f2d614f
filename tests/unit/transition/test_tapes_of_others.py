"""Short tapes on which other matching engines fail, played through the whole exchange."""

import pytest

from node.types.commands import CancelOrder, OrderType
from node.types.errors import UnknownOrder
from node.types.events import Filled
from node.types.ids import ClientOrderId
from tests.examples import ALICE, BOB, CAROL, DAVE
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order

PRICE = 100_00


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL, DAVE):
        exchange.fund(person, 100_000)
    return exchange


def fills(exchange: Exchange) -> list[tuple[bytes, int]]:
    return [(e.maker, e.size) for e in exchange.events if isinstance(e, Filled)]


def test_a_partly_filled_maker_that_is_cancelled_is_met_by_nobody(exchange: Exchange) -> None:
    """Sell 1, sell 2, buy 2, cancel the partly filled maker, buy 1: another engine never ends."""
    exchange.place(ALICE, order(SELL, 1 * COIN, PRICE))
    exchange.place(BOB, order(SELL, 2 * COIN, PRICE, client_id=7))
    exchange.place(CAROL, order(BUY, 2 * COIN, PRICE))
    assert fills(exchange) == [(ALICE.address, 1 * COIN), (BOB.address, 1 * COIN)]
    exchange.do(exchange.orders(BOB, cancels=(CancelOrder(client_id=ClientOrderId(7)),)))
    exchange.place(DAVE, order(BUY, 1 * COIN, PRICE))
    assert fills(exchange) == []
    book = exchange.state.market(BTC).book
    assert book.levels(BUY) == [(PRICE, 1 * COIN, 1)]
    assert book.levels(SELL) == []


def test_two_orders_of_one_price_and_one_time_both_trade_the_first_first(
    exchange: Exchange,
) -> None:
    """Both come in one block, so at one time: another engine loses one of them."""
    exchange.place(ALICE, order(SELL, 1 * COIN, PRICE))
    exchange.place(BOB, order(SELL, 1 * COIN, PRICE))
    exchange.place(CAROL, order(BUY, 2 * COIN, PRICE, OrderType.FOK))
    assert fills(exchange) == [(ALICE.address, 1 * COIN), (BOB.address, 1 * COIN)]
    assert len(exchange.state.market(BTC).book) == 0


def test_cancelling_a_filled_order_is_refused_by_name(exchange: Exchange) -> None:
    """Another engine raises an exception of its own making, in the middle of its book."""
    exchange.place(ALICE, order(SELL, 1 * COIN, PRICE, client_id=3))
    exchange.place(BOB, order(BUY, 1 * COIN, PRICE))
    cancel = CancelOrder(client_id=ClientOrderId(3))
    exchange.refused(exchange.orders(ALICE, cancels=(cancel,)), UnknownOrder)
