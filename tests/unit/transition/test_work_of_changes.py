"""What amends and trigger orders pay for the work that they make, and what stays free."""

import msgspec
import pytest

from node.types.commands import (
    AmendOrder,
    CancelOrder,
    NewOrder,
    OpenBlock,
    OrderType,
    Uncross,
)
from node.types.errors import FeeAboveMax, UnknownOrder
from node.types.events import Filled, ItemRejected, OrderAmended, WorkCharged
from node.types.fees import FeeRules
from node.types.ids import OrderId
from node.types.rules import Ordering
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, CAROL, RULES
from tests.unit.transition.exchange import (
    BTC,
    BUY,
    COIN,
    SELL,
    Exchange,
    amendment,
    order,
    stop,
)

FLOOR = 1_000
FEES = FeeRules(floor=Money(FLOOR), ceiling=Money(100 * FLOOR), per_fill=3)
PRICED = msgspec.structs.replace(RULES, fees=FEES)
LIMIT = 10 * FLOOR


def units(*, orders: int = 0, fills: int = 0) -> int:
    """Return what an action pays for so much."""
    return FEES.per_action + FEES.per_order * orders + FEES.per_fill * fills


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange that charges for work."""
    exchange = Exchange(PRICED)
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 1_000)
    return exchange


def charged(exchange: Exchange) -> list[tuple[int, int]]:
    """Return (units, price) of what the last command charged, which all went to the exchange."""
    return [(event.units, event.price) for event in exchange.told(WorkCharged)]


def placed(exchange: Exchange, *orders: NewOrder) -> OrderId:
    """Let Alice place ``orders``; return the id of the last."""
    exchange.do(exchange.orders(ALICE, *orders, max_fee=LIMIT))
    return OrderId(exchange.state.next_order_id - 1)


def change(exchange: Exchange, *amends: AmendOrder) -> list[tuple[int, int]]:
    """Let Alice amend; return what it charged."""
    exchange.amend(ALICE, *amends, max_fee=LIMIT)
    return charged(exchange)


def dearer(exchange: Exchange, fee: int) -> None:
    """Open a block in which a unit of work costs ``fee``."""
    state = exchange.state
    exchange.do(OpenBlock(state.block + 1, Millis(state.time + 1_000), Money(fee)))


# --- amends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "lots", "orders"),
    [
        (99_00, 0, None),
        (99_00, 2 * COIN, None),
        (99_00, 2 * COIN + 1, 1),
        (99_00, 4 * COIN - 1, 1),
        (98_00, COIN, 1),
        (98_00, 4 * COIN, 1),
    ],
)
def test_an_amend_pays_unless_it_takes_half_off_at_its_price(
    exchange: Exchange, price: int, lots: int, orders: int | None
) -> None:
    first = placed(exchange, order(BUY, 4 * COIN, 99_00))
    expected = [] if orders is None else [(units(orders=orders), FLOOR)]
    assert change(exchange, amendment(first, price, lots)) == expected


def test_moving_an_end_or_a_trigger_price_pays_whatever_else_it_does(exchange: Exchange) -> None:
    end = exchange.state.time + 1_000
    first = placed(exchange, order(BUY, 8 * COIN, 99_00, good_till=end))
    once = [(units(orders=1), FLOOR)]
    for later in (end + 1, end + 2):
        assert change(exchange, amendment(first, 99_00, 8 * COIN, good_till=later)) == once
    assert change(exchange, amendment(first, 99_00, 2 * COIN, good_till=end)) == once
    # The end that it has is no other one.
    assert change(exchange, amendment(first, 99_00, COIN, good_till=end)) == []
    waiting = placed(exchange, stop(BUY, 4 * COIN, 106_00, at=105_00))
    assert change(exchange, amendment(waiting, 106_00, 4 * COIN, at=104_00)) == once
    assert change(exchange, amendment(waiting, 106_00, COIN, at=103_00)) == once
    unpaid = exchange.orders(ALICE, amends=(amendment(first, 99_00, COIN, good_till=end + 1),))
    exchange.refused(unpaid, FeeAboveMax)


def test_a_reduce_only_order_moves_its_end_and_its_trigger_price_for_free(
    exchange: Exchange,
) -> None:
    exchange.do(exchange.orders(BOB, order(SELL, COIN, 100_00), max_fee=LIMIT))
    exchange.do(exchange.orders(ALICE, order(BUY, COIN, 100_00), max_fee=LIMIT))
    waiting = placed(exchange, stop(SELL, COIN, 90_00, at=95_00, reduce_only=True))
    end = exchange.state.time + 1_000
    assert change(exchange, amendment(waiting, 90_00, COIN, at=96_00, good_till=end)) == []


def test_a_reduce_only_order_without_a_position_pays_for_each_amend(exchange: Exchange) -> None:
    """It could be moved to and fro for ever, and there is nothing that it protects."""
    waiting = placed(exchange, stop(SELL, COIN, 90_00, at=95_00, reduce_only=True))
    end = exchange.state.time + 1_000
    for move in (
        amendment(waiting, 90_00, COIN, at=96_00),
        amendment(waiting, 90_00, COIN, good_till=end),
        amendment(waiting, 91_00, COIN),
    ):
        assert change(exchange, move) == [(units(orders=1), FLOOR)]
    assert exchange.account(ALICE).waiting[waiting].good_till == end


def test_a_free_amend_needs_no_limit_and_a_dear_one_does(exchange: Exchange) -> None:
    first = placed(exchange, order(BUY, 4 * COIN, 99_00))
    moved = exchange.orders(ALICE, amends=(amendment(first, 98_00, COIN),))
    assert exchange.refused(moved, FeeAboveMax) == {"price": FLOOR, "max_fee": 0}
    exchange.amend(ALICE, amendment(first, 99_00, COIN))
    assert exchange.told(OrderAmended)[0].resting


def test_the_second_amend_of_one_order_is_never_free(exchange: Exchange) -> None:
    """Away and back again at half the size: what looks like a loss of size costs the place."""
    first = placed(exchange, order(BUY, 8 * COIN, 99_00))
    amends = (amendment(first, 98_00, 8 * COIN), amendment(first, 99_00, 4 * COIN))
    assert change(exchange, *amends) == [(units(orders=2), FLOOR)]


@pytest.mark.parametrize("reduce_only", [False, True])
def test_the_second_amend_of_one_order_is_not_made_unpaid(
    exchange: Exchange, *, reduce_only: bool
) -> None:
    """Each of the two would be free by itself; who allows no price has the first alone."""
    exchange.do(exchange.orders(BOB, order(SELL, 8 * COIN, 100_00), max_fee=LIMIT))
    placed(exchange, order(BUY, 8 * COIN, 100_00))
    first = placed(exchange, order(SELL, 8 * COIN, 110_00, reduce_only=reduce_only))
    halving = (amendment(first, 110_00, 4 * COIN), amendment(first, 110_00, 2 * COIN))
    exchange.amend(ALICE, *halving)
    assert len(exchange.told(OrderAmended)) == 1
    told = [(event.item, event.error) for event in exchange.told(ItemRejected)]
    assert told == [(1, "FeeAboveMax")]
    assert charged(exchange) == []
    assert change(exchange, *halving[1:]) == []


def test_an_attempt_is_paid(exchange: Exchange) -> None:
    first = placed(exchange, order(BUY, 4 * COIN, 99_00))
    nothing = amendment(999, 98_00, COIN)
    assert change(exchange, amendment(first, 99_00, COIN), nothing) == [(units(orders=1), FLOOR)]
    assert [event.error for event in exchange.told(ItemRejected)] == ["UnknownOrder"]
    exchange.refused(exchange.orders(ALICE, amends=(nothing,), max_fee=LIMIT), UnknownOrder)


def test_fills_of_an_amended_order_are_paid(exchange: Exchange) -> None:
    first = placed(exchange, order(BUY, 3 * COIN, 99_00))
    exchange.do(exchange.orders(BOB, *[order(SELL, COIN, 101_00)] * 2, max_fee=LIMIT))
    free = exchange.account(ALICE).free + exchange.account(ALICE).reserved
    assert change(exchange, amendment(first, 101_00, 3 * COIN)) == [
        (units(orders=1, fills=2), FLOOR)
    ]
    account, position = exchange.account(ALICE), exchange.position(ALICE)
    paid = free - account.free - account.reserved - position.margin
    fees = sum(event.taker_fee for event in exchange.told(Filled))
    assert paid == units(orders=1, fills=2) * FLOOR + fees


def test_reduce_only_orders_are_amended_for_nothing(exchange: Exchange) -> None:
    exchange.do(exchange.orders(BOB, order(SELL, COIN, 100_00), max_fee=LIMIT))
    placed(exchange, order(BUY, COIN, 100_00))
    first = placed(exchange, order(SELL, COIN, 110_00, reduce_only=True))
    exchange.do(exchange.orders(CAROL, order(BUY, COIN, 105_00), max_fee=LIMIT))
    exchange.amend(ALICE, amendment(first, 105_00, COIN))
    assert exchange.fills() == [(105_00, COIN)]
    assert charged(exchange) == []


# --- orders that wait -----------------------------------------------------------------------------


def test_a_waiting_order_pays_twice_at_its_entry(exchange: Exchange) -> None:
    placed(exchange, stop(BUY, COIN, 106_00, at=105_00), order(BUY, COIN, 99_00))
    assert charged(exchange) == [(units(orders=3), FLOOR)]


def test_one_that_only_reduces_is_free_where_there_is_something_to_reduce(
    exchange: Exchange,
) -> None:
    loss = stop(SELL, COIN, 94_00, at=95_00, reduce_only=True)
    placed(exchange, loss)
    assert charged(exchange) == [(units(orders=2), FLOOR)]
    exchange.refused(exchange.orders(ALICE, loss), FeeAboveMax)
    exchange.do(exchange.orders(BOB, order(SELL, COIN, 100_00), max_fee=LIMIT))
    placed(exchange, order(BUY, COIN, 100_00))
    exchange.do(exchange.orders(ALICE, loss))
    assert charged(exchange) == []


@pytest.mark.parametrize(("limit", "price"), [(LIMIT, 1_125), (1_050, 1_050)])
def test_its_fills_pay_at_the_price_of_the_block_or_its_limit(
    exchange: Exchange, limit: int, price: int
) -> None:
    waiting = exchange.wait_for(ALICE, stop(BUY, 2 * COIN, 110_00, at=105_00), max_fee=limit)
    exchange.do(exchange.orders(BOB, *[order(SELL, COIN, 108_00)] * 2, max_fee=LIMIT))
    exchange.mark(105_00)
    dearer(exchange, 1_125)
    before = exchange.state.fees
    exchange.do(exchange.trigger(ALICE, waiting))
    assert charged(exchange) == [(2 * FEES.per_fill, price)]
    fees = sum(event.taker_fee + event.maker_fee for event in exchange.told(Filled))
    assert exchange.state.fees == before + 2 * FEES.per_fill * price + fees


def test_fills_that_only_reduce_stay_free(exchange: Exchange) -> None:
    exchange.do(exchange.orders(BOB, order(SELL, COIN, 100_00), max_fee=LIMIT))
    placed(exchange, order(BUY, COIN, 100_00))
    exchange.do(exchange.orders(CAROL, order(BUY, COIN, 94_00), max_fee=LIMIT))
    loss = stop(SELL, COIN, 1, at=95_00, kind=OrderType.MARKET, reduce_only=True)
    waiting = exchange.wait_for(ALICE, loss)
    exchange.mark(95_00)
    exchange.do(exchange.trigger(ALICE, waiting))
    assert exchange.fills() == [(94_00, COIN)]
    assert charged(exchange) == []


def test_a_waiting_order_is_amended_like_any_other(exchange: Exchange) -> None:
    first = placed(exchange, stop(BUY, 4 * COIN, 106_00, at=105_00))
    assert change(exchange, amendment(first, 107_00, 4 * COIN)) == [(units(orders=1), FLOOR)]
    assert change(exchange, amendment(first, 107_00, 2 * COIN)) == []
    exchange.do(exchange.orders(ALICE, cancels=(CancelOrder(first),)))
    assert charged(exchange) == []


def test_going_into_an_auction_anew_pays_like_going_into_it() -> None:
    """Fills in an auction are free, so that whoever arrives pays for two."""
    first, second = PRICED.markets
    auction = msgspec.structs.replace(first, ordering=Ordering.AUCTION)
    exchange = Exchange(msgspec.structs.replace(PRICED, markets=(auction, second)))
    exchange.fund(ALICE, 1_000)
    order_id = placed(exchange, order(BUY, COIN, 95_00))
    assert charged(exchange) == [(units(orders=2), FLOOR)]
    exchange.do(Uncross(BTC))
    exchange.state.drain_changes()
    exchange.wait(5)
    assert change(exchange, amendment(order_id, 96_00, COIN)) == [(units(orders=2), FLOOR)]
