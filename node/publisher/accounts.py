"""What each account has: balances, positions, open orders and agents, kept from events alone."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from node.publisher.account_mirror import NEVER, NO_PRICE, AccountMirror, OpenOrder
from node.types.commands import Action, Command, NewOrder, OrderType, PlaceOrders, Side, Trigger
from node.types.durable import DurableBlock
from node.types.events import (
    AgentChanged,
    BalanceChanged,
    BlockOpened,
    CancelReason,
    Deleveraged,
    Deposited,
    Event,
    Filled,
    Liquidated,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    PositionChanged,
    SwitchChanged,
    TriggerSet,
    WithdrawalOpened,
    WorkCharged,
)
from node.types.feed_states import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    PARTLY_FILLED,
    RESTING,
    WAITING,
)
from node.types.ids import Address, MarketId, OrderId, Sequence
from node.types.rules import Limits
from node.types.units import Lots, Millis

_ARRIVALS: Final = (OrderAccepted, OrderAmended, OrderTriggered)


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event as one account sees it: which command made it, and how its order stands after it.

    ``state`` is one of ``ORDER_STATES``, ``left`` the lots still to be filled, and ``client_id``
    the account's own number for it; an empty state means that the event is of no order of the
    account. ``new`` is the order of one that entered, ``side`` what the account did with lots that
    were handed over.
    """

    sequence: Sequence
    event: Event
    state: str = ""
    left: int = 0
    client_id: int = 0
    new: NewOrder | None = None
    side: Side | None = None


Touched = dict[Address, list[Happened]]
"""The accounts that a block touched, each with its events in order."""


class Accounts:
    """All accounts, after the last block that was taken; ``open_interest`` counts longs' lots."""

    __slots__ = (
        "_arriving", "_handlers", "_limits", "_sequence", "_time", "_touched", "by_address",
        "open_interest",
    )  # fmt: skip

    def __init__(self, limits: Limits, time: Millis = NEVER) -> None:
        """Follow a log with ``limits`` that stands at ``time``."""
        self._limits = limits
        self._time = time
        self.by_address: dict[Address, AccountMirror] = {}
        self.open_interest: Counter[MarketId] = Counter()
        self._touched: Touched = {}
        # Of the block at hand: orders that are to fill, rest or end. ``remaining``: what is left.
        self._arriving: dict[OrderId, OpenOrder] = {}
        self._sequence = Sequence(0)
        self._handlers: dict[type, Callable[[Any], None]] = {
            AgentChanged: self._agent,
            BalanceChanged: self._balance,
            BlockOpened: self._block_opened,
            Deleveraged: self._deleveraged,
            Filled: self._filled,
            OrderAmended: self._amended,
            OrderCancelled: self._cancelled,
            OrderRested: self._rested,
            OrderTriggered: self._triggered,
            PositionChanged: self._position,
            SwitchChanged: self._switch,
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
                elif type(event) is TriggerSet:
                    self._trigger_set(event, command)
                elif (handler := self._handlers.get(type(event))) is not None:
                    handler(event)
        self._end_consumed()
        self._arriving.clear()
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
        agent = None if mirror is None else mirror.agents.get(signer)
        return agent is not None and agent.until > now

    def _note_nonce(self, action: Action) -> None:
        mirror = self.by_address[action.account]
        signer = mirror if action.signer == action.account else mirror.agents[action.signer]
        signer.nonce = max(action.nonce, signer.nonce)

    def _touch(
        self,
        address: Address,
        event: Event,
        state: str = "",
        left: int = 0,
        client_id: int = 0,
        new: NewOrder | None = None,
        side: Side | None = None,
    ) -> AccountMirror:
        happened = Happened(self._sequence, event, state, left, client_id, new, side)
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

    def _end_consumed(self) -> None:
        """Tell the end of each order of which its own account's orders took what was not filled.

        No event says so of one that came: only its last fill is told, which seems to leave lots.
        """
        left = {
            order.order_id: order
            for order in self._arriving.values()
            if order.remaining and order.state in (ACCEPTED, PARTLY_FILLED)
        }
        if not left:
            return
        for address, events in self._touched.items():
            came = [one.event.order_id for one in events if isinstance(one.event, _ARRIVALS)]
            for order_id in came:
                order = left.pop(order_id, None)
                if order is not None:
                    _end_in_place(events, order, address)

    def _accepted(self, event: OrderAccepted, command: Command) -> None:
        order = _item(command, event.item)
        self._touch(event.account, event, ACCEPTED, event.size, event.client_id, order)
        self._arriving[event.order_id] = OpenOrder(
            event.order_id,
            event.client_id,
            event.market,
            event.side,
            event.price,
            event.size,
            order.type,
            order.reduce_only,
            state=ACCEPTED,
            good_till=order.good_till,
            group=order.group,
            self_trade=order.self_trade,
        )

    def _trigger_set(self, event: TriggerSet, command: Command) -> None:
        order = _item(command, event.item)
        mirror = self._touch(event.account, event, WAITING, event.size, event.client_id, order)
        mirror.orders[event.order_id] = OpenOrder(
            event.order_id,
            event.client_id,
            event.market,
            event.side,
            event.price,
            event.size,
            order.type,
            order.reduce_only,
            state=WAITING,
            good_till=order.good_till,
            group=order.group,
            self_trade=order.self_trade,
            trigger=event.trigger,
            trigger_price=event.trigger_price,
        )

    def _triggered(self, event: OrderTriggered) -> None:
        order = self.by_address[event.account].orders.pop(event.order_id)
        self._touch(event.account, event, ACCEPTED, event.size, order.client_id)
        self._arriving[event.order_id] = order
        order.state, order.trigger, order.trigger_price = ACCEPTED, Trigger.NONE, NO_PRICE
        order.remaining = event.size

    def _rested(self, event: OrderRested) -> None:
        order = self._arriving.pop(event.order_id)
        if order.state == ACCEPTED:
            order.state = RESTING
        if order.type is OrderType.SLIDE:
            # It has slid, and is like any other that never takes.
            order.type = OrderType.POST_ONLY
        order.price, order.remaining = event.price, event.remaining
        left = event.remaining
        mirror = self._touch(event.account, event, order.state, left, order.client_id)
        mirror.orders[event.order_id] = order

    def _amended(self, event: OrderAmended) -> None:
        orders = self.by_address[event.account].orders
        # One that waits for an auction is not shown yet.
        order = orders.get(event.order_id) or self._arriving[event.order_id]
        order.price, order.remaining = event.price, event.remaining
        order.trigger_price, order.good_till = event.trigger_price, event.good_till
        if not event.resting:
            # What was filled of it before stays filled, wherever it goes.
            if order.state != PARTLY_FILLED:
                order.state = ACCEPTED
            self._arriving[event.order_id] = orders.pop(event.order_id)
        self._touch(event.account, event, order.state, event.remaining, event.client_id)

    def _cancelled(self, event: OrderCancelled) -> None:
        # One that does not rest may have waited for its price, or have never been open.
        mirror = self._touch(event.account, event, CANCELLED, event.remaining, event.client_id)
        mirror.orders.pop(event.order_id, None)
        self._arriving.pop(event.order_id, None)

    def _filled(self, event: Filled) -> None:
        self._fill_maker(event)
        order = self._arriving.get(event.taker_order)
        if order is not None:
            order.remaining = Lots(order.remaining - event.size)
        elif event.auction:
            # It keeps its place in the book, and what it has left was told before its fills.
            order = self.by_address[event.taker].orders[event.taker_order]
        if order is None:  # A liquidation takes without an order.
            self._touch(event.taker, event)
            return
        order.filled = Lots(order.filled + event.size)
        order.state = _after_fill(order.remaining)
        self._touch(event.taker, event, order.state, order.remaining, order.client_id)

    def _fill_maker(self, event: Filled) -> None:
        left, orders = event.maker_remaining, self.by_address[event.maker].orders
        order = orders.get(event.maker_order) or self._arriving[event.maker_order]
        self._touch(event.maker, event, _after_fill(left), left, order.client_id)
        order.remaining, order.filled = left, Lots(order.filled + event.size)
        order.state = _after_fill(left)
        if not left:
            orders.pop(event.maker_order, None)

    def _deleveraged(self, event: Deleveraged) -> None:
        # The positions are those from before the command: it tells how they stand at its end.
        size = self.by_address[event.account].positions[event.market].size
        side = Side.SELL if size > 0 else Side.BUY
        self._touch(event.account, event, side=side)
        self._touch(event.counterparty, event, side=side.opposite)

    def _position(self, event: PositionChanged) -> None:
        positions = self._touch(event.account, event).positions
        before = positions.get(event.market)
        if before is not None:
            self.open_interest[event.market] -= max(before.size, 0)
        self.open_interest[event.market] += max(event.size, 0)
        if event.size:
            positions[event.market] = event
        else:
            positions.pop(event.market, None)

    def _balance(self, event: BalanceChanged) -> None:
        mirror = self._touch(event.account, event)
        mirror.free, mirror.reserved = event.free, event.reserved

    def _switch(self, event: SwitchChanged) -> None:
        mirror = self._touch(event.account, event)
        mirror.switch = event.cancel_at, event.on_disconnect

    def _block_opened(self, event: BlockOpened) -> None:
        self._time = event.time

    def _agent(self, event: AgentChanged) -> None:
        mirror = self._touch(event.account, event)
        mirror.approve(event.agent, event.until, self._limits, self._time)


def _after_fill(left: int) -> str:
    return PARTLY_FILLED if left else FILLED


def _end_in_place(events: list[Happened], order: OpenOrder, account: Address) -> None:
    """Add the end of ``order`` to its account's ``events``, behind what its command did there."""
    last = next(one for one in reversed(events) if _is_of(one.event, order.order_id))
    ended = OrderCancelled(
        order.order_id,
        order.client_id,
        account,
        order.market,
        order.side,
        order.price,
        order.remaining,
        CancelReason.SELF_TRADE,
        resting=False,
    )
    place = bisect_right(events, last.sequence, key=attrgetter("sequence"))
    happened = Happened(last.sequence, ended, CANCELLED, order.remaining, order.client_id)
    events.insert(place, happened)


def _is_of(event: Event, order_id: OrderId) -> bool:
    if isinstance(event, Filled):
        return event.taker_order == order_id
    return isinstance(event, _ARRIVALS) and event.order_id == order_id


def _item(command: Command, item: int) -> NewOrder:
    """Return the order that is item ``item`` of an action; cancels and amends count first."""
    assert isinstance(command, PlaceOrders)
    return command.orders[item - len(command.cancels) - len(command.amends)]
