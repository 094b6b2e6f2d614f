"""What the clocks of orders know, and what they propose. Pure.

    durable blocks ─▶ who waits for which price, whose time ends when ─▶ TriggerOrder, Expire
    connections    ─▶ who asked that his orders go with him, and has gone ─▶ Disconnected

Like the risk processor it only proposes: the transition checks each proposal exactly, so what is
said here can be late or wasteful, never wrong. All that is kept is bounded by the orders that are
open, and by the accounts that have set a switch.
"""

from collections import deque
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import msgspec
from sortedcontainers import SortedList

from node.triggers.ladder import Ladder, Waiter
from node.types.commands import (
    Disconnected,
    Expire,
    NewOrder,
    OracleRound,
    PlaceOrders,
    SetSwitch,
    TriggerOrder,
)
from node.types.durable import DurableBlock
from node.types.events import (
    Event,
    Filled,
    MarkMoved,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRested,
    OrderTriggered,
    SwitchChanged,
    TriggerSet,
)
from node.types.ids import NO_ADDRESS, Address, MarketId, OrderId
from node.types.lanes import Lane
from node.types.units import Millis

Proposal = TriggerOrder | Expire | Disconnected

_NOBODY: Final = OrderId(0)
_NO_TIME: Final = Millis(0)


class _Alarm(IntEnum):
    ORDER = 0
    SWITCH = 1
    AGAIN = 2
    ABSENCE = 3
    MET = 4


class DueBook:
    """Prices that are waited for, times that will come, accounts that have gone."""

    __slots__ = (
        "_absent", "_again", "_alarms", "_armed", "_back", "_grace_ms", "_ladders", "_limits",
        "_met", "_overdue", "_present", "_retry_ms", "_switches", "_times", "_waiters",
    )  # fmt: skip

    def __init__(self, markets: Iterable[MarketId], grace_ms: int, retry_ms: int) -> None:
        """Start with nothing to wait for; ``grace_ms`` is how long an absence is overlooked.

        What is due is proposed again every ``retry_ms``, until its own event says that it is done:
        a proposal can be merged with an earlier one, or meet a block that is dated before it.
        """
        self._grace_ms = grace_ms
        self._retry_ms = retry_ms
        self._ladders = {market: Ladder() for market in markets}
        self._waiters: dict[OrderId, Waiter] = {}
        self._met: deque[OrderId] = deque()
        # Those for which there was no room; one alarm stands for all of them.
        self._back: deque[OrderId] = deque()
        # Orders that are open and end by themselves, and when.
        self._times: dict[OrderId, tuple[Millis, Address]] = {}
        self._switches: dict[Address, Millis] = {}
        self._armed: set[Address] = set()
        self._present: set[Address] = set()
        self._absent: dict[Address, int] = {}
        # What has come due and is not done, by account, and who will be looked at again.
        self._overdue: dict[Address, set[OrderId]] = {}
        self._again: set[Address] = set()
        self._alarms: SortedList[tuple[int, _Alarm, OrderId, Address]] = SortedList()
        # Of the block at hand: the times of orders that may come to rest.
        self._limits: dict[OrderId, Millis] = {}

    def __len__(self) -> int:
        """Return how many orders are watched."""
        return len(self._waiters.keys() | self._times.keys())

    # --- what has happened -----------------------------------------------------------------------

    def take(self, block: DurableBlock) -> None:
        """Take in a durable block."""
        for command, events in zip(block.block.commands, block.events, strict=True):
            if isinstance(command, PlaceOrders):
                if self._is_watching or _watches(command):
                    self._take_placed(command, events)
            elif isinstance(command, OracleRound):
                for event in events:
                    if type(event) is MarkMoved:
                        self._meet(event)
            elif isinstance(command, SetSwitch):
                self._take_switch(command, block.block.time)
            elif self._is_watching:
                self._take_all(events)
        # What arrived for an auction rests by the block's end, or never.
        self._limits.clear()

    @property
    def _is_watching(self) -> bool:
        return bool(self._times or self._waiters or self._switches or self._limits)

    def wait(self, waiter: Waiter, good_till: Millis) -> None:
        """Watch an order that waits for its price."""
        self._waiters[waiter.order_id] = waiter
        self._ladders[waiter.market].add(waiter)
        self.expect(waiter.order_id, waiter.account, good_till)

    def expect(self, order_id: OrderId, account: Address, good_till: Millis) -> None:
        """Watch the time of an open order; 0 is no time."""
        if good_till:
            self._times[order_id] = (good_till, account)
            self._alarms.add((good_till, _Alarm.ORDER, order_id, account))

    def switch(self, account: Address, cancel_at: Millis, on_disconnect: bool) -> None:
        """Note how an account's switch stands."""
        before = self._switches.pop(account, None)
        if before is not None:
            self._alarms.discard((before, _Alarm.SWITCH, _NOBODY, account))
            self._done(account, _NOBODY)
        if cancel_at:
            self._switches[account] = cancel_at
            self._alarms.add((cancel_at, _Alarm.SWITCH, _NOBODY, account))
        if on_disconnect:
            self._armed.add(account)
        else:
            self._armed.discard(account)
            self._overlook(account)

    def left(self, account: Address, now_ms: Millis) -> None:
        """Note that the last connection of ``account`` has ended."""
        self._present.discard(account)
        if account in self._armed and account not in self._absent:
            due_ms = now_ms + self._grace_ms
            self._absent[account] = due_ms
            self._alarms.add((due_ms, _Alarm.ABSENCE, _NOBODY, account))

    def returned(self, account: Address) -> None:
        """Note that ``account`` is connected."""
        self._present.add(account)
        self._overlook(account)

    def all_left(self, now_ms: Millis) -> None:
        """Note that nobody is connected: a node has just started."""
        for account in sorted(self._armed):
            self.left(account, now_ms)

    # --- what to propose -------------------------------------------------------------------------

    @property
    def next_ms(self) -> int | None:
        """Return when something is due next, by block time; None where nothing will be."""
        return self._alarms[0][0] if self._alarms else None

    @property
    def met(self) -> int:
        """Return how many orders have met their price and were not proposed yet."""
        return len(self._met)

    def proposals(self, now_ms: Millis, limit: int) -> list[Proposal]:
        """Return what is due, at most ``limit`` of it; the rest stays for the next turn.

        What ends comes first: it only takes out.
        """
        found: dict[Proposal, None] = {}
        while self._alarms and self._alarms[0][0] <= now_ms and len(found) < limit:
            _, alarm, order_id, account = self._alarms.pop(0)
            if alarm is _Alarm.ABSENCE:
                del self._absent[account]
                found[Disconnected(account)] = None
                continue
            if alarm is _Alarm.MET:
                self._meet_again(now_ms, limit)
                continue
            if alarm is _Alarm.AGAIN:
                self._again.discard(account)
            else:
                self._overdue.setdefault(account, set()).add(order_id)
            if account in self._overdue:
                self._look_again(account, now_ms)
                found[Expire(account)] = None
        while self._met and len(found) < limit:
            waiter = self._waiters.get(self._met.popleft())
            if waiter is not None:
                found[TriggerOrder(waiter.account, waiter.order_id)] = None
        return list(found)

    def _meet_again(self, now_ms: Millis, limit: int) -> None:
        for _ in range(min(limit, len(self._back))):
            self._met.append(self._back.popleft())
        if self._back:
            self._alarms.add((now_ms + self._retry_ms, _Alarm.MET, _NOBODY, NO_ADDRESS))

    def lane_of(self, proposal: Proposal) -> Lane:
        """Return where ``proposal`` waits: what reduces risk before what may add to it."""
        if isinstance(proposal, TriggerOrder):
            waiter = self._waiters.get(proposal.order_id)
            return Lane.REDUCING if waiter is not None and waiter.reduces else Lane.TAKING
        return Lane.REDUCING

    def not_queued(self, proposal: Proposal, again_ms: int) -> None:
        """Take back a proposal for which there was no room; it is made again at ``again_ms``.

        What has come due is proposed again anyway. A mark that meets an order may be gone with the
        next one, so the order does not wait for that; where more are taken back than are proposed
        in a turn, the others wait for as many times ``retry_ms`` more, however long there is no
        room.
        """
        if isinstance(proposal, TriggerOrder):
            if not self._back:
                self._alarms.add((again_ms, _Alarm.MET, _NOBODY, NO_ADDRESS))
            self._back.append(proposal.order_id)
        elif isinstance(proposal, Disconnected):
            account = proposal.account
            is_gone = account in self._armed and account not in self._present
            if is_gone and account not in self._absent:
                self._absent[account] = again_ms
                self._alarms.add((again_ms, _Alarm.ABSENCE, _NOBODY, account))

    def not_met(self, proposal: TriggerOrder) -> None:
        """Take back a proposal that was refused: the order waits for the next mark."""
        waiter = self._waiters.get(proposal.order_id)
        if waiter is not None:
            # An amend may have let it wait for another price since it was proposed.
            self._ladders[waiter.market].discard(waiter)
            self._ladders[waiter.market].add(waiter)

    # --- events ----------------------------------------------------------------------------------

    def _overlook(self, account: Address) -> None:
        due_ms = self._absent.pop(account, None)
        if due_ms is not None:
            self._alarms.discard((due_ms, _Alarm.ABSENCE, _NOBODY, account))

    def _take_switch(self, command: SetSwitch, now_ms: Millis) -> None:
        """Whoever asks to go with a connection that he does not have, or no more, is gone."""
        self.switch(command.account, command.cancel_at, command.on_disconnect)
        if command.account not in self._present:
            self.left(command.account, now_ms)

    def _take_placed(self, command: PlaceOrders, events: tuple[Event, ...]) -> None:
        first = len(command.cancels) + len(command.amends)
        for event in events:
            kind = type(event)
            if kind is OrderAccepted:
                assert isinstance(event, OrderAccepted)
                self._limits[event.order_id] = command.orders[event.item - first].good_till
            elif kind is TriggerSet:
                assert isinstance(event, TriggerSet)
                self._wait_as(event, command.orders[event.item - first])
            else:
                self._take_event(event)

    def _take_all(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._take_event(event)

    def _take_event(self, event: Event) -> None:
        match event:
            case OrderCancelled():
                self._forget(event.order_id)
            case Filled():
                if not event.maker_remaining:
                    self._forget(event.maker_order)
            case OrderRested():
                limit = self._limits.pop(event.order_id, _NO_TIME)
                self.expect(event.order_id, event.account, limit)
            case OrderTriggered():
                self._leave(event.order_id)
            case OrderAmended():
                self._take_amended(event)
            case SwitchChanged():
                self.switch(event.account, event.cancel_at, event.on_disconnect)
            case _:
                pass

    def _take_amended(self, event: OrderAmended) -> None:
        """Watch the new price or the new end of an order, and no more the old one."""
        order_id = event.order_id
        if not event.resting:
            self._forget(order_id)
            self._limits[order_id] = event.good_till
            return
        waiter = self._waiters.get(order_id)
        if waiter is not None and waiter.price != event.trigger_price:
            ladder = self._ladders[waiter.market]
            ladder.discard(waiter)
            waiter = msgspec.structs.replace(waiter, price=event.trigger_price)
            self._waiters[order_id] = waiter
            ladder.add(waiter)
        before, _ = self._times.get(order_id, (_NO_TIME, event.account))
        # The end of one that waits for its auction is watched once it rests.
        if event.good_till != before and order_id not in self._limits:
            self._forget_time(order_id)
            self.expect(order_id, event.account, event.good_till)

    def _wait_as(self, event: TriggerSet, order: NewOrder) -> None:
        waiter = Waiter(
            event.order_id,
            event.account,
            event.market,
            event.side,
            event.trigger,
            event.trigger_price,
            order.reduce_only,
        )
        self.wait(waiter, order.good_till)

    def _meet(self, event: MarkMoved) -> None:
        self._met.extend(self._ladders[event.market].take_met(event.price))

    def _leave(self, order_id: OrderId) -> None:
        """Forget an order that arrives in the book now, but for when its time is over."""
        limit = self._times.get(order_id)
        self._forget(order_id)
        if limit is not None:
            self._limits[order_id] = limit[0]

    def _forget(self, order_id: OrderId) -> None:
        waiter = self._waiters.pop(order_id, None)
        if waiter is not None:
            self._ladders[waiter.market].discard(waiter)
        self._forget_time(order_id)

    def _forget_time(self, order_id: OrderId) -> None:
        limit = self._times.pop(order_id, None)
        if limit is not None:
            self._alarms.discard((limit[0], _Alarm.ORDER, order_id, limit[1]))
            self._done(limit[1], order_id)

    def _look_again(self, account: Address, now_ms: int) -> None:
        if account not in self._again:
            self._again.add(account)
            self._alarms.add((now_ms + self._retry_ms, _Alarm.AGAIN, _NOBODY, account))

    def _done(self, account: Address, order_id: OrderId) -> None:
        overdue = self._overdue.get(account)
        if overdue is not None:
            overdue.discard(order_id)
            if not overdue:
                del self._overdue[account]


def _watches(command: PlaceOrders) -> bool:
    """Return whether something of ``command`` has an end, or waits."""
    return any(order.good_till or order.trigger for order in command.orders) or any(
        change.good_till for change in command.amends
    )
