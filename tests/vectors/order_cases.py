"""The curated cases of the complete order: its time, trigger, group, and blocks in order.

Two orderings of a block are rules of what happens *within* it, which no leaf tells. Their cases
bring the commands that come before in the same block, beginning with its ``OpenBlock``.
"""

import msgspec

from node.types.commands import (
    CancelOrder,
    Command,
    Disconnected,
    Expire,
    NewOrder,
    OpenBlock,
    OrderType,
    SelfTrade,
    SetSwitch,
    Side,
    Trigger,
    TriggerOrder,
    Uncross,
)
from node.types.ids import OrderId
from node.types.rules import Ordering
from node.types.units import Millis, Ticks
from tests.examples import ALICE, BOB, CAROL, RULES, Person
from tests.unit.transition.exchange import BTC, BUY, COIN, SELL, Exchange, order
from tests.vectors.cases import (
    FOK,
    GTC,
    IOC,
    MARKET,
    POST_ONLY,
    SLIDE,
    case,
    funded,
    long_of_ten,
    quoted,
)

Before = tuple[Exchange, *tuple[Command, ...], Command]

BID = order(BUY, COIN, 99_00)


def but(base: NewOrder, **fields: object) -> NewOrder:
    """Return ``base`` with other values in ``fields``."""
    return msgspec.structs.replace(base, **fields)


def stop(side: Side, price: int, kind: OrderType = MARKET, **fields: object) -> NewOrder:
    """Return an order over a coin that waits for the mark to come to ``price``."""
    waits = order(side, COIN, price, kind)
    return but(waits, trigger=Trigger.STOP, trigger_price=Ticks(price), **fields)


def await_mark(exchange: Exchange, person: Person, waiting: NewOrder) -> None:
    """Place an order that waits for its trigger."""
    exchange.do(exchange.orders(person, waiting))


def later(exchange: Exchange, duration_ms: int = 5_000) -> Millis:
    """Return the time ``duration_ms`` from now."""
    return Millis(exchange.state.time + duration_ms)


def opening(exchange: Exchange) -> OpenBlock:
    """Return the command that opens the next block, a moment later."""
    return OpenBlock(exchange.state.block + 1, later(exchange, 1), exchange.state.fee)


def ordered(ordering: Ordering) -> Exchange:
    """Return an exchange of three people with a book, whose blocks are ordered like this."""
    markets = tuple(msgspec.structs.replace(market, ordering=ordering) for market in RULES.markets)
    exchange = Exchange(msgspec.structs.replace(RULES, markets=markets))
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 1_000)
    exchange.place(ALICE, order(SELL, COIN, 101_00), order(SELL, COIN, 102_00))
    exchange.place(CAROL, BID)
    if ordering is Ordering.AUCTION:
        exchange.do(Uncross(BTC))
    return exchange


# --- meeting oneself, and stepping back -----------------------------------------------------------


@case("place_orders/self_trade_cancels_the_taker")
def _() -> Before:
    exchange = quoted()
    taking = but(order(BUY, 2 * COIN, 101_00), self_trade=SelfTrade.CANCEL_TAKER)
    return exchange, exchange.orders(ALICE, taking)


@case("place_orders/self_trade_cancels_both")
def _() -> Before:
    exchange = quoted()
    taking = but(order(BUY, 2 * COIN, 102_00), self_trade=SelfTrade.CANCEL_BOTH)
    return exchange, exchange.orders(ALICE, taking)


@case("place_orders/self_trade_shrinks_the_maker")
def _() -> Before:
    exchange = quoted()
    taking = but(order(BUY, COIN // 4, 101_00), self_trade=SelfTrade.DECREMENT)
    return exchange, exchange.orders(ALICE, taking)


@case("place_orders/self_trade_shrinks_the_taker")
def _() -> Before:
    exchange = quoted()
    taking = but(order(BUY, 5 * COIN, 102_00), self_trade=SelfTrade.DECREMENT)
    return exchange, exchange.orders(ALICE, taking)


@case("place_orders/post_only_slides")
def _() -> Before:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, COIN, 103_00, SLIDE))


@case("place_orders/post_only_has_nowhere_to_slide")
def _() -> Before:
    exchange = funded()
    exchange.place(ALICE, order(SELL, COIN, 80_00))
    return exchange, exchange.orders(BOB, order(BUY, COIN, 103_00, SLIDE))


# --- its name -------------------------------------------------------------------------------------


@case("place_orders/a_client_id_of_an_order_that_has_ended")
def _() -> Before:
    exchange = quoted()
    again = order(BUY, COIN, 101_00, IOC, client_id=5)
    exchange.place(BOB, again)
    return exchange, exchange.orders(BOB, again)


@case("place_orders/a_client_id_that_is_old_enough_is_free_again")
def _() -> Before:
    limits = msgspec.structs.replace(RULES.limits, client_ids_kept=1, items_per_action=1)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    exchange.fund(BOB, 1_000)
    for client_id in (5, 6):
        exchange.place(BOB, order(BUY, COIN, 99_00, client_id=client_id))
        exchange.do(exchange.cancel_all(BOB))
    return exchange, exchange.orders(BOB, order(BUY, COIN, 99_00, client_id=5))


# --- time -----------------------------------------------------------------------------------------


@case("place_orders/time_is_over_on_entry")
def _() -> Before:
    exchange = funded()
    return exchange, exchange.orders(ALICE, but(BID, good_till=Millis(exchange.state.time)))


@case("place_orders/a_dead_maker_is_dropped")
def _() -> Before:
    exchange = funded()
    asks = order(SELL, COIN, 101_00), order(SELL, COIN, 101_00)
    exchange.place(ALICE, but(asks[0], good_till=later(exchange)), asks[1])
    exchange.wait(5_000)
    return exchange, exchange.orders(BOB, order(BUY, COIN, 101_00, IOC))


@case("place_orders/a_post_only_order_clears_the_dead")
def _() -> Before:
    exchange = funded()
    exchange.place(ALICE, but(order(SELL, COIN, 101_00), good_till=later(exchange)))
    exchange.wait(5_000)
    return exchange, exchange.orders(BOB, order(BUY, COIN, 101_00, POST_ONLY))


@case("expire/orders_past_their_time")
def _() -> Before:
    exchange = quoted()
    short, long = later(exchange), later(exchange, 5_001)
    exchange.place(ALICE, but(BID, good_till=short), but(BID, good_till=long))
    await_mark(exchange, ALICE, stop(BUY, 105_00, good_till=short))
    exchange.wait(5_000)
    return exchange, Expire(ALICE.address)


@case("expire/the_switch")
def _() -> Before:
    exchange = quoted()
    exchange.do(SetSwitch(*exchange.head(ALICE), later(exchange), True))
    exchange.wait(5_000)
    return exchange, Expire(ALICE.address)


@case("expire/nothing_yet")
def _() -> Before:
    exchange = quoted()
    exchange.do(SetSwitch(*exchange.head(ALICE), later(exchange), False))
    exchange.wait(4_999)
    return exchange, Expire(ALICE.address)


# --- triggers and groups --------------------------------------------------------------------------


@case("place_orders/a_stop_waits")
def _() -> Before:
    exchange = long_of_ten()
    return exchange, exchange.orders(BOB, stop(SELL, 90_00, reduce_only=True, client_id=4))


@case("place_orders/a_trigger_is_met_already")
def _() -> Before:
    exchange = funded()
    return exchange, exchange.orders(ALICE, stop(BUY, 99_00))


@case("trigger_order/arrives_and_takes")
def _() -> Before:
    exchange = long_of_ten()
    await_mark(exchange, BOB, stop(SELL, 95_00, reduce_only=True))
    exchange.place(CAROL, order(BUY, COIN, 95_00))
    exchange.mark(95_00)
    return exchange, TriggerOrder(BOB.address, OrderId(3))


@case("trigger_order/not_yet")
def _() -> Before:
    exchange = long_of_ten()
    await_mark(exchange, BOB, stop(SELL, 95_00, reduce_only=True))
    exchange.mark(95_01)
    return exchange, TriggerOrder(BOB.address, OrderId(3))


@case("trigger_order/refused_on_arrival")
def _() -> Before:
    exchange = funded()
    await_mark(exchange, ALICE, stop(SELL, 95_00, reduce_only=True))
    exchange.mark(95_00)
    return exchange, TriggerOrder(ALICE.address, OrderId(1))


@case("trigger_order/cancels_its_partner")
def _() -> Before:
    exchange = long_of_ten()
    target = but(order(SELL, COIN, 110_00, reduce_only=True), group=7)
    exchange.place(BOB, target, stop(SELL, 95_00, GTC, reduce_only=True, group=7))
    exchange.mark(94_00)
    return exchange, TriggerOrder(BOB.address, OrderId(4))


@case("place_orders/a_fill_cancels_the_partner")
def _() -> Before:
    exchange = long_of_ten()
    target = but(order(SELL, COIN, 110_00, reduce_only=True), group=7)
    exchange.place(BOB, target, stop(SELL, 95_00, reduce_only=True, group=7))
    return exchange, exchange.orders(CAROL, order(BUY, COIN // 2, 110_00, IOC))


@case("place_orders/a_cancel_cancels_the_partner")
def _() -> Before:
    exchange = funded()
    exchange.place(ALICE, but(BID, group=7), but(BID, group=7))
    return exchange, exchange.orders(ALICE, cancels=(CancelOrder(OrderId(2)),))


@case("place_orders/a_group_is_full")
def _() -> Before:
    exchange = funded()
    exchange.place(ALICE, but(BID, group=7), but(BID, group=7))
    return exchange, exchange.orders(ALICE, but(BID, group=7))


# --- the dead man's switch ------------------------------------------------------------------------


@case("set_switch/sets_it")
def _() -> Before:
    exchange = funded()
    return exchange, SetSwitch(*exchange.head(ALICE), later(exchange), True)


@case("set_switch/turns_it_off")
def _() -> Before:
    exchange = funded()
    exchange.do(SetSwitch(*exchange.head(ALICE), later(exchange), True))
    return exchange, SetSwitch(*exchange.head(ALICE), Millis(0), False)


@case("set_switch/its_time_is_over")
def _() -> Before:
    exchange = funded()
    return exchange, SetSwitch(*exchange.head(ALICE), Millis(exchange.state.time), False)


@case("disconnected/cancels_all")
def _() -> Before:
    exchange = quoted()
    exchange.do(SetSwitch(*exchange.head(ALICE), Millis(0), True))
    await_mark(exchange, ALICE, stop(BUY, 105_00))
    return exchange, Disconnected(ALICE.address)


@case("disconnected/nobody_asked_for_it")
def _() -> Before:
    return quoted(), Disconnected(ALICE.address)


@case("place_orders/what_was_to_close_leaves_together_with_its_position")
def _() -> Before:
    """Two of Bob's sells reserve nothing, the third what it would open."""
    exchange = long_of_ten()
    exchange.fund(BOB, 200)
    exchange.place(BOB, *[order(SELL, 5 * COIN, price) for price in (101_00, 102_00, 103_00)])
    exchange.place(CAROL, order(BUY, 10 * COIN, 100_00))
    exchange.place(BOB, order(SELL, 10 * COIN, 100_00, IOC, reduce_only=True))
    exchange.do(exchange.withdraw(BOB, exchange.account(BOB).free))
    return exchange, exchange.orders(ALICE, order(BUY, COIN, 101_00))


# --- blocks in order ------------------------------------------------------------------------------


@case("cancel_all/out_of_phase")
def _() -> Before:
    exchange = ordered(Ordering.CANCELS_FIRST)
    taking = exchange.orders(BOB, order(BUY, COIN // 2, 101_00, IOC))
    return exchange, opening(exchange), taking, exchange.cancel_all(ALICE)


@case("place_orders/an_arrival_waits_for_the_auction")
def _() -> Before:
    exchange = ordered(Ordering.AUCTION)
    return exchange, opening(exchange), exchange.orders(BOB, order(BUY, COIN, 101_50))


@case("place_orders/a_fill_or_kill_order_waits_for_no_auction")
def _() -> Before:
    exchange = ordered(Ordering.AUCTION)
    return exchange, opening(exchange), exchange.orders(BOB, stop(BUY, 105_00, FOK))


@case("uncross/at_one_price")
def _() -> Before:
    exchange = ordered(Ordering.AUCTION)
    buying = exchange.orders(BOB, order(BUY, 2 * COIN, 102_00), order(BUY, COIN, 98_00))
    selling = exchange.orders(CAROL, order(SELL, COIN, 100_00, IOC))
    return exchange, opening(exchange), buying, selling, Uncross(BTC)


@case("uncross/nothing_arrived")
def _() -> Before:
    exchange = ordered(Ordering.AUCTION)
    return exchange, opening(exchange), Uncross(BTC)


@case("open_block/an_auction_is_pending")
def _() -> Before:
    exchange = ordered(Ordering.AUCTION)
    first = opening(exchange)
    next_one = OpenBlock(first.number + 1, Millis(first.time + 1), first.fee)
    return exchange, first, exchange.orders(BOB, BID), next_one
