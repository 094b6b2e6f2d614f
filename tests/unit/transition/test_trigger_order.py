"""Orders that wait for the mark: how they enter, when they arrive, what then becomes of them."""

import msgspec
import pytest

from node.transition.state import State
from node.types.commands import CancelOrder, OrderType, SelfTrade, Side, Trigger, TriggerOrder
from node.types.errors import (
    DuplicateClientId,
    MarkStale,
    NotionalTooSmall,
    NotTriggered,
    OrderExpired,
    PlimsollError,
    SizeInvalid,
    TooManyOpenOrders,
    TriggerInvalid,
    UnknownAccount,
    UnknownMarket,
    UnknownOrder,
)
from node.types.events import (
    CancelReason,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    TriggerSet,
)
from node.types.ids import Address, ClientOrderId, OrderId
from node.types.units import Millis, Ticks
from tests.examples import ALICE, BOB, CAROL, DOLLAR, RULES
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order, stop, target

IOC, FOK, POST_ONLY, MARKET, SLIDE = (
    OrderType.IOC,
    OrderType.FOK,
    OrderType.POST_ONLY,
    OrderType.MARKET,
    OrderType.SLIDE,
)


# --- entry ----------------------------------------------------------------------------------------


def test_a_trigger_order_waits_outside_the_book_and_reserves_nothing(exchange: Exchange) -> None:
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00, client_id=4))
    (event,) = exchange.told(TriggerSet)
    assert (event.trigger, event.trigger_price, event.price) == (Trigger.STOP, 105_00, 106_00)
    assert exchange.book() == ([], [])
    account = exchange.account(ALICE)
    assert (account.free, account.reserved) == (1_000 * DOLLAR, 0)
    assert account.clients[ClientOrderId(4)] is account.waiting[waiting]


@pytest.mark.parametrize(
    ("side", "trigger", "met", "unmet"),
    [
        (BUY, Trigger.STOP, 100_00, 100_01),
        (SELL, Trigger.STOP, 100_00, 99_99),
        (BUY, Trigger.TAKE_PROFIT, 100_00, 99_99),
        (SELL, Trigger.TAKE_PROFIT, 100_00, 100_01),
    ],
)
def test_a_trigger_that_is_met_already_does_not_enter(
    exchange: Exchange, side: Side, trigger: Trigger, met: int, unmet: int
) -> None:
    def asked(at: int) -> object:
        new = order(side, COIN, 100_00, trigger=trigger, trigger_price=Ticks(at))
        return exchange.orders(ALICE, new)

    assert exchange.refused(asked(met), TriggerInvalid) == {  # type: ignore[arg-type]
        "trigger_price": met,
        "mark": 100_00,
    }
    exchange.do(asked(unmet))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"trigger": Trigger.NONE}, TriggerInvalid),
        ({"trigger_price": 0}, TriggerInvalid),
        ({"trigger_price": 2**48}, TriggerInvalid),
        ({"market": 9}, UnknownMarket),
        ({"size": 0}, SizeInvalid),
        ({"size": 1_000 * COIN + 1}, SizeInvalid),
        ({"size": 94}, NotionalTooSmall),
        ({"price": 0}, NotionalTooSmall),
        ({"good_till": 1}, OrderExpired),
        ({"client_id": 7}, DuplicateClientId),
    ],
)
def test_what_could_never_arrive_does_not_wait(
    exchange: Exchange, more: dict[str, object], error: type[PlimsollError]
) -> None:
    exchange.place(ALICE, order(BUY, COIN, 90_00, client_id=7))
    new = msgspec.structs.replace(stop(BUY, COIN, 106_00, at=105_00), **more)
    exchange.refused(exchange.orders(ALICE, new), error)


def test_a_market_order_is_worth_what_its_trigger_says(exchange: Exchange) -> None:
    exchange.wait_for(ALICE, stop(SELL, COIN, 1, at=95_00, kind=MARKET))
    small = exchange.orders(ALICE, stop(SELL, 105, 1, at=95_00, kind=MARKET))
    exchange.refused(small, NotionalTooSmall)


def test_a_market_sell_that_could_wait_is_large_enough_wherever_the_mark_meets_it(
    exchange: Exchange,
) -> None:
    waiting = exchange.wait_for(ALICE, stop(SELL, 106, 1, at=95_00, kind=MARKET))
    exchange.place(BOB, order(BUY, COIN, 89_00))
    exchange.mark(90_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.fills() == [(89_00, 106)]


def test_without_a_mark_nothing_waits() -> None:
    exchange = Exchange(mark=0)
    exchange.fund(ALICE, 1_000)
    early = exchange.orders(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    assert exchange.refused(early, MarkStale) == {"market": 1, "limit": 60_000}


def test_waiting_orders_count_among_the_open_ones() -> None:
    limits = msgspec.structs.replace(RULES.limits, open_orders_per_account=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    exchange.fund(ALICE, 1_000)
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    for more in (order(BUY, COIN, 98_00), stop(BUY, COIN, 106_00, at=105_00)):
        exchange.refused(exchange.orders(ALICE, more), TooManyOpenOrders)
    # Its own place is free for it when it arrives.
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert len(exchange.account(ALICE).orders) == 2


def test_waiting_orders_are_cancelled_like_others(exchange: Exchange) -> None:
    first = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    second = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00, client_id=4))
    exchange.do(exchange.orders(ALICE, cancels=(CancelOrder(first),)))
    assert exchange.gone() == [(first, CancelReason.BY_ACCOUNT, False)]
    resting = exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.do(exchange.cancel_all(ALICE))
    assert exchange.gone() == [
        (second, CancelReason.BY_ACCOUNT, False),
        (resting, CancelReason.BY_ACCOUNT, True),
    ]
    assert exchange.account(ALICE).clients == {}


def test_a_state_with_waiting_orders_comes_back_from_its_leaves(exchange: Exchange) -> None:
    end = Millis(exchange.state.time + 9_000)
    exchange.wait_for(
        ALICE,
        stop(BUY, COIN, 106_00, at=105_00, client_id=4, good_till=end, group=3),
        target(
            SELL, COIN, 1, at=120_00, kind=MARKET, reduce_only=True, group=3,
            self_trade=SelfTrade.DECREMENT,
        ),
        max_fee=77,
    )  # fmt: skip
    exchange.do(exchange.switch(ALICE, end, on_disconnect=True))
    leaves = dict(exchange.state.leaves())
    back = State.from_leaves(exchange.state.rules, exchange.state.domain, leaves.items())
    assert dict(back.leaves()) == leaves
    account, twin = exchange.account(ALICE), back.accounts[ALICE.address]
    assert [one.new for one in twin.waiting.values()] == [
        one.new for one in account.waiting.values()
    ]
    assert [one.max_fee for one in twin.waiting.values()] == [77, 77]
    assert {one.order_id for one in twin.groups[3]} == set(account.waiting)
    assert (twin.switch_at, twin.switch_on_disconnect) == (end, True)


# --- when it is met -------------------------------------------------------------------------------


def test_only_the_mark_lets_it_arrive(exchange: Exchange) -> None:
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    values = exchange.refused(exchange.trigger(ALICE, waiting), NotTriggered)
    assert values == {"mark": 100_00, "trigger_price": 105_00}
    exchange.mark(104_99)
    exchange.refused(exchange.trigger(ALICE, waiting), NotTriggered)
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    (event,) = exchange.told(OrderTriggered)
    assert (event.order_id, event.mark, event.price) == (waiting, 105_00, 106_00)
    assert exchange.book()[0] == [(106_00, COIN)]
    assert not exchange.account(ALICE).waiting
    exchange.refused(exchange.trigger(ALICE, waiting), UnknownOrder)


def test_it_keeps_its_id_and_stands_behind_those_who_came_before_its_moment(
    exchange: Exchange,
) -> None:
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 104_00, at=105_00, client_id=4))
    earlier = exchange.place(BOB, order(BUY, COIN, 104_00))
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    queue = [resting.order_id for resting in exchange.market.book.orders(BUY)]
    assert queue == [earlier, waiting]
    assert exchange.account(ALICE).clients[ClientOrderId(4)].order_id == waiting
    assert [event.order_id for event in exchange.told(OrderRested)] == [waiting]
    assert not exchange.told(OrderAccepted)


def test_a_stop_loss_closes_the_position(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, 2 * COIN, 100_00)
    loss = stop(SELL, 5 * COIN, 1, at=95_00, kind=MARKET, reduce_only=True)
    waiting = exchange.wait_for(BOB, loss)
    exchange.place(CAROL, order(BUY, 9 * COIN, 94_00))
    exchange.mark(95_00)
    exchange.do(exchange.trigger(BOB, waiting))
    (event,) = exchange.told(OrderTriggered)
    # Held to the band, and to what there is to reduce.
    assert (event.price, event.size) == (76_00, 2 * COIN)
    assert exchange.fills() == [(94_00, 2 * COIN)]
    assert exchange.position(BOB).size == 0


def test_reduce_only_orders_arrive_on_an_old_mark_and_others_do_not(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    closing = exchange.wait_for(BOB, stop(SELL, COIN, 94_00, at=95_00, reduce_only=True))
    opening = exchange.wait_for(BOB, stop(SELL, COIN, 94_00, at=95_00))
    exchange.mark(95_00)
    exchange.wait(61_000)
    exchange.refused(exchange.trigger(BOB, opening), MarkStale)
    exchange.do(exchange.trigger(BOB, closing))
    assert exchange.book()[1] == [(94_00, COIN)]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (stop(BUY, COIN, 150_00, at=105_00), "PriceOutsideBand"),
        (stop(BUY, COIN, 104_00, at=105_00, kind=IOC), "NothingToTake"),
        (stop(BUY, 9 * COIN, 110_00, at=105_00, kind=FOK), "FillOrKillUnfilled"),
        (stop(BUY, COIN, 110_00, at=105_00, kind=POST_ONLY), "PostOnlyWouldCross"),
        (stop(BUY, COIN, 110_00, at=105_00, reduce_only=True), "ReduceOnlyNothing"),
        (stop(BUY, 900 * COIN, 110_00, at=105_00), "InsufficientCollateral"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_that_is_refused_on_arrival_is_used_up(
    exchange: Exchange, new: object, reason: str
) -> None:
    assert reason
    waiting = exchange.wait_for(ALICE, new)  # type: ignore[arg-type]
    exchange.place(BOB, order(SELL, COIN, 108_00))
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.gone() == [(waiting, CancelReason.REFUSED_ON_ARRIVAL, False)]
    assert [type(event) for event in exchange.events[:2]] == [OrderTriggered, OrderCancelled]
    account = exchange.account(ALICE)
    assert (account.orders, account.waiting, account.reserved) == ({}, {}, 0)


@pytest.mark.parametrize(
    ("kind", "fills", "bids"),
    [
        (OrderType.GTC, [(108_00, COIN)], [(110_00, COIN)]),
        (IOC, [(108_00, COIN)], []),
        (MARKET, [(108_00, COIN)], []),
        (SLIDE, [], [(107_99, 2 * COIN)]),
    ],
)
def test_it_arrives_as_the_type_it_is(
    exchange: Exchange, kind: OrderType, fills: list[tuple[int, int]], bids: list[tuple[int, int]]
) -> None:
    waiting = exchange.wait_for(ALICE, stop(BUY, 2 * COIN, 110_00, at=105_00, kind=kind))
    exchange.place(BOB, order(SELL, COIN, 108_00))
    exchange.mark(105_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.fills() == fills
    assert exchange.book()[0] == bids


def test_one_whose_time_is_over_expires_instead(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00, good_till=end))
    exchange.wait(49)
    exchange.refused(exchange.trigger(ALICE, waiting), NotTriggered)
    exchange.wait(1)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.gone() == [(waiting, CancelReason.EXPIRED, False)]


def test_only_what_waits_is_triggered(exchange: Exchange) -> None:
    resting = exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.refused(exchange.trigger(ALICE, resting), UnknownOrder)
    exchange.refused(exchange.trigger(BOB, resting), UnknownOrder)
    nobody = TriggerOrder(Address(bytes(20)), OrderId(1))
    exchange.refused(nobody, UnknownAccount)


def test_a_liquidation_leaves_what_waits(exchange: Exchange) -> None:
    exchange.fund(ALICE, 10_000)
    exchange.trade(BOB, ALICE, 90 * COIN, 100_00)
    waiting = exchange.wait_for(BOB, stop(SELL, COIN, 80_00, at=85_00, reduce_only=True))
    exchange.place(CAROL, order(BUY, 90 * COIN, 93_00))
    exchange.mark(94_00)
    exchange.do(exchange.liquidate(BOB))
    assert list(exchange.account(BOB).waiting) == [waiting]
