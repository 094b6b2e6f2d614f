"""A small exchange to bring somewhere in few words: every step is checked as it is made.

In ``RULES`` a price of 100_00 ticks is 100 dollars and 10_000 lots are one coin, so one coin costs
100 dollars, needs 10 of initial and 5 of maintenance margin up to 100 coins, and twice that beyond.
The transition does not look at signatures, so there are none.
"""

from typing import Any, TypeVar

import msgspec

from node.margin.position import Position
from node.transition import invariants
from node.transition.account import Account
from node.transition.apply import apply
from node.transition.state import Market, State
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    CancelAll,
    CancelOrder,
    Command,
    Deposit,
    Expire,
    Liquidate,
    NewOrder,
    OpenBlock,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    SetSwitch,
    Side,
    Trigger,
    TriggerOrder,
    Withdraw,
)
from node.types.errors import PlimsollError
from node.types.events import (
    CancelReason,
    Event,
    Filled,
    OrderAccepted,
    OrderCancelled,
    Rejected,
    TriggerSet,
)
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.rules import Rules
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import DOLLAR, DOMAIN, RULES, START_MS, Person

E = TypeVar("E", bound=Event)

BTC = MarketId(1)
ETH = MarketId(2)
BUY, SELL = Side.BUY, Side.SELL
COIN = 10_000
"""Lots of one coin."""


def order(
    side: Side,
    size: int,
    price: int,
    kind: OrderType = OrderType.GTC,
    *,
    reduce_only: bool = False,
    client_id: int = 0,
    market: int = BTC,
    **more: Any,  # Fields of NewOrder that few orders have.
) -> NewOrder:
    """Return an order of ``size`` lots at ``price`` ticks."""
    new = NewOrder(
        MarketId(market), side, kind, Ticks(price), Lots(size), reduce_only,
        ClientOrderId(client_id),
    )  # fmt: skip
    return msgspec.structs.replace(new, **more) if more else new


def stop(
    side: Side, size: int, price: int, at: int, kind: OrderType = OrderType.GTC, **more: Any
) -> NewOrder:
    """Return a stop order that waits for the mark ``at``."""
    return order(side, size, price, kind, trigger=Trigger.STOP, trigger_price=Ticks(at), **more)


def target(
    side: Side, size: int, price: int, at: int, kind: OrderType = OrderType.GTC, **more: Any
) -> NewOrder:
    """Return a take-profit order that waits for the mark ``at``."""
    trigger = Trigger.TAKE_PROFIT
    return order(side, size, price, kind, trigger=trigger, trigger_price=Ticks(at), **more)


def amendment(
    order_id: int, price: int, size: int, market: int = BTC, *, at: int = 0, good_till: int = 0
) -> AmendOrder:
    """Return what makes of an open order one of ``size`` lots in all at ``price``.

    ``at`` is the mark that it waits for from then on, ``good_till`` its new end; 0 keeps them.
    """
    return AmendOrder(
        MarketId(market), Ticks(price), Lots(size), OrderId(order_id), ClientOrderId(0),
        Ticks(at), Millis(good_till),
    )  # fmt: skip


class Exchange:
    """A state, the commands that led to it, and the shortest way to the next one."""

    def __init__(self, rules: Rules = RULES, mark: int = 100_00) -> None:
        self.state = State.genesis(rules, DOMAIN)
        self.events: tuple[Event, ...] = ()
        self._nonces: dict[Address, int] = {}
        self.do(OpenBlock(1, START_MS, self.state.fee))
        if mark:
            self.mark(mark)

    # --- applying ------------------------------------------------------------------------------

    def do(self, command: Command) -> tuple[Event, ...]:
        """Apply ``command``, which must be accepted."""
        self.events = apply(self.state, command)
        assert not isinstance(self.events[0] if self.events else None, Rejected), self.events
        invariants.check(self.state)
        return self.events

    def refused(self, command: Command, error: type[PlimsollError]) -> dict[str, Any]:
        """Apply ``command``, which must be rejected with ``error``; return the error's values."""
        before = dict(self.state.leaves())
        (event,) = apply(self.state, command)
        assert isinstance(event, Rejected)
        assert (event.error, event.code) == (error.__name__, error.code)
        assert dict(self.state.leaves()) == before
        return event.values

    def head(
        self, person: Person, signer: Person | None = None
    ) -> tuple[Address, Address, int, Millis, bytes]:
        """Return the fields that every action begins with; the nonce is the next one."""
        address = (signer or person).address
        nonce = self._nonces[address] = self._nonces.get(address, 0) + 1
        return person.address, address, nonce, Millis(self.state.time + 60_000), b""

    # --- commands ------------------------------------------------------------------------------

    def wait(self, duration_ms: int) -> None:
        """Open the next block ``duration_ms`` after this one."""
        time = Millis(self.state.time + duration_ms)
        self.do(OpenBlock(self.state.block + 1, time, self.state.fee))

    def fund(self, person: Person, dollars: int) -> None:
        """Deposit."""
        amount = Money(dollars * DOLLAR)
        self.do(Deposit(self.state.inbox_cursor, person.address, amount))

    def endow(self, dollars: int) -> None:
        """Fill the insurance fund, as if many a liquidation had paid its fee before."""
        self.state.insurance += dollars * DOLLAR
        self.state.deposited += dollars * DOLLAR

    def round(self, *prices: int) -> OracleRound:
        """Return a round of this moment in which all reporters agree."""
        every = tuple(Ticks(price) for price in prices)
        reports = tuple(
            PriceReport(reporter, every, b"") for reporter in self.state.rules.reporters
        )
        return OracleRound(Millis(self.state.time), reports)

    def mark(self, *prices: int) -> None:
        """Move the marks, in a block of their own; the last price is that of all further ones."""
        markets = len(self.state.markets)
        self.wait(1)
        self.do(self.round(*prices, *[prices[-1]] * (markets - len(prices))))

    def orders(
        self,
        person: Person,
        *orders: NewOrder,
        cancels: tuple[CancelOrder, ...] = (),
        amends: tuple[AmendOrder, ...] = (),
        max_fee: int = 0,
    ) -> PlaceOrders:
        """Return the action that places ``orders``."""
        return PlaceOrders(*self.head(person), cancels, orders, Money(max_fee), amends)

    def place(self, person: Person, *orders: NewOrder) -> OrderId:
        """Place ``orders``; return the id of the last that was accepted."""
        self.do(self.orders(person, *orders))
        return next(e for e in reversed(self.events) if isinstance(e, OrderAccepted)).order_id

    def wait_for(self, person: Person, *orders: NewOrder, max_fee: int = 0) -> OrderId:
        """Place trigger orders; return the id of the last."""
        self.do(self.orders(person, *orders, max_fee=max_fee))
        return self.told(TriggerSet)[-1].order_id

    def amend(self, person: Person, *amends: AmendOrder, max_fee: int = 0) -> None:
        """Amend open orders."""
        self.do(self.orders(person, amends=amends, max_fee=max_fee))

    def trigger(self, person: Person, order_id: int) -> TriggerOrder:
        """Return the command that asks whether a waiting order is met."""
        return TriggerOrder(person.address, OrderId(order_id))

    def expire(self, person: Person) -> Expire:
        """Return the command that asks what of the person's has run out."""
        return Expire(person.address)

    def switch(self, person: Person, cancel_at: int, *, on_disconnect: bool = False) -> SetSwitch:
        """Return the action that sets the person's dead man's switch."""
        return SetSwitch(*self.head(person), Millis(cancel_at), on_disconnect)

    def trade(self, buyer: Person, seller: Person, size: int, price: int) -> None:
        """Let ``seller`` rest and ``buyer`` take all of it."""
        self.place(seller, order(SELL, size, price))
        self.place(buyer, order(BUY, size, price, OrderType.FOK))

    def cancel_all(self, person: Person, market: int = 0) -> CancelAll:
        """Return the action that cancels everything in ``market`` (0: in all)."""
        return CancelAll(*self.head(person), MarketId(market))

    def adjust(self, person: Person, amount: int, market: int = BTC) -> AdjustMargin:
        """Return the action that moves ``amount`` into the position's margin."""
        return AdjustMargin(*self.head(person), MarketId(market), Money(amount))

    def withdraw(self, person: Person, amount: int) -> Withdraw:
        """Return the action that takes ``amount`` out of the exchange."""
        return Withdraw(*self.head(person), Money(amount))

    def liquidate(self, person: Person, market: int = BTC) -> Liquidate:
        """Return the command that asks for ``person``'s liquidation."""
        return Liquidate(MarketId(market), person.address)

    # --- looking -------------------------------------------------------------------------------

    def account(self, person: Person) -> Account:
        """Return the person's account."""
        return self.state.accounts[person.address]

    def position(self, person: Person, market: int = BTC) -> Position:
        """Return the person's position."""
        return self.account(person).position(MarketId(market))

    @property
    def market(self) -> Market:
        """The first market."""
        return self.state.market(BTC)

    def fills(self) -> list[tuple[int, int]]:
        """Return (price, size) of the last command's fills."""
        return [(event.price, event.size) for event in self.events if isinstance(event, Filled)]

    def gone(self) -> list[tuple[int, CancelReason, bool]]:
        """Return (order id, reason, resting) of the orders that the last command cancelled."""
        told = self.told(OrderCancelled)
        return [(event.order_id, event.reason, event.resting) for event in told]

    def told(self, kind: type[E]) -> list[E]:
        """Return the last command's events of ``kind``."""
        return [event for event in self.events if isinstance(event, kind)]

    def book(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return (price, size) of the first market's bids and asks, best first."""
        bids, asks = (
            [(int(price), int(size)) for price, size, _ in self.market.book.levels(side)]
            for side in Side
        )
        return bids, asks
