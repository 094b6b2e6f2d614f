"""What a bystander notes of a state between two commands, and what it may find changed after.

Written against the rules, not against the code: isolation in particular is told by cash alone.
"""

import msgspec

from node.matching.book import Order
from node.transition.account import Account
from node.transition.state import State
from node.transition.waiting import Waiting
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    CancelOrder,
    Command,
    Liquidate,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    TriggerOrder,
    Withdraw,
)
from node.types.events import (
    CancelReason,
    Deleveraged,
    Event,
    Filled,
    ItemRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderTriggered,
    Rejected,
    WorkCharged,
)

_FOK = OrderType.FOK

Position = tuple[int, int]
"""Signed size, and margin with its funding settled."""


class OpenOrder(msgspec.Struct, frozen=True):
    """What a bystander knows of an open order."""

    order_id: int
    client_id: int
    price: int
    size: int
    remaining: int
    reduce_only: bool
    group: int
    good_till: int
    trigger_price: int
    account: bytes
    market: int
    side: Side


def _open_orders(account: Account) -> list[OpenOrder]:
    every: list[Order | Waiting] = [*account.orders.values(), *account.waiting.values()]
    return [
        OpenOrder(
            one.order_id, one.client_id, one.price, one.size, one.remaining, one.reduce_only,
            one.group, one.good_till, one.trigger_price if isinstance(one, Waiting) else 0,
            one.account, one.market, one.side,
        )
        for one in every
    ]  # fmt: skip


class Observed:
    """Each account's cash (free and reserved), its positions, and the times of all marks."""

    def __init__(self, state: State) -> None:
        self.limits = state.rules.limits
        self.rules = state.rules.fees
        self.price = state.fee
        self.fees = state.fees
        self.cash = {a.address: a.free + a.reserved for a in state.accounts.values()}
        self.positions: dict[tuple[bytes, int], Position] = {
            (account.address, market): (
                position.size,
                position.margin - position.owed_funding(state.market(market).funding_index),
            )
            for account in state.accounts.values()
            for market, position in account.positions.items()
        }
        self.debts = {
            (account.address, market): -position.equity(
                state.market(market).mark, state.market(market).funding_index
            )
            for account in state.accounts.values()
            for market, position in account.positions.items()
        }
        self.mark_times = [market.mark_time for market in state.markets]
        self.open_orders = {a.address: _open_orders(a) for a in state.accounts.values()}
        self.agents = max((len(a.agents) for a in state.accounts.values()), default=0)

    def position(self, account: bytes, market: int) -> Position:
        return self.positions.get((account, market), (0, 0))


class Watch:
    """Compares the state after each command with the one before it."""

    def __init__(self, start: Observed) -> None:
        self._before = start

    def see(self, command: Command, events: tuple[Event, ...], after: Observed) -> None:
        """Raise ``AssertionError`` where ``command`` did what no command may."""
        before, self._before = self._before, after
        assert all(new >= old for old, new in zip(before.mark_times, after.mark_times, strict=True))
        _check_bounds(command, events, after)
        _check_isolation(command, events, before, after)
        _check_work(command, events, before, after)
        _check_debts(command, events, before, after)


def _check_bounds(command: Command, events: tuple[Event, ...], after: Observed) -> None:
    limits = after.limits
    most = max(map(len, after.open_orders.values()), default=0)
    assert most <= limits.open_orders_per_account
    assert after.agents <= limits.agents_per_account
    assert sum(isinstance(event, Deleveraged) for event in events) <= limits.deleverage_steps
    items = 1
    if isinstance(command, PlaceOrders):
        _check_all_or_nothing(command, events)
        items = len(command.cancels) + len(command.amends) + len(command.orders)
    steps, last = [0], None
    for event in events:
        if _begins_arrival(event):
            steps.append(0)
        steps[-1] += _is_step(event) and not _goes_along(event, last)
        last = event
    assert len(steps) - 1 + sum(isinstance(event, ItemRejected) for event in events) <= items
    # Orders that a crossing leaves idle, or finds without margin, go along with each step.
    idle = limits.open_orders_per_account * (limits.fills_per_order + 1)
    assert max(steps[1:], default=0) <= limits.fills_per_order, command
    assert len(events) <= items * 4 * (limits.fills_per_order + idle)


def _check_all_or_nothing(command: PlaceOrders, events: tuple[Event, ...]) -> None:
    """Whatever stands in the way of a fill-or-kill order, one that enters is filled in full."""
    first = len(command.cancels) + len(command.amends)
    for event in events:
        if isinstance(event, OrderAccepted):
            filled = sum(
                one.size
                for one in events
                if isinstance(one, Filled) and one.taker_order == event.order_id
            )
            assert filled == event.size or command.orders[event.item - first].type is not _FOK


def _begins_arrival(event: Event) -> bool:
    moved = isinstance(event, OrderAmended) and not event.resting
    return moved or isinstance(event, OrderAccepted | OrderTriggered)


def _is_step(event: Event) -> bool:
    return isinstance(event, Filled) or (
        isinstance(event, OrderCancelled)
        and event.resting
        and event.reason in {CancelReason.SELF_TRADE, CancelReason.MARGIN, CancelReason.EXPIRED}
    )


def _goes_along(event: Event, last: Event | None) -> bool:
    """Return whether ``event`` may be of an order that leaves with the one before it."""
    return (
        isinstance(event, OrderCancelled)
        and isinstance(last, OrderCancelled)
        and event.reason is last.reason is CancelReason.MARGIN
        and (event.account, event.side) == (last.account, last.side)
    )


def _check_isolation(
    command: Command, events: tuple[Event, ...], before: Observed, after: Observed
) -> None:
    """Cash leaves an account by its own will, or into a position that its own order opened.

    So all that a position can lose is what was put into it: nothing is ever drawn after it.
    """
    fills = [event for event in events if isinstance(event, Filled)]
    opening, closing = _parts(fills, before)
    for account, cash in after.cash.items():
        paid = before.cash.get(account, 0) - cash - _charged(account, events)
        if isinstance(command, Withdraw | AdjustMargin) and command.account == account:
            assert paid == (0 if isinstance(events[0], Rejected) else command.amount)
        elif account in opening and account not in closing:
            markets = {fill.market for fill in fills}
            put = sum(
                after.position(account, market)[1] - before.position(account, market)[1]
                for market in markets
            )
            fees = sum(
                (fill.maker == account) * fill.maker_fee + (fill.taker == account) * fill.taker_fee
                for fill in fills
            )
            assert paid == put + fees, (command, account)
        elif account not in opening:
            assert paid <= 0, (command, account, paid)


def _check_debts(
    command: Command, events: tuple[Event, ...], before: Observed, after: Observed
) -> None:
    """A liquidation leaves nobody owing more than before, but for a rounding with each share."""
    if isinstance(command, Liquidate):
        shares = sum(isinstance(event, Filled | Deleveraged) for event in events)
        for key, debt in after.debts.items():
            assert debt <= max(0, before.debts.get(key, 0)) + shares, (command, key)


def _charged(account: bytes, events: tuple[Event, ...]) -> int:
    return sum(e.amount for e in events if isinstance(e, WorkCharged) and e.account == account)


def _check_work(
    command: Command, events: tuple[Event, ...], before: Observed, after: Observed
) -> None:
    """Work is paid at the block's price, by those who add risk, and by nobody beyond his limit.

    The exchange takes in what was charged and the fees of the fills, and nothing else.
    """
    charges = [event for event in events if isinstance(event, WorkCharged)]
    for fill in events:
        if isinstance(fill, Filled) and not isinstance(command, Liquidate):
            before.fees += fill.maker_fee + fill.taker_fee
    assert after.fees == before.fees + sum(charge.amount for charge in charges) or isinstance(
        command, Liquidate
    )
    if isinstance(command, TriggerOrder):
        fills = sum(isinstance(event, Filled) for event in events)
        assert [charge.units for charge in charges if fills] == [
            before.rules.per_fill * fills for _ in charges
        ]
        assert all(charge.price <= before.price for charge in charges)
        return
    if not isinstance(command, PlaceOrders):
        assert not charges
        return
    charged = _charged_items(command, before)
    refused = bool(events) and isinstance(events[0], Rejected)
    if not charged or refused or before.price > command.max_fee:
        assert not charges
        return
    reducers = {one.order_id for one in before.open_orders[command.account] if one.reduce_only}
    first = len(command.cancels) + len(command.amends)
    entered = {
        event.order_id: not command.orders[event.item - first].reduce_only
        for event in events
        if isinstance(event, OrderAccepted)
    } | {
        event.order_id: event.order_id not in reducers
        for event in events
        if isinstance(event, OrderAmended) and not event.resting
    }
    fills = sum(entered[event.taker_order] for event in events if isinstance(event, Filled))
    units = before.rules.per_action + before.rules.per_order * charged
    units += before.rules.per_fill * fills
    if any(entered.values()):
        assert [(c.units, c.price, c.amount) for c in charges] == [
            (units, before.price, units * before.price)
        ]


def _charged_items(command: PlaceOrders, before: Observed) -> int:
    """Count the orders' worth of work that the action has to pay for."""
    held = before.open_orders.get(command.account, [])
    for cancel in command.cancels:
        found = _named(held, cancel)
        held = [
            one
            for one in held
            if found is None or (one is not found and not (one.group and one.group == found.group))
        ]
    charged = sum(_weight(new, command.account, before) for new in command.orders)
    seen = []
    for change in command.amends:
        order = _named(held, change)
        charged += order is None or order in seen or _costs(order, change, before)
        seen.append(order)
    return charged


def _weight(new: NewOrder, account: bytes, before: Observed) -> int:
    if new.trigger:
        return 0 if new.reduce_only and _closes(new.side, account, new.market, before) else 2
    return 0 if new.reduce_only else 1


def _closes(side: Side, account: bytes, market: int, before: Observed) -> bool:
    size = before.position(account, market)[0]
    return size > 0 if side is Side.SELL else size < 0


def _costs(order: OpenOrder, change: AmendOrder, before: Observed) -> bool:
    left = change.size - (order.size - order.remaining)
    halves = change.price == order.price and left <= order.remaining // 2
    keeps = change.trigger_price in {0, order.trigger_price}
    keeps &= change.good_till in {0, order.good_till}
    # What rests and reduces has a position; what waits may have lost it, or never had one.
    free = order.reduce_only and _closes(order.side, order.account, order.market, before)
    return not (free or left <= 0 or (halves and keeps))


def _named(held: list[OpenOrder], name: CancelOrder | AmendOrder) -> OpenOrder | None:
    if name.client_id:
        return next((one for one in held if one.client_id == name.client_id), None)
    return next((one for one in held if one.order_id == name.order_id), None)


def _parts(fills: list[Filled], before: Observed) -> tuple[set[bytes], set[bytes]]:
    """Return the accounts for which at least one fill opened, and those for which one closed."""
    opening: set[bytes] = set()
    closing: set[bytes] = set()
    sizes: dict[tuple[bytes, int], int] = {}
    for fill in fills:
        bought = fill.size if fill.taker_side is Side.BUY else -fill.size
        for account, lots in ((fill.taker, bought), (fill.maker, -bought)):
            key = (account, fill.market)
            size = sizes.get(key, before.position(*key)[0])
            sizes[key] = size + lots
            if size * lots < 0:
                closing.add(account)
            if size * lots >= 0 or abs(lots) > abs(size):
                opening.add(account)
    return opening, closing
