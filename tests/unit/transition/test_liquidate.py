"""Liquidation: who fails, how much is closed, at what price, and who pays for it."""

import pytest

from node.types.commands import OrderType
from node.types.errors import (
    LiquidationStalled,
    NoPosition,
    NotLiquidatable,
    UnknownAccount,
    UnknownMarket,
)
from node.types.events import CancelReason, Deleveraged, Filled, Liquidated, OrderCancelled
from tests.examples import ALICE, BOB, CAROL, DAVE, DOLLAR, MALLORY
from tests.unit.transition.exchange import BUY, COIN, ETH, SELL, Exchange, order


def exchange_with(longs: int = 10, price: int = 100_00) -> Exchange:
    """Return an exchange in which Bob is long so many coins with initial margin, from Alice."""
    exchange = Exchange()
    for person in (ALICE, CAROL, DAVE):
        exchange.fund(person, 100_000)
    exchange.fund(BOB, 1_000)
    exchange.trade(BOB, ALICE, longs * COIN, price)
    return exchange


# --- who fails ------------------------------------------------------------------------------------


def test_equity_that_just_covers_maintenance_is_safe() -> None:
    """Ten coins from 100 with 100 of margin: equity 10 p - 900 meets 5 % of 10 p below 94.737."""
    exchange = exchange_with()
    exchange.mark(94_74)
    values = exchange.refused(exchange.liquidate(BOB), NotLiquidatable)
    assert values == {"equity": 47_400_000, "required": 47_370_000}
    exchange.mark(94_73)
    exchange.place(CAROL, order(BUY, 10 * COIN, 94_73))
    exchange.do(exchange.liquidate(BOB))


def test_what_cannot_be_found_cannot_be_liquidated() -> None:
    exchange = exchange_with()
    assert exchange.refused(exchange.liquidate(BOB, 3), UnknownMarket) == {"market": 3}
    assert exchange.refused(exchange.liquidate(BOB, 0), UnknownMarket) == {"market": 0}
    stranger = exchange.liquidate(MALLORY)
    assert exchange.refused(stranger, UnknownAccount) == {"account": MALLORY.address}
    assert exchange.refused(exchange.liquidate(BOB, ETH), NoPosition) == {"market": ETH}
    exchange.place(BOB, order(BUY, COIN, 90_00, market=ETH))
    assert exchange.refused(exchange.liquidate(BOB, ETH), NoPosition) == {"market": ETH}


# --- a solvent position ---------------------------------------------------------------------------


def test_just_enough_is_closed_to_have_initial_margin_again() -> None:
    """(10 % of 940 - 40) / (9 % of 94) is 6.383 coins, rounded up to the lot."""
    exchange = exchange_with()
    exchange.mark(94_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 94_00))
    exchange.do(exchange.liquidate(BOB))
    closed = 63_830
    fee = -(-closed * 94_00 // 100)
    (told,) = exchange.told(Liquidated)
    assert (told.closed, told.remaining) == (closed, 100_000 - closed)
    assert (told.fee, told.shortfall) == (fee, 0)
    assert exchange.state.insurance == fee
    assert exchange.fills() == [(94_00, closed)]
    left = exchange.position(BOB)
    assert left.equity(94_00, 0) == 40 * DOLLAR - fee >= left.size * 94_00 // 10
    exchange.refused(exchange.liquidate(BOB), NotLiquidatable)


def test_a_short_is_liquidated_as_a_long_is() -> None:
    """(10 % of 1060 - 40) / (9 % of 106) is 6.9182 coins and a bit."""
    exchange = Exchange()
    exchange.fund(ALICE, 100_000)
    exchange.fund(CAROL, 100_000)
    exchange.fund(BOB, 1_000)
    exchange.trade(ALICE, BOB, 10 * COIN, 100_00)
    exchange.mark(106_00)
    exchange.place(CAROL, order(SELL, 10 * COIN, 106_00))
    exchange.do(exchange.liquidate(BOB))
    (told,) = exchange.told(Liquidated)
    assert (told.closed, told.remaining) == (69_183, 69_183 - 100_000)
    assert exchange.position(BOB).equity(106_00, 0) == 40 * DOLLAR - told.fee


def test_it_trades_no_worse_than_its_own_bankruptcy_price() -> None:
    exchange = exchange_with()
    exchange.mark(94_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 89_99))
    stalled = exchange.refused(exchange.liquidate(BOB), LiquidationStalled)
    assert stalled == {"price": 90_00, "size": 63_830}
    exchange.place(DAVE, order(BUY, COIN, 90_00))
    exchange.do(exchange.liquidate(BOB))
    assert exchange.fills() == [(90_00, COIN)]
    assert exchange.position(BOB).size == 9 * COIN


def test_the_positions_own_orders_go_first_and_free_their_money() -> None:
    exchange = exchange_with()
    exchange.place(BOB, order(BUY, COIN, 85_00), order(SELL, 20 * COIN, 110_00))
    exchange.place(BOB, order(BUY, COIN, 85_00, market=ETH))
    exchange.mark(94_00)
    exchange.do(exchange.liquidate(BOB))
    reasons = [event.reason for event in exchange.told(OrderCancelled)]
    assert reasons == [CancelReason.LIQUIDATION] * 2
    (told,) = exchange.told(Liquidated)
    assert (told.closed, told.fee) == (0, 0)
    assert [key.market for key in exchange.account(BOB).orders.values()] == [ETH]
    exchange.refused(exchange.liquidate(BOB), LiquidationStalled)


def test_the_fee_is_never_more_than_what_is_left() -> None:
    """Closed at 90.05, half a dollar of margin is left where one percent would be nine."""
    exchange = exchange_with()
    exchange.mark(90_20)
    exchange.place(CAROL, order(BUY, 10 * COIN, 90_05))
    before = exchange.account(BOB).free
    exchange.do(exchange.liquidate(BOB))
    (told,) = exchange.told(Liquidated)
    assert (told.closed, told.remaining, told.fee) == (10 * COIN, 0, DOLLAR // 2)
    assert exchange.account(BOB).free == before


def test_what_a_full_close_leaves_returns_to_the_account() -> None:
    """The bid is better than the mark: nothing but the fee is lost."""
    exchange = exchange_with()
    exchange.mark(90_50)
    exchange.place(CAROL, order(BUY, 10 * COIN, 95_00))
    before = exchange.account(BOB).free
    exchange.do(exchange.liquidate(BOB))
    (told,) = exchange.told(Liquidated)
    assert told.remaining == 0
    assert exchange.account(BOB).free == before + 50 * DOLLAR - told.fee


def test_a_maker_that_cannot_pay_is_passed_over() -> None:
    exchange = exchange_with()
    exchange.fund(MALLORY, 105)
    exchange.place(MALLORY, order(BUY, 10 * COIN, 100_00))
    exchange.mark(94_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 94_00))
    exchange.do(exchange.liquidate(BOB))
    (dropped,) = exchange.told(OrderCancelled)
    assert (dropped.account, dropped.reason) == (MALLORY.address, CancelReason.MARGIN)
    assert exchange.fills() == [(94_00, 63_830)]


# --- a bankrupt one -------------------------------------------------------------------------------


def test_the_fund_pays_what_the_margin_lacks_and_the_account_nothing() -> None:
    exchange = exchange_with()
    exchange.endow(1_000)
    exchange.mark(89_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 88_50))
    free = exchange.account(BOB).free
    exchange.do(exchange.liquidate(BOB))
    (told,) = exchange.told(Liquidated)
    assert (told.closed, told.remaining, told.fee) == (10 * COIN, 0, 0)
    assert told.shortfall == 15 * DOLLAR
    assert exchange.state.insurance == 985 * DOLLAR
    assert exchange.account(BOB).free == free


def test_the_fund_is_never_overdrawn() -> None:
    """Twelve dollars reach down to 88.80, and not one tick further."""
    exchange = exchange_with()
    exchange.endow(12)
    exchange.mark(89_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 88_79))
    exchange.refused(exchange.liquidate(BOB), LiquidationStalled)
    exchange.place(CAROL, order(BUY, 10 * COIN, 88_80))
    exchange.do(exchange.liquidate(BOB))
    assert exchange.state.insurance == 0


def test_the_fund_pays_each_part_of_a_bankrupt_close_as_it_happens() -> None:
    """A coin closed at 89 lacks a dollar beyond its ten of margin; the rest keeps its own."""
    exchange = exchange_with()
    exchange.endow(100)
    exchange.mark(89_00)
    exchange.place(CAROL, order(BUY, 4 * COIN, 89_00))
    exchange.do(exchange.liquidate(BOB))
    (first,) = exchange.told(Liquidated)
    assert (first.remaining, first.shortfall) == (6 * COIN, 4 * DOLLAR)
    assert exchange.state.insurance == 96 * DOLLAR
    assert exchange.position(BOB).margin == 60 * DOLLAR
    exchange.place(CAROL, order(BUY, 6 * COIN, 89_00))
    exchange.do(exchange.liquidate(BOB))
    (second,) = exchange.told(Liquidated)
    assert (second.remaining, second.shortfall) == (0, 6 * DOLLAR)
    assert exchange.state.insurance == 90 * DOLLAR


def test_the_fund_is_not_promised_twice() -> None:
    """Two positions lack ten dollars each, and all but a lot of both is bid for far below."""
    exchange = Exchange()
    exchange.endow(20)
    for person in (ALICE, DAVE):
        exchange.fund(person, 100_000)
    for owner in (BOB, CAROL):
        exchange.fund(owner, 201)
        exchange.trade(owner, ALICE, 20 * COIN, 100_00)
    exchange.mark(89_50)
    exchange.place(DAVE, order(BUY, 20 * COIN - 1, 89_00))
    exchange.do(exchange.liquidate(BOB))
    (first,) = exchange.told(Liquidated)
    assert first.remaining == 1
    # A lot at 89 lacks 100 units; half of that is what the one that stays lacks at the mark.
    assert first.shortfall == 20 * DOLLAR - 100
    assert exchange.position(BOB).equity(89_50, 0) == -50
    exchange.place(DAVE, order(BUY, 20 * COIN - 1, 89_00))
    exchange.do(exchange.liquidate(CAROL))
    (second,) = exchange.told(Liquidated)
    assert (second.closed, second.remaining, second.shortfall) == (0, 0, 100)
    assert exchange.position(CAROL).size == exchange.state.insurance == 0


def test_without_a_fund_the_rest_is_deleveraged() -> None:
    exchange = exchange_with()
    exchange.mark(89_00)
    alice = exchange.account(ALICE).free
    exchange.do(exchange.liquidate(BOB))
    (handed,) = exchange.told(Deleveraged)
    assert (handed.counterparty, handed.size) == (ALICE.address, 10 * COIN)
    assert handed.value == 900 * DOLLAR
    assert exchange.position(BOB).size == exchange.position(ALICE).size == 0
    assert exchange.account(ALICE).free == alice + 100 * DOLLAR + 100 * DOLLAR


def test_a_fund_that_just_covers_what_is_missing_spares_the_other_side() -> None:
    """A coin from 100 with ten of margin lacks ten dollars at 80; none of it finds a buyer."""
    exchange = exchange_with(longs=1)
    exchange.place(BOB, order(BUY, COIN, 95_00))
    exchange.endow(10)
    exchange.mark(80_00)
    exchange.do(exchange.liquidate(BOB))
    assert exchange.told(Deleveraged) == []
    assert (exchange.position(BOB).size, exchange.position(ALICE).size) == (COIN, -COIN)
    assert exchange.state.insurance == 10 * DOLLAR


def test_a_stale_mark_stops_no_liquidation() -> None:
    exchange = exchange_with()
    exchange.mark(94_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 94_00))
    exchange.wait(10_000_000)
    exchange.do(exchange.liquidate(BOB))
    assert exchange.told(Filled)


def test_liquidation_by_funding_alone() -> None:
    """The mark never moves; each lot owes 600 units, sixty of the hundred dollars in all.

    So sixty are missing to initial margin, and a coin closed brings nine.
    """
    exchange = exchange_with()
    exchange.market.funding_index += 600
    exchange.place(CAROL, order(BUY, 10 * COIN, 100_00))
    exchange.do(exchange.liquidate(BOB))
    (told,) = exchange.told(Liquidated)
    assert told.closed == 66_667


@pytest.mark.parametrize("kind", [OrderType.GTC, OrderType.IOC])
def test_the_owner_may_close_in_time_what_is_still_solvent(kind: OrderType) -> None:
    exchange = exchange_with()
    exchange.mark(92_00)
    exchange.place(CAROL, order(BUY, 10 * COIN, 92_00))
    exchange.place(BOB, order(SELL, 10 * COIN, 92_00, kind, reduce_only=True))
    assert exchange.position(BOB).size == 0
