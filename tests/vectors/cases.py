"""The curated cases: how to bring an exchange somewhere, and the one command that is looked at."""

from collections.abc import Callable

import msgspec

from node.types.commands import (
    ApproveAgent,
    CancelOrder,
    Command,
    Deposit,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    SettleFunding,
    Withdraw,
)
from node.types.fees import FeeRules
from node.types.ids import ClientOrderId, OrderId
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, CAROL, DOLLAR, MALLORY, RULES, Person
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

Case = Callable[[], tuple[Exchange, *tuple[Command, ...]]]
"""Where the exchange stands, what comes before in the same block, if that matters, the command."""

CASES: dict[str, Case] = {}
"""By path: ``command/case``."""

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType


def case(path: str) -> Callable[[Case], Case]:
    """Enter the case under ``path``."""

    def enter(build: Case) -> Case:
        assert path not in CASES
        CASES[path] = build
        return build

    return enter


def funded() -> Exchange:
    """Return an exchange of three people with a thousand dollars each, all marks at 100."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 1_000)
    return exchange


def priced() -> Exchange:
    """Return an exchange of two people in which a unit of work costs a thousand millionths."""
    fees = FeeRules(floor=Money(1_000), ceiling=Money(100_000))
    exchange = Exchange(msgspec.structs.replace(RULES, fees=fees))
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    return exchange


def paying(exchange: Exchange, person: Person, *orders: NewOrder) -> PlaceOrders:
    """Return the action that places ``orders`` at the price as it is."""
    return PlaceOrders(*exchange.head(person), (), orders, Money(1_000))


def quoted() -> Exchange:
    """Return an exchange in which Alice asks 101 and 102, and Carol bids 99."""
    exchange = funded()
    exchange.place(ALICE, order(SELL, COIN, 101_00), order(SELL, COIN, 102_00, client_id=7))
    exchange.place(CAROL, order(BUY, COIN, 99_00))
    return exchange


def long_of_ten() -> Exchange:
    """Return an exchange in which Bob is long ten coins from 100 with initial margin."""
    exchange = funded()
    exchange.trade(BOB, ALICE, 10 * COIN, 100_00)
    return exchange


# --- place orders ---------------------------------------------------------------------------------


@case("place_orders/gtc_rests")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, exchange.orders(ALICE, order(BUY, COIN, 99_00, client_id=1))


@case("place_orders/gtc_takes_and_rests")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, 2 * COIN, 101_50))


@case("place_orders/ioc_takes_and_is_gone")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, 3 * COIN, 102_00, IOC))


@case("place_orders/only_what_may_stay_needs_room")
def _() -> tuple[Exchange, Command]:
    limits = msgspec.structs.replace(RULES.limits, open_orders_per_account=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    exchange.place(ALICE, order(SELL, COIN, 101_00))
    exchange.place(BOB, order(BUY, COIN, 99_00), order(BUY, COIN, 98_00))
    taking = (order(BUY, COIN // 2, 101_00), order(BUY, COIN // 2, 101_00, IOC))
    return exchange, exchange.orders(BOB, *taking)


@case("place_orders/fok_fills")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, 2 * COIN, 102_00, FOK))


@case("place_orders/fok_is_killed")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, 2 * COIN + 1, 102_00, FOK))


@case("place_orders/post_only_would_cross")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(BUY, COIN, 101_00, POST_ONLY))


@case("place_orders/market_is_held_to_the_band")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(BOB, order(SELL, COIN, 1, MARKET))


@case("place_orders/market_sell_is_worth_the_mark")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    selling = (order(SELL, 100, 80_00, MARKET), order(SELL, 99, 80_00, MARKET))
    return exchange, exchange.orders(BOB, *selling)


@case("place_orders/self_trade_is_prevented")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.orders(ALICE, order(BUY, COIN, 101_00))


@case("place_orders/reduce_only_is_clipped")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    return exchange, exchange.orders(BOB, order(SELL, 50 * COIN, 105_00, reduce_only=True))


@case("place_orders/closing_drops_idle_reduce_only_orders")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.place(BOB, order(SELL, COIN, 105_00, reduce_only=True))
    exchange.place(CAROL, order(BUY, 10 * COIN, 100_00))
    return exchange, exchange.orders(BOB, order(SELL, 10 * COIN, 100_00))


@case("place_orders/flip_through_zero")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.place(CAROL, order(BUY, 15 * COIN, 103_00))
    return exchange, exchange.orders(BOB, order(SELL, 15 * COIN, 103_00))


@case("place_orders/partial_close_releases_margin")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.place(CAROL, order(BUY, 3_333, 103_01))
    return exchange, exchange.orders(BOB, order(SELL, 3_333, 103_01, IOC))


@case("place_orders/maker_cannot_pay")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    exchange.place(ALICE, order(SELL, 80 * COIN, 119_00))
    exchange.fund(BOB, 10_000)
    exchange.mark(150_00)
    return exchange, exchange.orders(BOB, order(BUY, 80 * COIN, 121_00))


@case("place_orders/bulk_with_mixed_results")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    orders = (
        order(BUY, COIN, 98_00, client_id=3),
        order(BUY, COIN, 300_00),
        order(BUY, COIN, 97_00, client_id=3),
    )
    cancels = (CancelOrder(client_id=ClientOrderId(7)), CancelOrder(OrderId(77)))
    return exchange, exchange.orders(ALICE, *orders, cancels=cancels)


@case("place_orders/every_item_rejected")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    orders = (order(BUY, COIN, 300_00), order(BUY, 1, 100_00))
    return exchange, exchange.orders(BOB, *orders)


@case("place_orders/nonce_used")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    action = exchange.orders(ALICE, order(BUY, COIN, 99_00))
    exchange.do(action)
    return exchange, action


# --- other actions --------------------------------------------------------------------------------


@case("cancel_all/one_market")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    exchange.place(ALICE, order(BUY, COIN, 99_00, market=2))
    return exchange, exchange.cancel_all(ALICE, 1)


@case("cancel_all/nothing_to_cancel")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, exchange.cancel_all(BOB)


@case("adjust_margin/add")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    return exchange, exchange.adjust(BOB, 12_345_678)


@case("adjust_margin/remove")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    exchange.mark(110_00)
    return exchange, exchange.adjust(BOB, -90 * DOLLAR)


@case("adjust_margin/remove_too_much")
def _() -> tuple[Exchange, Command]:
    exchange = long_of_ten()
    return exchange, exchange.adjust(BOB, -1)


@case("withdraw/opens_a_withdrawal")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, Withdraw(*exchange.head(ALICE), Money(400 * DOLLAR + 1))


@case("withdraw/more_than_is_free")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    return exchange, Withdraw(*exchange.head(ALICE), Money(1_000 * DOLLAR))


@case("approve_agent/approve")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    until = Millis(exchange.state.time + 5_000)
    return exchange, ApproveAgent(*exchange.head(ALICE), MALLORY.address, until)


@case("approve_agent/revoke")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    until = Millis(exchange.state.time + 5_000)
    exchange.do(ApproveAgent(*exchange.head(ALICE), MALLORY.address, until))
    return exchange, ApproveAgent(*exchange.head(ALICE), MALLORY.address, Millis(0))


@case("approve_agent/revoke_one_that_has_ended")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    until = Millis(exchange.state.time + 5_000)
    exchange.do(ApproveAgent(*exchange.head(ALICE), MALLORY.address, until))
    exchange.wait(6_000)
    return exchange, ApproveAgent(*exchange.head(ALICE), MALLORY.address, Millis(until + 500))


@case("approve_agent/owner_required")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    until = Millis(exchange.state.time + 5_000)
    exchange.do(ApproveAgent(*exchange.head(ALICE), MALLORY.address, until))
    return exchange, ApproveAgent(*exchange.head(ALICE, MALLORY), CAROL.address, until)


@case("place_orders/work_is_charged")
def _() -> tuple[Exchange, Command]:
    exchange = priced()
    exchange.do(paying(exchange, BOB, order(SELL, COIN, 100_00)))
    taking = (order(BUY, COIN, 100_00, IOC), order(BUY, COIN, 1))
    return exchange, paying(exchange, ALICE, *taking)


@case("place_orders/work_is_too_dear_but_cancels_are_free")
def _() -> tuple[Exchange, Command]:
    exchange = priced()
    exchange.do(paying(exchange, ALICE, order(BUY, COIN, 99_00)))
    cancels, orders = (CancelOrder(OrderId(1)),), (order(BUY, COIN, 98_00),)
    return exchange, PlaceOrders(*exchange.head(ALICE), cancels, orders, Money(999))


@case("place_orders/fok_is_killed_and_pays")
def _() -> tuple[Exchange, Command]:
    exchange = priced()
    exchange.do(paying(exchange, BOB, order(SELL, COIN, 100_00)))
    return exchange, paying(exchange, ALICE, order(BUY, 2 * COIN, 100_00, FOK))


# --- the exchange's own commands ------------------------------------------------------------------


@case("open_block/next")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, OpenBlock(exchange.state.block + 1, Millis(exchange.state.time + 7))


@case("open_block/the_price_moves")
def _() -> tuple[Exchange, Command]:
    exchange = priced()
    time = Millis(exchange.state.time + 1_000)
    return exchange, OpenBlock(exchange.state.block + 1, time, Money(1_125), Millis(780_000))


@case("open_block/the_price_moves_too_far")
def _() -> tuple[Exchange, Command]:
    exchange = priced()
    time = Millis(exchange.state.time + 1_000)
    return exchange, OpenBlock(exchange.state.block + 1, time, Money(1_126))


@case("open_block/time_goes_back")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, OpenBlock(exchange.state.block + 1, Millis(exchange.state.time - 1))


@case("deposit/opens_an_account")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, Deposit(3, MALLORY.address, Money(5))


@case("deposit/out_of_order")
def _() -> tuple[Exchange, Command]:
    exchange = funded()
    return exchange, Deposit(4, MALLORY.address, Money(5))


@case("oracle_round/moves_marks_and_samples_premiums")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    exchange.wait(10)
    return exchange, exchange.round(100_10, 55_55)


@case("oracle_round/lacks_its_quorum")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    exchange.wait(10)
    full = exchange.round(100_10, 55_55)
    return exchange, OracleRound(full.time, full.reports[:1])


@case("oracle_round/held_back_until_it_is_stale")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    exchange.wait(10)
    held_back = exchange.round(94_00, 55_55)
    exchange.wait(60_001)
    return exchange, held_back


@case("settle_funding/moves_the_index")
def _() -> tuple[Exchange, Command]:
    exchange = quoted()
    exchange.place(CAROL, order(BUY, COIN, 100_80))
    exchange.mark(100_00)
    exchange.wait(3_600_000)
    return exchange, SettleFunding()


@case("settle_funding/not_due")
def _() -> tuple[Exchange, Command]:
    return funded(), SettleFunding()
