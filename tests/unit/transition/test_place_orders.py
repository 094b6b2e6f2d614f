"""Orders of every type, bulk actions, self-trades, reduce-only, and what the book shows after."""

import msgspec
import pytest

from node.types.commands import CancelOrder, OrderType, Side
from node.types.errors import (
    DuplicateClientId,
    EveryItemRejected,
    FillOrKillUnfilled,
    NothingToTake,
    PostOnlyWouldCross,
    ReduceOnlyNothing,
    SizeInvalid,
    TooManyItems,
    UnknownOrder,
)
from node.types.events import CancelReason, ItemRejected, OrderAccepted, OrderCancelled, OrderRested
from node.types.ids import ClientOrderId, OrderId
from tests.examples import ALICE, BOB, CAROL, DAVE, DOLLAR, RULES
from tests.unit.transition.exchange import BUY, COIN, ETH, SELL, Exchange, order

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange of four people with ten thousand dollars each."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL, DAVE):
        exchange.fund(person, 10_000)
    return exchange


def reasons(exchange: Exchange) -> list[tuple[int, CancelReason, bool]]:
    """Return (remaining, reason, resting) of the orders that the last command cancelled."""
    told = exchange.told(OrderCancelled)
    return [(event.remaining, event.reason, event.resting) for event in told]


# --- types ----------------------------------------------------------------------------------------


def test_a_gtc_order_rests_and_reserves_margin_and_the_dearer_fee(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    (rested,) = exchange.told(OrderRested)
    assert (rested.price, rested.remaining) == (99_00, COIN)
    reserve = 9_900_000 + 49_500
    account = exchange.account(ALICE)
    assert (account.free, account.reserved) == (10_000 * DOLLAR - reserve, reserve)


def test_a_gtc_order_takes_what_it_can_and_rests_with_the_remainder(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00), order(SELL, COIN, 102_00))
    exchange.place(BOB, order(BUY, 2 * COIN, 101_00))
    assert exchange.fills() == [(100_00, COIN)]
    assert exchange.book() == ([(101_00, COIN)], [(102_00, COIN)])
    assert exchange.account(BOB).reserved == 10_100_000 + 50_500


def test_an_ioc_order_never_rests(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, 3 * COIN, 101_00, IOC))
    assert exchange.fills() == [(100_00, COIN)]
    assert reasons(exchange) == [(2 * COIN, CancelReason.IMMEDIATE_REMAINDER, False)]
    assert exchange.book() == ([], [])
    assert exchange.account(BOB).reserved == 0


@pytest.mark.parametrize("kind", [IOC, FOK, MARKET])
def test_an_immediate_order_with_nothing_to_take_is_rejected(
    exchange: Exchange, kind: OrderType
) -> None:
    alone = exchange.orders(BOB, order(BUY, COIN, 100_00, kind))
    assert exchange.refused(alone, NothingToTake) == {"price": 100_00, "best": None}
    exchange.place(ALICE, order(SELL, COIN, 100_01))
    too_low = exchange.orders(BOB, order(BUY, COIN, 100_00, kind))
    assert exchange.refused(too_low, NothingToTake) == {"price": 100_00, "best": 100_01}


def test_a_fok_order_fills_over_several_levels_or_not_at_all(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00), order(SELL, COIN, 101_00))
    exchange.place(CAROL, order(SELL, COIN, 102_00))
    more = exchange.orders(BOB, order(BUY, 2 * COIN + 1, 101_00, FOK))
    assert exchange.refused(more, FillOrKillUnfilled) == {"size": 2 * COIN + 1}
    exchange.place(BOB, order(BUY, 2 * COIN, 101_00, FOK))
    assert exchange.fills() == [(100_00, COIN), (101_00, COIN)]


def test_a_fok_order_sees_beforehand_which_maker_cannot_pay(exchange: Exchange) -> None:
    """Carol's ask is far below the new mark: she would owe the difference at once."""
    exchange.fund(DAVE, 100_000)
    exchange.place(CAROL, order(SELL, 90 * COIN, 110_00))
    exchange.place(DAVE, order(SELL, 90 * COIN, 119_00))
    exchange.mark(250_00)
    buy = order(BUY, 90 * COIN, 200_00, FOK)
    exchange.fund(BOB, 100_000)
    exchange.mark(240_00)
    assert exchange.account(CAROL).free < 90 * 130 * DOLLAR
    exchange.do(exchange.orders(BOB, buy))
    assert exchange.fills() == [(119_00, 90 * COIN)]
    assert reasons(exchange) == [(90 * COIN, CancelReason.MARGIN, True)]


def test_a_fok_order_is_killed_where_it_needs_the_maker_that_cannot_pay(
    exchange: Exchange,
) -> None:
    exchange.place(CAROL, order(SELL, 90 * COIN, 110_00))
    exchange.fund(BOB, 100_000)
    exchange.mark(240_00)
    buy = exchange.orders(BOB, order(BUY, COIN, 200_00, FOK))
    exchange.do(buy)
    assert exchange.fills() == [(110_00, COIN)]
    rest = exchange.orders(BOB, order(BUY, 89 * COIN, 200_00, FOK))
    assert exchange.refused(rest, FillOrKillUnfilled) == {"size": 89 * COIN}
    assert exchange.book()[1] == [(110_00, 89 * COIN)]


def test_a_fok_order_counts_its_steps(exchange: Exchange) -> None:
    limits = msgspec.structs.replace(RULES.limits, fills_per_order=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, *[order(SELL, COIN, price) for price in (100_00, 101_00, 102_00)])
    three = exchange.orders(BOB, order(BUY, 3 * COIN, 102_00, FOK))
    exchange.refused(three, FillOrKillUnfilled)
    exchange.place(BOB, order(BUY, 3 * COIN, 102_00))
    assert exchange.fills() == [(100_00, COIN), (101_00, COIN)]
    assert reasons(exchange) == [(COIN, CancelReason.FILL_LIMIT, False)]
    assert exchange.book() == ([], [(102_00, COIN)])


def test_a_post_only_order_rests_or_is_rejected(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    crossing = exchange.orders(BOB, order(BUY, COIN, 100_00, POST_ONLY))
    assert exchange.refused(crossing, PostOnlyWouldCross) == {"price": 100_00, "best": 100_00}
    exchange.place(BOB, order(BUY, COIN, 99_99, POST_ONLY))
    assert exchange.book() == ([(99_99, COIN)], [(100_00, COIN)])


@pytest.mark.parametrize(("side", "edge"), [(BUY, 120_00), (SELL, 80_00)])
def test_a_market_order_is_held_to_the_band(exchange: Exchange, side: Side, edge: int) -> None:
    taken, other = (SELL, BUY) if side == BUY else (BUY, SELL)
    exchange.place(ALICE, order(taken, COIN, edge))
    exchange.place(BOB, order(other, COIN, 2 * 120_00 if side == BUY else 1, MARKET))
    assert exchange.told(OrderAccepted)[0].price == edge
    assert exchange.fills() == [(edge, COIN)]


def test_time_decides_between_equal_prices(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(CAROL, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert first not in exchange.account(ALICE).orders
    assert exchange.position(CAROL).size == 0


# --- self-trades ----------------------------------------------------------------------------------


def test_a_maker_of_the_takers_own_account_is_cancelled(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    assert reasons(exchange) == [(COIN, CancelReason.SELF_TRADE, True)]
    assert exchange.fills() == [(100_00, COIN)]
    assert exchange.account(ALICE).reserved == 0


def test_after_self_trades_alone_the_order_rests(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(ALICE, order(BUY, COIN, 101_00))
    assert exchange.book() == ([(101_00, COIN)], [])


# --- reduce-only ----------------------------------------------------------------------------------


def test_a_reduce_only_order_is_clipped_to_the_position(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(BOB, order(SELL, 5 * COIN, 101_00, reduce_only=True))
    assert exchange.book() == ([], [(101_00, COIN)])
    assert exchange.account(BOB).reserved == 0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_reduce_only_order_needs_an_opposing_position(exchange: Exchange, side: Side) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    owner = BOB if side == BUY else ALICE
    wrong = exchange.orders(owner, order(side, COIN, 100_00, reduce_only=True))
    assert exchange.refused(wrong, ReduceOnlyNothing) == {"market": 1}
    none = exchange.orders(CAROL, order(side, COIN, 100_00, reduce_only=True))
    exchange.refused(none, ReduceOnlyNothing)


def test_reduce_only_orders_leave_the_book_with_the_position(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(BOB, order(SELL, COIN, 101_00, reduce_only=True, client_id=5))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00))
    assert reasons(exchange) == [(COIN, CancelReason.REDUCE_ONLY, True)]
    assert exchange.book() == ([], [])
    assert exchange.account(BOB).clients == {}


def test_a_reduce_only_maker_trades_only_what_it_can_still_reduce(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, 2 * COIN, 100_00)
    exchange.place(BOB, order(SELL, 2 * COIN, 101_00, reduce_only=True))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00))
    exchange.place(CAROL, order(BUY, 2 * COIN, 101_00))
    assert exchange.fills() == [(101_00, COIN)]
    assert reasons(exchange) == [(COIN, CancelReason.REDUCE_ONLY, True)]
    assert exchange.book() == ([(101_00, COIN)], [])
    assert exchange.position(BOB).size == 0


def test_a_flip_cancels_the_reduce_only_orders_of_the_old_side(exchange: Exchange) -> None:
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(BOB, order(SELL, COIN, 105_00, reduce_only=True))
    exchange.place(ALICE, order(BUY, 3 * COIN, 100_00))
    exchange.place(BOB, order(SELL, 3 * COIN, 100_00))
    assert exchange.position(BOB).size == -2 * COIN
    assert reasons(exchange) == [(COIN, CancelReason.REDUCE_ONLY, True)]


# --- margin on the way ----------------------------------------------------------------------------


def test_a_taker_whose_money_ends_keeps_what_it_took() -> None:
    """Sold at 80 where the mark is 100, each coin costs the seller 20, and 10 of margin."""
    exchange = Exchange()
    exchange.fund(ALICE, 100_000)
    exchange.fund(DAVE, 5_000)
    exchange.place(ALICE, order(BUY, 200 * COIN, 80_00))
    hasty = order(SELL, 100 * COIN, 80_00, IOC)
    exchange.place(DAVE, hasty)
    exchange.place(DAVE, hasty)
    assert exchange.position(DAVE).size == -100 * COIN
    assert reasons(exchange) == [(100 * COIN, CancelReason.MARGIN, False)]


def test_what_is_left_of_a_gtc_order_must_be_paid_for() -> None:
    """One coin at 118 costs 28 and the fee; two cents less than two are left for the other."""
    exchange = Exchange()
    exchange.fund(ALICE, 1_000)
    exchange.fund(BOB, 30)
    exchange.place(ALICE, order(SELL, COIN, 118_00))
    exchange.place(BOB, order(BUY, 2 * COIN, 119_00))
    assert exchange.fills() == [(118_00, COIN)]
    assert exchange.account(BOB).free == 2 * DOLLAR - 59_000
    assert reasons(exchange) == [(COIN, CancelReason.MARGIN, False)]


# --- bulk -----------------------------------------------------------------------------------------


def test_each_item_of_a_bulk_action_has_its_own_result(exchange: Exchange) -> None:
    kept = exchange.place(ALICE, order(BUY, COIN, 95_00, client_id=3))
    exchange.do(
        exchange.orders(
            ALICE,
            order(BUY, COIN, 96_00, client_id=4),
            order(SELL, COIN, 500_00),
            order(BUY, COIN, 97_00),
            cancels=(CancelOrder(kept), CancelOrder(OrderId(999))),
        )
    )
    assert [event.item for event in exchange.told(OrderAccepted)] == [2, 4]
    refused = [(e.item, e.error, e.values) for e in exchange.told(ItemRejected)]
    assert refused == [
        (1, "UnknownOrder", {"order_id": 999, "client_id": 0}),
        (3, "PriceOutsideBand", {"price": 500_00, "low": 80_00, "high": 120_00}),
    ]
    assert exchange.book() == ([(97_00, COIN), (96_00, COIN)], [])


def test_a_bulk_action_of_which_nothing_applies_is_rejected_whole(exchange: Exchange) -> None:
    nothing = exchange.orders(
        ALICE, order(BUY, 0, 96_00), cancels=(CancelOrder(OrderId(9)), CancelOrder())
    )
    values = exchange.refused(nothing, EveryItemRejected)
    assert [one["code"] for one in values["errors"]] == [1210, 1210, SizeInvalid.code]
    # The nonce was not used up: the very same action may come again, and does not read "replayed".
    exchange.refused(nothing, EveryItemRejected)


def test_each_order_of_a_quote_that_would_cross_is_told_the_best_price(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 99_00), order(SELL, COIN, 101_00))
    both = exchange.orders(
        ALICE, order(BUY, COIN, 101_00, POST_ONLY), order(SELL, COIN, 98_00, POST_ONLY)
    )
    shared = {"code": PostOnlyWouldCross.code, "name": "PostOnlyWouldCross"}
    assert exchange.refused(both, EveryItemRejected) == {
        "errors": [
            shared | {"values": {"price": 101_00, "best": 101_00}},
            shared | {"values": {"price": 98_00, "best": 99_00}},
        ]
    }


def test_a_bulk_action_has_items_and_not_too_many(exchange: Exchange) -> None:
    empty = exchange.orders(ALICE)
    assert exchange.refused(empty, TooManyItems) == {"items": 0, "limit": 100}
    many = exchange.orders(ALICE, *[order(BUY, COIN, 90_00)] * 101)
    assert exchange.refused(many, TooManyItems) == {"items": 101, "limit": 100}


def test_cancels_come_first_and_free_their_money_but_not_their_names() -> None:
    exchange = Exchange()
    exchange.fund(ALICE, 10)
    exchange.place(ALICE, order(BUY, 9_000, 100_00, client_id=1))
    exchange.do(
        exchange.orders(
            ALICE,
            order(BUY, 9_000, 101_00, client_id=2),
            order(BUY, 9_000, 99_00, client_id=1),
            cancels=(CancelOrder(client_id=ClientOrderId(1)),),
        )
    )
    (refused,) = exchange.told(ItemRejected)
    assert (refused.item, refused.code) == (2, DuplicateClientId.code)
    assert exchange.book() == ([(101_00, 9_000)], [])


def test_one_cannot_cancel_what_another_placed(exchange: Exchange) -> None:
    theirs = exchange.place(ALICE, order(BUY, COIN, 95_00, client_id=3))
    by_order = exchange.orders(BOB, cancels=(CancelOrder(theirs),))
    exchange.refused(by_order, UnknownOrder)
    by_client = exchange.orders(BOB, cancels=(CancelOrder(client_id=ClientOrderId(3)),))
    assert exchange.refused(by_client, UnknownOrder) == {"order_id": 0, "client_id": 3}


def test_markets_do_not_mix(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00, market=ETH))
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert exchange.fills() == []
    exchange.place(BOB, order(BUY, COIN, 100_00, IOC, market=ETH))
    assert exchange.position(BOB, ETH).size == COIN
