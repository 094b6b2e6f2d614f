"""Who pays for work, how much, and that nobody who reduces risk is asked for anything."""

import msgspec
import pytest

from node.transition.state import State
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
)
from node.types.errors import (
    EveryItemRejected,
    FeeAboveMax,
    FeeOutOfRange,
    FillOrKillUnfilled,
    InsufficientCollateral,
    NonceUsed,
    PriceOutsideBand,
    UnknownOrder,
)
from node.types.events import (
    Filled,
    ItemRejected,
    OrderAccepted,
    OrderCancelled,
    WorkCharged,
)
from node.types.fees import FeeRules, fee_range
from node.types.ids import OrderId
from node.types.rules import Rules
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, CAROL, RULES, START_MS, Person
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order

FLOOR = 1_000
FEES = FeeRules(floor=Money(FLOOR), ceiling=Money(100 * FLOOR))
ONE_ORDER = FEES.per_action + FEES.per_order
PRICED = msgspec.structs.replace(RULES, fees=FEES)
GTC, IOC, FOK, POST_ONLY, *_ = OrderType


class Priced(Exchange):
    """An exchange that charges for work, at its floor unless a block says otherwise."""

    def __init__(self, rules: Rules = PRICED) -> None:
        super().__init__(rules)
        for person in (ALICE, BOB, CAROL):
            self.fund(person, 1_000)

    def orders(
        self,
        person: Person,
        *orders: NewOrder,
        cancels: tuple[CancelOrder, ...] = (),
        amends: tuple[AmendOrder, ...] = (),
        max_fee: int = 10 * FLOOR,
    ) -> PlaceOrders:
        return PlaceOrders(*self.head(person), cancels, orders, Money(max_fee), amends)

    def paid(self, person: Person, command: PlaceOrders) -> int:
        """Apply ``command``; return what it charged, which all went to the exchange."""
        before, free = self.state.fees, self.account(person).free
        self.do(command)
        charged = sum(event.amount for event in self.told(WorkCharged))
        fees = sum(event.taker_fee + event.maker_fee for event in self.told(Filled))
        assert self.state.fees == before + charged + fees
        assert self.account(person).free <= free - charged or not charged
        return charged


@pytest.fixture
def exchange() -> Priced:
    return Priced()


# --- the price ------------------------------------------------------------------------------------


def test_the_price_begins_at_the_floor_and_stands_in_the_tree(exchange: Priced) -> None:
    state = exchange.state
    assert (state.fee, state.fee_anchor) == (FLOOR, FLOOR)
    exchange.do(OpenBlock(state.block + 1, Millis(START_MS + 1_000), Money(1_100)))
    twin = State.from_leaves(PRICED, state.domain, state.leaves())
    assert (twin.fee, twin.fee_anchor) == (1_100, FLOOR)


def test_many_small_blocks_move_the_price_no_faster_than_one(exchange: Priced) -> None:
    step = exchange.state.time // 1_000 * 1_000 + 1_000
    exchange.do(OpenBlock(exchange.state.block + 1, Millis(step), Money(1_125)))
    for after in range(1, 1_000, 111):
        time, number = Millis(step + after), exchange.state.block + 1
        values = exchange.refused(OpenBlock(number, time, Money(1_126)), FeeOutOfRange)
        assert (values["low"], values["high"]) == (FLOOR, 1_125)
        exchange.do(OpenBlock(number, time, Money(1_125 - after // 10)))
    next_step, number = Millis(step + 1_000), exchange.state.block + 1
    from_here = -(-exchange.state.fee * 9 // 8)
    exchange.refused(OpenBlock(number, next_step, Money(from_here + 1)), FeeOutOfRange)
    exchange.do(OpenBlock(number, next_step, Money(from_here)))


@pytest.mark.parametrize("fee", [FLOOR - 1, 100 * FLOOR + 1, 1_126])
def test_a_price_out_of_range_opens_no_block(exchange: Priced, fee: int) -> None:
    step = Millis(exchange.state.time // 1_000 * 1_000 + 1_000)
    values = exchange.refused(OpenBlock(exchange.state.block + 1, step, Money(fee)), FeeOutOfRange)
    assert values == {"fee": fee, "low": FLOOR, "high": 1_125}


# --- who pays -------------------------------------------------------------------------------------


def test_an_order_pays_for_its_action_and_itself(exchange: Priced) -> None:
    assert exchange.paid(ALICE, exchange.orders(ALICE, order(BUY, COIN, 99_00))) == (
        FLOOR * ONE_ORDER
    )
    assert exchange.told(WorkCharged) == [
        WorkCharged(ALICE.address, ONE_ORDER, Money(FLOOR), Money(FLOOR * ONE_ORDER))
    ]


def test_a_bulk_shares_the_price_of_its_signature(exchange: Priced) -> None:
    bulk = [order(BUY, COIN, 99_00 - place) for place in range(20)]
    units = FEES.per_action + 20 * FEES.per_order
    assert exchange.paid(ALICE, exchange.orders(ALICE, *bulk)) == FLOOR * units


def test_a_taker_pays_for_each_maker_it_meets(exchange: Priced) -> None:
    for price in (100_10, 100_20, 100_30):
        exchange.place(BOB, order(SELL, COIN, price))
    bob = exchange.account(BOB).free + exchange.account(BOB).reserved
    taken = exchange.paid(ALICE, exchange.orders(ALICE, order(BUY, 3 * COIN, 101_00, IOC)))
    assert taken == FLOOR * (ONE_ORDER + 3 * FEES.per_fill)
    assert len(exchange.told(WorkCharged)) == 1
    maker_fees = sum(event.maker_fee for event in exchange.told(Filled))
    margin = exchange.position(BOB).margin
    assert exchange.account(BOB).free + exchange.account(BOB).reserved == bob - maker_fees - margin


def test_where_fills_alone_cost_what_they_paid_is_told() -> None:
    fees = msgspec.structs.replace(FEES, per_action=0, per_order=0, per_fill=3)
    exchange = Priced(msgspec.structs.replace(RULES, fees=fees))
    assert exchange.paid(BOB, exchange.orders(BOB, order(SELL, COIN, 100_10))) == 0
    assert exchange.told(WorkCharged) == []
    taking = exchange.orders(ALICE, order(BUY, COIN, 101_00, IOC))
    assert exchange.paid(ALICE, taking) == 3 * FLOOR


def test_what_reduces_is_free_at_any_price(exchange: Priced) -> None:
    exchange.place(BOB, order(SELL, COIN, 100_00))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    resting = exchange.place(ALICE, order(BUY, COIN, 90_00))
    exchange.place(BOB, order(BUY, COIN, 99_00))
    closing = order(SELL, COIN, 99_00, IOC, reduce_only=True)
    cancel = (CancelOrder(order_id=resting),)
    assert exchange.paid(ALICE, exchange.orders(ALICE, cancels=cancel, max_fee=0)) == 0
    assert exchange.paid(ALICE, exchange.orders(ALICE, closing, max_fee=0)) == 0
    assert exchange.position(ALICE).size == 0
    fees = exchange.state.fees
    exchange.do(exchange.withdraw(ALICE, 1_000_000))
    assert exchange.state.fees == fees


def test_an_order_refused_in_an_action_that_applies_pays_as_well(exchange: Priced) -> None:
    bulk = exchange.orders(ALICE, order(BUY, COIN, 99_00), order(BUY, COIN, 1))
    assert exchange.paid(ALICE, bulk) == FLOOR * (FEES.per_action + 2 * FEES.per_order)
    assert len(exchange.told(ItemRejected)) == 1


def test_an_action_that_is_rejected_as_a_whole_is_free(exchange: Priced) -> None:
    before = exchange.account(ALICE).free
    exchange.refused(exchange.orders(ALICE, order(BUY, COIN, 1)), PriceOutsideBand)
    both = exchange.orders(ALICE, order(BUY, COIN, 1), order(BUY, COIN, 2))
    exchange.refused(both, EveryItemRejected)
    assert exchange.account(ALICE).free == before


def test_a_killed_order_is_logged_and_pays_for_the_walk(exchange: Priced) -> None:
    exchange.place(BOB, order(SELL, COIN, 100_00))
    killed = exchange.orders(ALICE, order(BUY, 2 * COIN, 100_00, FOK))
    sequence = exchange.state.sequence
    assert exchange.paid(ALICE, killed) == FLOOR * ONE_ORDER
    assert exchange.state.sequence == sequence + 1
    (rejected,) = exchange.told(ItemRejected)
    assert rejected.code == FillOrKillUnfilled.code
    exchange.refused(killed, NonceUsed)


def test_a_killed_order_that_can_only_reduce_stays_a_free_rejection(exchange: Priced) -> None:
    exchange.place(BOB, order(SELL, 2 * COIN, 100_00))
    exchange.place(ALICE, order(BUY, 2 * COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 99_00))
    killed = order(SELL, 2 * COIN, 99_00, FOK, reduce_only=True)
    exchange.refused(exchange.orders(ALICE, killed, max_fee=0), FillOrKillUnfilled)


# --- who is protected -----------------------------------------------------------------------------


def test_a_price_above_the_signers_limit_is_told_with_both(exchange: Priced) -> None:
    dear = exchange.orders(ALICE, order(BUY, COIN, 99_00), max_fee=FLOOR - 1)
    assert exchange.refused(dear, FeeAboveMax) == {"price": FLOOR, "max_fee": FLOOR - 1}
    exact = exchange.orders(ALICE, order(BUY, COIN, 99_00), max_fee=FLOOR)
    assert exchange.paid(ALICE, exact) == FLOOR * ONE_ORDER


def test_a_price_above_the_limit_refuses_no_cancel_beside(exchange: Priced) -> None:
    resting = exchange.place(ALICE, order(BUY, COIN, 99_00))
    moved = exchange.orders(
        ALICE, order(BUY, COIN, 98_00), cancels=(CancelOrder(order_id=resting),), max_fee=0
    )
    assert exchange.paid(ALICE, moved) == 0
    assert len(exchange.told(OrderCancelled)) == 1
    assert [event.code for event in exchange.told(ItemRejected)] == [FeeAboveMax.code]


def test_who_cannot_pay_for_the_work_enters_nothing(exchange: Priced) -> None:
    left = FLOOR * ONE_ORDER - 1
    exchange.do(exchange.withdraw(ALICE, exchange.account(ALICE).free - left))
    values = exchange.refused(
        exchange.orders(ALICE, order(BUY, COIN, 99_00)), InsufficientCollateral
    )
    assert values["required"] == FLOOR * ONE_ORDER
    cancel = exchange.orders(ALICE, cancels=(CancelOrder(order_id=OrderId(99)),), max_fee=0)
    exchange.refused(cancel, UnknownOrder)


def test_a_fill_that_its_taker_cannot_pay_for_does_not_happen(exchange: Priced) -> None:
    """It closes, and so needs no margin: only the work of the fill is missing."""
    exchange.place(BOB, order(SELL, COIN, 100_00))
    exchange.place(ALICE, order(BUY, COIN, 100_00))
    exchange.place(BOB, order(BUY, COIN, 80_00))
    left = FLOOR * ONE_ORDER
    exchange.do(exchange.withdraw(ALICE, exchange.account(ALICE).free - left - 1_000_000))
    exchange.do(exchange.adjust(ALICE, 1_000_000))
    assert exchange.account(ALICE).free == left
    exchange.do(exchange.orders(ALICE, order(SELL, COIN, 80_00, IOC)))
    assert len(exchange.told(OrderAccepted)) == 1
    assert exchange.told(Filled) == []
    assert exchange.account(ALICE).free == 0


# --- after a pause --------------------------------------------------------------------------------


def opened(exchange: Priced, time: int, fee: int) -> None:
    exchange.do(OpenBlock(exchange.state.block + 1, Millis(time), Money(fee)))


@pytest.mark.parametrize(("before", "after"), [(20 * FLOOR, 7 * FLOOR), (FLOOR, 3 * FLOOR)])
def test_what_a_pause_moved_is_not_undone_within_the_step(
    exchange: Priced, before: int, after: int
) -> None:
    """Ten steps let the price go to a third or to the triple; the next block may keep it there."""
    start = exchange.state.time // 1_000 * 1_000
    opened(exchange, start + 60_000, before)
    opened(exchange, start + 70_000, after)
    opened(exchange, start + 70_001, after)
    opened(exchange, start + 71_000, after)
    far = OpenBlock(exchange.state.block + 1, Millis(start + 71_001), Money(after * 9 // 8 + 1))
    exchange.refused(far, FeeOutOfRange)


def test_a_block_after_a_pause_leaves_no_more_moves_than_the_pause_had(exchange: Priced) -> None:
    start = exchange.state.time // 1_000 * 1_000
    third = fee_range(FEES, Money(FLOOR), 3)[1]
    opened(exchange, start + 3_000, third)
    values = exchange.refused(
        OpenBlock(exchange.state.block + 1, Millis(start + 3_999), Money(third + 1)), FeeOutOfRange
    )
    assert (values["low"], values["high"]) == (fee_range(FEES, Money(FLOOR), 1)[1], third)
