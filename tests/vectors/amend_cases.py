"""The curated cases of amends: what keeps its place, what loses it, and what is refused."""

from node.types.commands import AmendOrder, PlaceOrders
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, CAROL, Person
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order
from tests.vectors.cases import (
    GTC,
    POST_ONLY,
    case,
    funded,
    paying,
    priced,
    quoted,
)
from tests.vectors.order_cases import BID, Before, await_mark, later, stop


def amending(
    exchange: Exchange,
    person: Person,
    price: int,
    size: int,
    order_id: int,
    market: int = BTC,
    *,
    at: int = 0,
    good_till: int = 0,
) -> PlaceOrders:
    """Return the action that amends one order."""
    change = AmendOrder(
        MarketId(market), Ticks(price), Lots(size), OrderId(order_id), ClientOrderId(0),
        Ticks(at), Millis(good_till),
    )  # fmt: skip
    return PlaceOrders(*exchange.head(person), (), (), Money(0), (change,))


@case("place_orders/an_amend_keeps_its_place")
def _() -> Before:
    exchange = quoted()
    exchange.place(BOB, order(SELL, COIN, 101_00))
    return exchange, amending(exchange, ALICE, 101_00, COIN // 2, 1)


@case("place_orders/an_amend_goes_to_the_end_of_its_price")
def _() -> Before:
    exchange = quoted()
    exchange.place(BOB, order(SELL, COIN, 101_00))
    return exchange, amending(exchange, ALICE, 101_00, 2 * COIN, 1)


@case("place_orders/an_amend_crosses")
def _() -> Before:
    exchange = quoted()
    return exchange, amending(exchange, CAROL, 101_00, 3 * COIN, 3)


@case("place_orders/an_amend_to_what_is_filled_cancels")
def _() -> Before:
    exchange = quoted()
    exchange.place(BOB, order(BUY, COIN // 2, 101_00))
    return exchange, amending(exchange, ALICE, 101_00, COIN // 2, 1)


@case("place_orders/an_amend_of_a_waiting_order_by_client_id")
def _() -> Before:
    exchange = funded()
    await_mark(exchange, ALICE, stop(BUY, 105_00, GTC, client_id=ClientOrderId(8)))
    change = AmendOrder(BTC, Ticks(106_00), Lots(2 * COIN), client_id=ClientOrderId(8))
    return exchange, PlaceOrders(*exchange.head(ALICE), (), (), Money(0), (change,))


@case("place_orders/an_amend_in_another_market")
def _() -> Before:
    exchange = quoted()
    return exchange, amending(exchange, ALICE, 101_00, COIN // 2, 1, market=2)


@case("place_orders/a_post_only_order_is_not_amended_across")
def _() -> Before:
    exchange = quoted()
    exchange.place(BOB, order(BUY, COIN, 98_00, POST_ONLY))
    return exchange, amending(exchange, BOB, 101_00, COIN, 4)


@case("place_orders/waiting_and_amending_are_charged")
def _() -> Before:
    exchange = priced()
    exchange.do(paying(exchange, ALICE, BID))
    change = AmendOrder(BTC, Ticks(98_00), Lots(COIN), OrderId(1))
    fields = exchange.head(ALICE)
    return exchange, PlaceOrders(*fields, (), (stop(BUY, 105_00),), Money(1_000), (change,))


@case("place_orders/a_second_amend_of_one_order_is_not_made_unpaid")
def _() -> Before:
    exchange = priced()
    exchange.do(paying(exchange, ALICE, BID))
    changes = [AmendOrder(BTC, BID.price, Lots(size), OrderId(1)) for size in (5_000, 2_500)]
    return exchange, PlaceOrders(*exchange.head(ALICE), (), (), Money(0), tuple(changes))


@case("place_orders/an_amend_of_the_end_keeps_the_place")
def _() -> Before:
    exchange = quoted()
    exchange.place(BOB, order(SELL, COIN, 101_00))
    return exchange, amending(exchange, ALICE, 101_00, COIN, 1, good_till=later(exchange))


@case("place_orders/an_amend_to_an_end_in_the_past")
def _() -> Before:
    exchange = quoted()
    now = exchange.state.time
    return exchange, amending(exchange, ALICE, 101_00, COIN, 1, good_till=now)


@case("place_orders/an_amend_of_a_trigger_price_and_an_end")
def _() -> Before:
    exchange = funded()
    await_mark(exchange, ALICE, stop(BUY, 105_00, GTC))
    end = later(exchange)
    return exchange, amending(exchange, ALICE, 105_00, COIN, 1, at=104_00, good_till=end)


@case("place_orders/an_amend_to_a_trigger_price_that_is_met")
def _() -> Before:
    exchange = funded()
    await_mark(exchange, ALICE, stop(BUY, 105_00, GTC))
    return exchange, amending(exchange, ALICE, 105_00, COIN, 1, at=100_00)


@case("place_orders/an_amend_of_the_trigger_price_of_an_order_that_rests")
def _() -> Before:
    exchange = quoted()
    return exchange, amending(exchange, ALICE, 101_00, COIN, 1, at=105_00)
