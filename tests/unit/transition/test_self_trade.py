"""An account meets itself: what the arriving order asks for, down to the last unit of reserve."""

import pytest

from node.types.commands import OrderType, SelfTrade
from node.types.errors import FillOrKillUnfilled, PostOnlyWouldCross
from node.types.events import CancelReason, OrderAccepted, OrderAmended
from tests.examples import ALICE, BOB, CAROL
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

GTC, IOC, FOK, POST_ONLY, MARKET, SLIDE = OrderType
CANCEL_MAKER, CANCEL_TAKER, CANCEL_BOTH, DECREMENT = SelfTrade
OUT = CancelReason.SELF_TRADE


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange in which Alice asks 101, Bob behind her at 101 and Carol 102."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, 3 * COIN, 101_00))
    exchange.place(BOB, order(SELL, 2 * COIN, 101_00))
    exchange.place(CAROL, order(SELL, 2 * COIN, 102_00))
    return exchange


@pytest.mark.parametrize(
    ("mode", "gone", "asks", "bids"),
    [
        (CANCEL_MAKER, [(1, OUT, True)], [(101_00, COIN), (102_00, 2 * COIN)], []),
        (CANCEL_TAKER, [(4, OUT, False)], [(101_00, 5 * COIN), (102_00, 2 * COIN)], []),
        (
            CANCEL_BOTH,
            [(1, OUT, True), (4, OUT, False)],
            [(101_00, 2 * COIN), (102_00, 2 * COIN)],
            [],
        ),
        (DECREMENT, [(4, OUT, False)], [(101_00, 4 * COIN), (102_00, 2 * COIN)], []),
    ],
)
def test_what_becomes_of_both(
    exchange: Exchange,
    mode: SelfTrade,
    gone: list[tuple[int, CancelReason, bool]],
    asks: list[tuple[int, int]],
    bids: list[tuple[int, int]],
) -> None:
    exchange.place(ALICE, order(BUY, COIN, 101_00, self_trade=mode))
    assert exchange.gone() == gone
    assert exchange.book() == (bids, asks)


def test_decrement_frees_what_the_maker_no_longer_needs(exchange: Exchange) -> None:
    account = exchange.account(ALICE)
    before, worth = account.reserved, account.free + account.reserved
    exchange.place(ALICE, order(BUY, COIN, 101_00, self_trade=DECREMENT))
    (event,) = exchange.told(OrderAmended)
    assert (event.order_id, event.resting, event.price_before) == (1, True, 101_00)
    assert (event.remaining_before, event.remaining) == (3 * COIN, 2 * COIN)
    assert account.reserved == before * 2 // 3
    assert account.free + account.reserved == worth
    assert account.orders[event.order_id].size == 2 * COIN


def test_decrement_takes_what_is_left_further(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, 6 * COIN, 101_00, self_trade=DECREMENT))
    assert exchange.gone() == [(1, OUT, True)]
    assert exchange.fills() == [(101_00, 2 * COIN)]
    assert exchange.book()[0] == [(101_00, COIN)]
    (resting,) = exchange.account(ALICE).orders.values()
    assert (resting.size, resting.remaining) == (3 * COIN, COIN)


def test_decrement_leaves_no_dust(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, 3 * COIN - 98, 101_00, self_trade=DECREMENT))
    assert exchange.gone() == [(1, OUT, True), (4, OUT, False)]
    assert exchange.told(OrderAmended) == []
    assert exchange.account(ALICE).reserved == 0


@pytest.mark.parametrize(("more", "rests"), [(99, []), (100, [(101_00, 100)])])
def test_decrement_leaves_no_dust_of_the_taker_either(
    exchange: Exchange, more: int, rests: list[tuple[int, int]]
) -> None:
    """A hundred lots at 101 dollars are worth a dollar, the minimum, and ninety-nine are not."""
    exchange.do(exchange.cancel_all(BOB))
    exchange.place(ALICE, order(BUY, 3 * COIN + more, 101_00, self_trade=DECREMENT))
    assert exchange.book() == (rests, [(102_00, 2 * COIN)])
    out = [] if rests else [(4, OUT, False)]
    assert exchange.gone() == [(1, OUT, True), *out]


def test_decrement_of_an_order_that_closes_never_reserves_more() -> None:
    """Alice is long: half of her ask closes, and the whole of what is left does."""
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.trade(ALICE, BOB, 2 * COIN, 100_00)
    ask = exchange.place(ALICE, order(SELL, 4 * COIN, 101_00))
    before = exchange.account(ALICE).reserved
    exchange.place(ALICE, order(BUY, 2 * COIN, 101_00, self_trade=DECREMENT))
    assert exchange.account(ALICE).orders[ask].remaining == 2 * COIN
    assert exchange.account(ALICE).reserved == before


@pytest.mark.parametrize("mode", [CANCEL_TAKER, CANCEL_BOTH, DECREMENT])
def test_a_fill_or_kill_order_is_killed_before_its_own_account(
    exchange: Exchange, mode: SelfTrade
) -> None:
    new = order(BUY, COIN, 102_00, FOK, self_trade=mode)
    exchange.refused(exchange.orders(ALICE, new), FillOrKillUnfilled)
    exchange.refused(
        exchange.orders(CAROL, order(BUY, 6 * COIN, 102_00, FOK, self_trade=mode)),
        FillOrKillUnfilled,
    )
    # What is filled before it meets itself is filled in full.
    exchange.place(CAROL, order(BUY, 5 * COIN, 102_00, FOK, self_trade=mode))
    assert exchange.fills() == [(101_00, 3 * COIN), (101_00, 2 * COIN)]


def test_a_fill_or_kill_order_walks_past_its_own_where_it_cancels_them(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, 3 * COIN, 102_00, FOK))
    assert exchange.fills() == [(101_00, 2 * COIN), (102_00, COIN)]


def test_a_dead_order_of_ones_own_stops_no_fill_or_kill_order() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    end = exchange.state.time + 50
    dead = exchange.place(ALICE, order(SELL, COIN, 100_00, good_till=end))
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.wait(50)
    exchange.place(ALICE, order(BUY, COIN, 101_00, FOK, self_trade=CANCEL_TAKER))
    assert exchange.gone() == [(dead, CancelReason.EXPIRED, True)]
    assert exchange.fills() == [(101_00, COIN)]


# --- sliding --------------------------------------------------------------------------------------


def test_an_order_slides_to_one_tick_before_what_it_would_cross(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 105_00, SLIDE))
    assert exchange.told(OrderAccepted)[0].price == 100_99
    assert exchange.book()[0] == [(100_99, COIN)]
    exchange.place(CAROL, order(SELL, COIN, 90_00, SLIDE))
    assert exchange.book()[1][0] == (101_00, 6 * COIN)
    # It waits its turn: what it reserves is for the price at which it stands.
    assert exchange.account(BOB).orders[max(exchange.account(BOB).orders)].post_only


def test_an_order_that_need_not_slide_stays(exchange: Exchange) -> None:
    exchange.place(BOB, order(BUY, COIN, 100_50, SLIDE))
    assert exchange.book()[0] == [(100_50, COIN)]


def test_nothing_slides_out_of_the_band() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.place(ALICE, order(SELL, COIN, 80_00))
    edge = exchange.orders(BOB, order(BUY, COIN, 90_00, SLIDE))
    assert exchange.refused(edge, PostOnlyWouldCross) == {"price": 90_00, "best": 80_00}
