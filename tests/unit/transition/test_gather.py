"""Who is gathered for an auction, what that holds back, and that nobody meets himself there."""

import msgspec
import pytest

from node.types.commands import (
    AmendOrder,
    CancelOrder,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    SelfTrade,
    Side,
    TriggerOrder,
    Uncross,
)
from node.types.errors import (
    AmendInvalid,
    AuctionFull,
    AuctionPending,
    InsufficientCollateral,
    InsufficientMargin,
    NothingToUncross,
    OrderTypeRefused,
    TooManyOpenOrders,
    UnknownMarket,
)
from node.types.events import (
    CancelReason,
    OrderCancelled,
)
from node.types.ids import ClientOrderId, MarketId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, CAROL, DOLLAR
from tests.unit.transition.auctions import auction_rules, exchange_of, reasons, uncross
from tests.unit.transition.exchange import BTC, BUY, COIN, ETH, SELL, Exchange, order, stop

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange of four people with ten thousand dollars each, its mark at 100."""
    return exchange_of()


# --- gathering ------------------------------------------------------------------------------------


def test_an_arrival_meets_nobody_before_the_block_ends(exchange: Exchange) -> None:
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 101_00))
    assert exchange.fills() == []
    assert exchange.book() == ([], [])
    assert uncross(exchange) == (100_00, COIN)
    assert (exchange.position(BOB).size, exchange.position(ALICE).size) == (COIN, -COIN)


def test_what_arrives_is_an_open_order_that_holds_back_what_filling_it_may_cost(
    exchange: Exchange,
) -> None:
    """A buy at 110 loses 10 against the mark at once, needs 10 of margin there, and its fee."""
    order_id = exchange.place(BOB, order(BUY, COIN, 110_00, client_id=5))
    account = exchange.account(BOB)
    drawn = (10 + 10) * DOLLAR + 55_000
    assert (account.free, account.reserved) == (10_000 * DOLLAR - drawn, drawn)
    assert account.position(BTC).resting == [COIN, 0]
    exchange.do(exchange.orders(BOB, cancels=(CancelOrder(client_id=ClientOrderId(5)),)))
    (cancelled,) = exchange.told(OrderCancelled)
    assert (cancelled.order_id, cancelled.resting) == (order_id, False)
    assert (account.free, account.reserved) == (10_000 * DOLLAR, 0)
    assert exchange.state.closing() == ()
    exchange.refused(Uncross(BTC), NothingToUncross)


def test_who_could_not_pay_his_own_limit_is_not_gathered() -> None:
    exchange = Exchange(auction_rules())
    exchange.fund(BOB, 15)
    action = exchange.orders(BOB, order(BUY, COIN, 110_00))
    values = exchange.refused(action, InsufficientCollateral)
    assert values["required"] == 20 * DOLLAR + 55_000
    exchange.place(BOB, order(BUY, COIN, 101_00))


def test_what_would_close_a_position_beyond_its_margin_is_not_gathered(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 100_00))
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    uncross(exchange)
    exchange.refused(exchange.orders(BOB, order(SELL, COIN, 85_00)), InsufficientMargin)
    # One that may only reduce is let in, and dropped if it comes to that.
    exchange.place(BOB, order(SELL, COIN, 85_00, reduce_only=True))
    exchange.place(CAROL, order(BUY, COIN, 85_00))
    assert uncross(exchange) == (0, 0)
    assert reasons(exchange) == [(COIN, CancelReason.MARGIN, False)]


def test_a_block_does_not_end_while_orders_wait(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    state = exchange.state
    following = OpenBlock(state.block + 1, Millis(state.time + 1))
    assert exchange.refused(following, AuctionPending) == {"market": BTC}
    assert state.closing() == (Uncross(BTC),)
    exchange.do(Uncross(BTC))
    exchange.do(following)


def test_uncross_is_for_a_known_market_in_which_something_arrived(exchange: Exchange) -> None:
    exchange.refused(Uncross(MarketId(3)), UnknownMarket)
    exchange.refused(Uncross(BTC), NothingToUncross)
    exchange.place(ALICE, order(BUY, COIN, 99_00, market=ETH))
    exchange.refused(Uncross(ETH), NothingToUncross)


def test_an_auction_holds_so_many_orders_and_no_more() -> None:
    exchange = exchange_of(orders_per_auction=2)
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.place(CAROL, order(BUY, COIN, 98_00))
    assert exchange.refused(exchange.orders(BOB, order(SELL, COIN, 99_00)), AuctionFull) == {
        "limit": 2
    }
    exchange.place(BOB, order(SELL, COIN, 101_00, POST_ONLY))
    exchange.do(exchange.cancel_all(ALICE))
    exchange.place(BOB, order(SELL, COIN, 99_00))


@pytest.mark.parametrize("kind", [IOC, MARKET])
def test_what_is_gathered_is_an_open_order_of_any_type(kind: OrderType) -> None:
    exchange = exchange_of(open_orders_per_account=1)
    exchange.place(ALICE, order(BUY, COIN, 99_00, kind))
    second = exchange.orders(ALICE, order(BUY, COIN, 99_00, kind))
    assert exchange.refused(second, TooManyOpenOrders) == {"limit": 1}


@pytest.mark.parametrize("kind", [GTC, POST_ONLY])
def test_one_account_takes_an_eighth_of_an_auction(kind: OrderType) -> None:
    """Nine are more than eight times one, so each may have two."""
    exchange = exchange_of(orders_per_auction=9)
    exchange.place(ALICE, *[order(BUY, COIN, 98_00, kind)] * 2)
    third = exchange.orders(ALICE, order(BUY, COIN, 98_00, kind))
    assert exchange.refused(third, AuctionFull) == {"limit": 2}
    exchange.place(BOB, *[order(SELL, COIN, 99_00, kind)] * 2)
    exchange.place(ALICE, order(BUY, COIN, 98_00, POST_ONLY if kind is GTC else GTC))


def test_a_stop_that_an_auction_has_no_room_for_waits_on() -> None:
    exchange = exchange_of(orders_per_auction=1)
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(SELL, COIN, 100_00, POST_ONLY))
    uncross(exchange)
    exchange.do(exchange.orders(ALICE, stop(SELL, COIN, 90_00, 99_00, group=5)))
    (waiting,) = exchange.account(ALICE).waiting
    exchange.mark(98_00)
    exchange.place(CAROL, order(BUY, COIN, 97_00))
    trigger = TriggerOrder(ALICE.address, waiting)
    assert exchange.refused(trigger, AuctionFull) == {"limit": 1}
    assert waiting in exchange.account(ALICE).waiting
    uncross(exchange)
    exchange.do(trigger)
    assert waiting in exchange.account(ALICE).orders


@pytest.mark.parametrize("new", [order(BUY, COIN, 99_00, FOK), stop(BUY, COIN, 99_00, 110_00, FOK)])
def test_fill_or_kill_has_no_meaning_here(exchange: Exchange, new: NewOrder) -> None:
    action = exchange.orders(BOB, new)
    assert exchange.refused(action, OrderTypeRefused) == {"market": BTC, "type": "fok"}


def test_an_order_that_waits_is_not_amended(exchange: Exchange) -> None:
    order_id = exchange.place(ALICE, order(BUY, COIN, 99_00))
    amend = AmendOrder(BTC, Ticks(98_00), Lots(COIN), order_id)
    action = PlaceOrders(*exchange.head(ALICE), (), (), Money(0), (amend,))
    exchange.refused(action, AmendInvalid)


# --- nobody meets himself -------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "left"), [(99, []), (100, [100])])
def test_decrement_leaves_no_dust_of_what_arrives(
    exchange: Exchange, more: int, left: list[int]
) -> None:
    """A hundred lots at 101 dollars are worth a dollar, the minimum, and ninety-nine are not."""
    exchange.place(ALICE, order(SELL, COIN, 100_00))
    taking = order(BUY, COIN + more, 101_00, self_trade=SelfTrade.DECREMENT)
    exchange.place(ALICE, taking)
    assert [one.remaining for one in exchange.account(ALICE).orders.values()] == left


@pytest.mark.parametrize("mode", SelfTrade)
def test_a_dead_order_of_ones_own_is_not_in_the_way(exchange: Exchange, mode: SelfTrade) -> None:
    dying = order(SELL, COIN, 100_00, good_till=exchange.state.time + 5)
    exchange.place(ALICE, dying)
    uncross(exchange)
    exchange.place(ALICE, order(BUY, 3 * COIN, 101_00, self_trade=mode))
    assert reasons(exchange) == [(COIN, CancelReason.EXPIRED, True)]
    (bought,) = exchange.account(ALICE).orders.values()
    assert (bought.side, bought.remaining) == (BUY, 3 * COIN)


@pytest.mark.parametrize("resting", [True, False])
@pytest.mark.parametrize(
    ("mode", "left", "bought"),
    [
        (SelfTrade.CANCEL_MAKER, 0, COIN),
        (SelfTrade.CANCEL_TAKER, 2 * COIN, 0),
        (SelfTrade.CANCEL_BOTH, 0, 0),
        (SelfTrade.DECREMENT, COIN, 0),
    ],
)
def test_of_two_sides_of_one_account_one_gives_way_on_arrival(
    exchange: Exchange, resting: bool, mode: SelfTrade, left: int, bought: int
) -> None:
    """Alice sells two coins and then buys one; ``bought`` and ``left`` are what of each stays."""
    exchange.place(ALICE, order(SELL, 2 * COIN, 100_00))
    if resting:
        uncross(exchange)
    taking = msgspec.structs.replace(order(BUY, COIN, 100_00), self_trade=mode)
    exchange.place(ALICE, taking)
    stays = {
        side: sum(o.remaining for o in exchange.account(ALICE).orders.values() if o.side is side)
        for side in Side
    }
    assert stays == {Side.SELL: left, Side.BUY: bought}
    assert exchange.account(ALICE).position(BTC).resting == [bought, left]
    if exchange.state.closing():
        assert uncross(exchange) == (0, 0)
    assert exchange.account(ALICE).position(BTC).size == 0
