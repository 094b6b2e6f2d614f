"""Auto-deleveraging: who is first, at what price, and that no unit is made or lost."""

import msgspec
import pytest

from node.types.errors import LiquidationStalled
from node.types.events import CancelReason, Deleveraged, Liquidated, OrderCancelled
from tests.examples import ALICE, BOB, CAROL, DAVE, DOLLAR, MALLORY, RULES, Person
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order


def bankrupt_long(*shorts: tuple[Person, int, int], steps: int = 20) -> Exchange:
    """Return an exchange in which Bob bought from ``shorts`` (who, coins, price)."""
    limits = msgspec.structs.replace(RULES.limits, deleverage_steps=steps)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB, CAROL, DAVE, MALLORY):
        exchange.fund(person, 10_000)
    for person, coins, price in shorts:
        exchange.trade(BOB, person, coins * COIN, price)
    return exchange


def handed(exchange: Exchange) -> list[tuple[bytes, int]]:
    """Return (counterparty, lots) of the last command's shares."""
    return [(event.counterparty, event.size) for event in exchange.told(Deleveraged)]


def test_the_best_entry_price_is_first() -> None:
    exchange = bankrupt_long((ALICE, 1, 100_00), (CAROL, 1, 102_00), (DAVE, 1, 101_00))
    exchange.mark(80_00)
    exchange.do(exchange.liquidate(BOB))
    order_of_shares = [CAROL.address, DAVE.address, ALICE.address]
    assert handed(exchange) == [(address, COIN) for address in order_of_shares]
    assert exchange.position(BOB).size == 0


def test_equal_entry_prices_go_by_address() -> None:
    exchange = bankrupt_long((ALICE, 1, 100_00), (CAROL, 1, 100_00), (DAVE, 1, 100_00))
    exchange.mark(80_00)
    exchange.do(exchange.liquidate(BOB))
    addresses = [address for address, _ in handed(exchange)]
    assert addresses == sorted(person.address for person in (ALICE, CAROL, DAVE))


def test_shorts_are_handed_to_longs_with_the_lowest_entry() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 10_000)
    exchange.trade(ALICE, BOB, COIN, 101_00)
    exchange.trade(CAROL, BOB, COIN, 100_00)
    exchange.mark(130_00)
    exchange.do(exchange.liquidate(BOB))
    assert handed(exchange) == [(CAROL.address, COIN), (ALICE.address, COIN)]


def test_a_short_that_owes_more_funding_than_it_sold_for_is_handed_over_below_zero() -> None:
    exchange = Exchange()
    for person in (ALICE, BOB):
        exchange.fund(person, 10_000)
    exchange.trade(ALICE, BOB, COIN, 100_00)
    for person in (ALICE, BOB):
        exchange.position(person).funding += 15_000
    exchange.mark(100_00)
    exchange.do(exchange.liquidate(BOB))
    # Sold for 100 with a margin of 10, and owes 150: closed at zero, it is paid 40 to be rid of it.
    (told,) = exchange.told(Deleveraged)
    assert (told.size, told.value) == (COIN, -40 * DOLLAR)


def test_the_steps_are_bounded_and_the_rest_waits() -> None:
    exchange = bankrupt_long((ALICE, 1, 100_00), (CAROL, 1, 102_00), (DAVE, 1, 101_00), steps=2)
    exchange.mark(80_00)
    exchange.do(exchange.liquidate(BOB))
    assert len(handed(exchange)) == 2
    assert exchange.position(BOB).size == COIN
    exchange.do(exchange.liquidate(BOB))
    assert handed(exchange) == [(ALICE.address, COIN)]


@pytest.mark.parametrize("fund", [0, 1, 7, 50])
def test_each_share_is_closed_at_zero_and_the_fund_pays_first(fund: int) -> None:
    """Uneven lots, an uneven margin and an uneven fund: what divisions drop, the last share has."""
    exchange = bankrupt_long((ALICE, 1, 100_01), (CAROL, 1, 102_03))
    exchange.trade(BOB, DAVE, 7_777, 100_07)
    exchange.do(exchange.adjust(BOB, 1_234_567))
    exchange.endow(fund)
    exchange.mark(70_00)
    free = exchange.account(BOB).free
    exchange.do(exchange.liquidate(BOB))
    position = exchange.position(BOB)
    assert (position.size, position.entry, position.margin) == (0, 0, 0)
    assert exchange.state.insurance == 0
    assert exchange.told(Liquidated)[0].shortfall == fund * DOLLAR
    assert exchange.account(BOB).free == free


def test_a_counterparty_that_would_go_under_is_passed_over() -> None:
    """Carol sold at 101 with little margin and owes much funding: she cannot take it."""
    exchange = bankrupt_long((ALICE, 1, 100_00), (CAROL, 1, 101_00))
    exchange.position(CAROL).funding += 4_000
    exchange.position(ALICE).funding -= 4_000
    exchange.mark(70_00)
    exchange.do(exchange.liquidate(BOB))
    assert handed(exchange) == [(ALICE.address, COIN)]
    assert exchange.position(CAROL).size == -COIN
    # Asked again, nothing at all can be done: that is a rejection, and no command of the log.
    values = exchange.refused(exchange.liquidate(BOB), LiquidationStalled)
    assert values["size"] == COIN


def test_a_partly_taken_counterparty_keeps_its_initial_margin() -> None:
    exchange = bankrupt_long((ALICE, 1, 100_00))
    exchange.trade(CAROL, ALICE, 3 * COIN, 100_00)
    exchange.mark(80_00)
    free = exchange.account(ALICE).free
    exchange.do(exchange.liquidate(BOB))
    left = exchange.position(ALICE)
    assert left.size == -3 * COIN
    assert left.equity(80_00, 0) >= 3 * 8 * DOLLAR
    # Bought back at 90, where Bob's ten dollars were used up, with its share of the margin.
    assert exchange.account(ALICE).free == free + 20 * DOLLAR


def test_a_counterpartys_open_orders_stay_unless_idle() -> None:
    exchange = bankrupt_long((ALICE, 1, 100_00))
    exchange.place(ALICE, order(BUY, COIN, 80_00, reduce_only=True))
    exchange.place(ALICE, order(BUY, COIN, 81_00), order(SELL, COIN, 119_00))
    exchange.mark(80_00)
    # Bob's bankruptcy price is 90, so that he cannot sell to these bids.
    exchange.do(exchange.liquidate(BOB))
    (idle,) = exchange.told(OrderCancelled)
    assert (idle.price, idle.reason) == (80_00, CancelReason.REDUCE_ONLY)
    assert exchange.book() == ([(81_00, COIN)], [(119_00, COIN)])
    # The bid was to close the short that is gone: now it opens, and that has to be paid for.
    exchange.place(CAROL, order(SELL, COIN, 81_00))
    assert exchange.position(ALICE).size == COIN
    assert exchange.position(ALICE).margin >= 8 * DOLLAR


def test_a_closing_order_whose_position_was_deleveraged_is_dropped_where_money_lacks() -> None:
    exchange = Exchange()
    for person in (BOB, CAROL):
        exchange.fund(person, 1_000)
    exchange.fund(ALICE, 11)
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(ALICE, order(BUY, COIN, 85_00))
    assert exchange.account(ALICE).reserved == 0
    exchange.mark(80_00)
    exchange.do(exchange.liquidate(BOB))
    assert handed(exchange) == [(ALICE.address, COIN)]
    exchange.mark(40_00)
    exchange.place(CAROL, order(SELL, COIN, 48_00))
    assert exchange.fills() == []
    (dropped,) = exchange.told(OrderCancelled)
    assert dropped.reason is CancelReason.MARGIN
