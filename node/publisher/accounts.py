"""What each account has: balances, positions, open orders and agents, kept from events alone."""

from collections.abc import Callable
from typing import Any

import msgspec

from node.types.commands import Action, Command, PlaceOrders, Side
from node.types.durable import DurableBlock
from node.types.events import (
    AgentChanged,
    BalanceChanged,
    Deleveraged,
    Deposited,
    Event,
    Filled,
    Liquidated,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
    PositionChanged,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.feed_states import ACCEPTED, CANCELLED, FILLED, PARTLY_FILLED, RESTING
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.units import Lots, Millis, Money, Ticks


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event as one account sees it: which command made it, and how its order stands after it.

    ``state`` is one of ``ORDER_STATES``, and ``left`` the lots still to be filled; an empty state
    means that the event is of no order of the account.
    """

    sequence: Sequence
    event: Event
    state: str = ""
    left: int = 0


Touched = dict[Address, list[Happened]]
"""The accounts that a block touched, each with its events in order."""


class OpenOrder:
    """An order that rests in a book; ``state`` is one of ``ORDER_STATES``.

    The state of the exchange does not hold what an order began with: after a restart one that was
    partly filled counts as resting until its next fill.
    """

    __slots__ = (
        "client_id",
        "market",
        "order_id",
        "price",
        "reduce_only",
        "remaining",
        "side",
        "state",
    )

    def __init__(
        self,
        order_id: OrderId,
        client_id: ClientOrderId,
        market: MarketId,
        side: Side,
        price: Ticks,
        remaining: Lots,
        *,
        reduce_only: bool,
        state: str = RESTING,
    ) -> None:
        self.order_id = order_id
        self.client_id = client_id
        self.market = market
        self.side = side
        self.price = price
        self.remaining = remaining
        self.reduce_only = reduce_only
        self.state = state


class _Arriving:
    """An order of the command at hand, from its acceptance until it rests or is gone."""

    __slots__ = ("client_id", "left", "reduce_only", "size")

    def __init__(self, client_id: ClientOrderId, size: Lots, *, reduce_only: bool) -> None:
        self.client_id = client_id
        self.reduce_only = reduce_only
        self.size: int = size
        self.left: int = size


class AccountMirror:
    """One account; ``positions`` are the open ones, ``nonces`` the highest each signer used.

    ``sequence`` is that of the last command of the last block that touched it, or of the seed.
    """

    __slots__ = ("agents", "free", "nonces", "orders", "positions", "reserved", "sequence")

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.free = Money(0)
        self.reserved = Money(0)
        self.positions: dict[MarketId, PositionChanged] = {}
        self.orders: dict[OrderId, OpenOrder] = {}
        self.agents: dict[Address, Millis] = {}
        self.nonces: dict[Address, int] = {}


class Accounts:
    """All accounts, after the last block that was taken."""

    __slots__ = ("_handlers", "_sequence", "_touched", "_waiting", "by_address")

    def __init__(self) -> None:
        self.by_address: dict[Address, AccountMirror] = {}
        self._touched: Touched = {}
        self._waiting: dict[OrderId, _Arriving] = {}
        self._sequence = Sequence(0)
        self._handlers: dict[type, Callable[[Any], None]] = {
            AgentChanged: self._agent,
            BalanceChanged: self._balance,
            Deleveraged: self._deleveraged,
            Filled: self._filled,
            OrderCancelled: self._cancelled,
            OrderRested: self._rested,
            PositionChanged: self._position,
            Deposited: self._touch_account,
            Liquidated: self._touch_account,
            WithdrawalOpened: self._touch_account,
            WorkCharged: self._touch_account,
        }

    def seed(self, address: Address, sequence: Sequence) -> AccountMirror:
        """Return a new, empty mirror of ``address`` for the caller to fill."""
        mirror = self.by_address[address] = AccountMirror(sequence)
        return mirror

    def take(self, block: DurableBlock) -> Touched:
        """Follow ``block`` and return which accounts it touched, and how.

        The accounts' ``sequence`` is still that of the message before: the caller moves it on,
        with ``moved_on``, once it has told of this one.
        """
        touched = self._touched = {}
        sequence = block.block.first_sequence - 1
        for command, events in zip(block.block.commands, block.events, strict=True):
            self._sequence = sequence = Sequence(sequence + 1)
            if isinstance(command, Action):
                self._note_nonce(command)
            for event in events:
                if type(event) is OrderAccepted:
                    self._accepted(event, command)
                elif (handler := self._handlers.get(type(event))) is not None:
                    handler(event)
            self._waiting.clear()
        return touched

    def moved_on(self, touched: Touched, sequence: Sequence) -> None:
        """Note that the accounts' last message is the one of ``sequence``."""
        for address in touched:
            self.by_address[address].sequence = sequence

    def may_act(self, account: Address, signer: Address, now: Millis) -> bool:
        """Return whether ``signer`` is the account's own key or a live agent's."""
        if signer == account:
            return True
        mirror = self.by_address.get(account)
        return mirror is not None and mirror.agents.get(signer, 0) > now

    def _note_nonce(self, action: Action) -> None:
        nonces = self.by_address[action.account].nonces
        nonces[action.signer] = max(action.nonce, nonces.get(action.signer, 0))

    def _touch(
        self, address: Address, event: Event, state: str = "", left: int = 0
    ) -> AccountMirror:
        happened = Happened(self._sequence, event, state, left)
        events = self._touched.get(address)
        if events is None:
            self._touched[address] = [happened]
        else:
            events.append(happened)
        mirror = self.by_address.get(address)
        # An account is opened by its first deposit; no message came before that.
        return self.seed(address, Sequence(0)) if mirror is None else mirror

    def _touch_account(
        self, event: Deposited | Liquidated | WithdrawalOpened | WorkCharged
    ) -> None:
        self._touch(event.account, event)

    def _accepted(self, event: OrderAccepted, command: Command) -> None:
        assert isinstance(command, PlaceOrders)
        self._touch(event.account, event, ACCEPTED, event.size)
        order = command.orders[event.item - len(command.cancels)]
        self._waiting[event.order_id] = _Arriving(
            event.client_id, event.size, reduce_only=order.reduce_only
        )

    def _rested(self, event: OrderRested) -> None:
        arriving = self._waiting[event.order_id]
        state = RESTING if event.remaining == arriving.size else PARTLY_FILLED
        mirror = self._touch(event.account, event, state, event.remaining)
        mirror.orders[event.order_id] = OpenOrder(
            event.order_id,
            arriving.client_id,
            event.market,
            event.side,
            event.price,
            event.remaining,
            reduce_only=arriving.reduce_only,
            state=state,
        )

    def _cancelled(self, event: OrderCancelled) -> None:
        mirror = self._touch(event.account, event, CANCELLED, event.remaining)
        if event.resting:
            del mirror.orders[event.order_id]

    def _filled(self, event: Filled) -> None:
        left = event.maker_remaining
        orders = self._touch(event.maker, event, _after_fill(left), left).orders
        if left:
            order = orders[event.maker_order]
            order.remaining, order.state = left, PARTLY_FILLED
        else:
            del orders[event.maker_order]
        arriving = self._waiting.get(event.taker_order)
        if arriving is None:  # A liquidation takes without an order.
            self._touch(event.taker, event)
        else:
            arriving.left -= event.size
            self._touch(event.taker, event, _after_fill(arriving.left), arriving.left)

    def _deleveraged(self, event: Deleveraged) -> None:
        self._touch(event.account, event)
        self._touch(event.counterparty, event)

    def _position(self, event: PositionChanged) -> None:
        positions = self._touch(event.account, event).positions
        if event.size:
            positions[event.market] = event
        else:
            positions.pop(event.market, None)

    def _balance(self, event: BalanceChanged) -> None:
        mirror = self._touch(event.account, event)
        mirror.free, mirror.reserved = event.free, event.reserved

    def _agent(self, event: AgentChanged) -> None:
        self._touch(event.account, event).agents[event.agent] = event.until


def _after_fill(left: int) -> str:
    return PARTLY_FILLED if left else FILLED
