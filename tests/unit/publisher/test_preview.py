"""How far a preview looks, and what it says where that is not far enough."""

import pytest

from node.ports.terms import free_terms
from node.publisher import preview
from node.publisher.preview import Previewer
from node.transition.apply import apply
from node.transition.open_block import next_fees
from node.transition.state import State
from node.types.commands import (
    Command,
    Deposit,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.errors import UnknownAccount
from node.types.events import Event, Filled, OrderCancelled, Rejected
from node.types.ids import Address, MarketId
from node.types.units import Lots, Millis, Money, Ticks
from tests.property.random_log import ACCOUNTS, DOLLAR, DOMAIN, REPORTERS, RULES, START, STRANGER
from tests.unit.sequencer.surroundings import HandClock

TAKER, SELLER, *HOLDERS = ACCOUNTS
MARK = Ticks(500_000)
LOT = 100


class Exchange:
    """A state that commands change, and someone who tries orders out on it."""

    def __init__(self) -> None:
        self.state = State.genesis(RULES, DOMAIN)
        self.previewer = Previewer(self.state, HandClock(), free_terms)

    def open(self) -> None:
        self.run(OpenBlock(1, Millis(START), RULES.fees.floor))
        for index, account in enumerate(ACCOUNTS):
            self.run(Deposit(index, account, Money(1_000_000 * DOLLAR)))
        reports = tuple(PriceReport(one, (MARK, MARK), b"") for one in REPORTERS)
        self.run(OracleRound(Millis(START), reports))

    def run(self, command: Command) -> tuple[Event, ...]:
        events = apply(self.state, command)
        assert not isinstance(events[0], Rejected), events
        return events

    def place(self, account: Address, *orders: NewOrder) -> tuple[Event, ...]:
        return self.run(placing(self.state, account, *orders))

    def copy(self) -> State:
        return State.from_leaves(RULES, DOMAIN, list(self.state.leaves()))

    def opening(self) -> OpenBlock:
        fee = next_fees(self.state, Millis(self.state.time))[0]
        return OpenBlock(self.state.block + 1, Millis(self.state.time), fee)


def placing(state: State, account: Address, *orders: NewOrder) -> PlaceOrders:
    nonce = state.accounts[account].nonces.top + 1
    head = (account, account, nonce, Millis(state.time + 1), b"")
    return PlaceOrders(*head, (), orders, Money(10**6))


def sell(price: int, size: int = LOT, *, reduce_only: bool = False) -> NewOrder:
    gtc = OrderType.GTC
    return NewOrder(MarketId(1), Side.SELL, gtc, Ticks(price), Lots(size), reduce_only)


def buy(size: int, price: int = MARK + 1_000) -> NewOrder:
    return NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(price), Lots(size))


def droves() -> Exchange:
    """Return a book in which few steps meet many orders.

    Each holder is long so much as one of six reduce-only orders would sell: once that is filled,
    the other five leave in a single step. Behind them rest the taker's own and the seller's.
    """
    exchange = Exchange()
    exchange.open()
    for holder in HOLDERS[:3]:
        exchange.place(SELLER, sell(MARK))
        exchange.place(holder, buy(LOT, MARK))
    for place, holder in enumerate(HOLDERS[:3]):
        first = MARK + 10 * (place + 1)
        orders = [sell(first + number, reduce_only=True) for number in range(6)]
        exchange.place(holder, *orders)
    exchange.place(SELLER, sell(MARK + 100, 50 * LOT))
    exchange.place(TAKER, sell(MARK + 900))
    return exchange


def test_droves_of_orders_in_its_way_are_all_tried() -> None:
    exchange, order = droves(), buy(40 * LOT)
    opening = exchange.opening()
    trial = exchange.previewer.attempt(TAKER, order, Money(10**6), opening)
    real = exchange.copy()
    apply(real, opening)
    happened = apply(real, placing(real, TAKER, order))
    met = [event for event in happened if isinstance(event, Filled | OrderCancelled)]
    # Otherwise what is copied at first would have been enough.
    assert len(met) > RULES.limits.fills_per_order + 1
    assert trial.exact
    assert [event for event in trial.events if event in met] == met


def test_an_answer_that_rests_on_too_little_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "REACH_MAX", 5)
    exchange = droves()
    trial = exchange.previewer.attempt(TAKER, buy(40 * LOT), Money(10**6), exchange.opening())
    assert not trial.exact
    trial = exchange.previewer.attempt(TAKER, buy(LOT), Money(10**6), exchange.opening())
    assert trial.exact


def test_nothing_can_be_tried_before_the_first_block_or_by_nobody() -> None:
    exchange = Exchange()
    with pytest.raises(UnknownAccount):
        exchange.previewer.attempt(TAKER, buy(LOT))
    exchange.open()
    with pytest.raises(UnknownAccount):
        exchange.previewer.attempt(STRANGER, buy(LOT))


def test_a_refusal_names_the_best_price_though_it_is_out_of_reach() -> None:
    exchange = Exchange()
    exchange.open()
    exchange.place(SELLER, sell(MARK + 500))
    taking = NewOrder(MarketId(1), Side.BUY, OrderType.IOC, MARK, Lots(LOT))
    refused = exchange.previewer.attempt(TAKER, taking, None, exchange.opening()).events[0]
    assert isinstance(refused, Rejected)
    assert (refused.error, refused.values["best"]) == ("NothingToTake", MARK + 500)
