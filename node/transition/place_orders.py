"""Cancels and orders under one signature: cancels first, then orders, each with its own result."""

from node.margin.position import NO_MONEY
from node.matching.book import Order
from node.matching.match import Stop
from node.transition.authority import authorize
from node.transition.effects import Effects
from node.transition.new_order import admit, reserve_of
from node.transition.orders import cancelled, remove_order, rest_order
from node.transition.state import Account, State
from node.transition.steps import Steps
from node.transition.trade import Trade
from node.transition.work_fee import WorkFee, hold_back
from node.types.commands import CancelOrder, NewOrder, OrderType, PlaceOrders
from node.types.errors import (
    CommandRejected,
    EveryItemRejected,
    FillOrKillUnfilled,
    TooManyItems,
    UnknownOrder,
)
from node.types.events import CancelReason, ItemRejected, OrderAccepted
from node.types.ids import OrderId

_REASON_OF_STOP = {
    Stop.NO_CROSS: CancelReason.IMMEDIATE_REMAINDER,
    Stop.FILL_LIMIT: CancelReason.FILL_LIMIT,
    Stop.TAKER_OUT: CancelReason.MARGIN,
}


def place_orders(effects: Effects, command: PlaceOrders) -> None:
    """Apply every item that can apply.

    Where none can, the action is rejected as a whole and its nonce stays unused: with the item's
    own error if it had only one, with ``EveryItemRejected`` otherwise. Work that it made and must
    pay for makes it apply all the same (see ``work_fee``).
    """
    items = len(command.cancels) + len(command.orders)
    limit = effects.state.rules.limits.items_per_action
    if not 1 <= items <= limit:
        raise TooManyItems(items=items, limit=limit)
    authority = authorize(effects.state, command)
    account = authority.account
    rejections: list[tuple[int, CommandRejected]] = []
    for place, cancel in enumerate(command.cancels):
        try:
            _cancel(effects, account, cancel)
        except CommandRejected as error:
            rejections.append((place, error))
    work, steps = hold_back(effects, account, command), Steps(effects.state.rules.limits)
    fills = 0
    for place, order in enumerate(command.orders, start=len(command.cancels)):
        try:
            fills += _place(effects, account, order, place, work, steps)
        except CommandRejected as error:
            rejections.append((place, error))
    if len(rejections) == items and not (work and work.paid and _walked(rejections)):
        if work:
            work.give_back()
        raise _all_of(rejections)
    if work:
        work.book(effects, fills)
    for place, fault in rejections:
        effects.events.append(ItemRejected(place, fault.code, type(fault).__name__, fault.values))
    authority.use(effects)


def _all_of(rejections: list[tuple[int, CommandRejected]]) -> CommandRejected:
    if len(rejections) == 1:
        return rejections[0][1]
    return EveryItemRejected(codes=[error.code for _, error in rejections])


def _cancel(effects: Effects, account: Account, cancel: CancelOrder) -> None:
    if cancel.client_id:
        order = account.clients.get(cancel.client_id)
    else:
        order = account.orders.get(cancel.order_id)
    if order is None:
        raise UnknownOrder(order_id=cancel.order_id, client_id=cancel.client_id)
    remove_order(effects, order, CancelReason.BY_ACCOUNT)


def _walked(rejections: list[tuple[int, CommandRejected]]) -> bool:
    """Return whether an order was killed only after the book had been walked for it."""
    return any(type(error) is FillOrKillUnfilled for _, error in rejections)


def _place(
    effects: Effects, account: Account, new: NewOrder, item: int, work: WorkFee | None, steps: Steps
) -> int:
    """Admit the order, cross it, rest or drop what is left; return the fills that were charged.

    Raises before the first change.
    """
    state = effects.state
    per_fill = NO_MONEY
    if work and not new.reduce_only:
        if work.fault is not None:
            raise work.fault
        per_fill = work.per_fill
    admitted = admit(state, account, new, per_fill, steps)
    order = Order(
        OrderId(state.next_order_id),
        new.client_id,
        account.address,
        new.market,
        new.side,
        admitted.price,
        admitted.size,
        reduce_only=new.reduce_only,
        reserve=admitted.reserve,
    )
    state.next_order_id += 1
    effects.events.append(
        OrderAccepted(
            item,
            order.order_id,
            order.client_id,
            order.account,
            order.market,
            order.side,
            order.price,
            order.remaining,
        )
    )
    if not admitted.crosses:
        rest_order(effects, account, order)
        return 0
    trade = Trade(effects, state.markets[new.market - 1], account, order, per_fill)
    stop = trade.run(steps.most)
    steps.take(trade.steps)
    if order.remaining:
        _finish(effects, account, order, new.type, stop)
    return trade.fills if per_fill else 0


def _finish(effects: Effects, account: Account, order: Order, kind: OrderType, stop: Stop) -> None:
    """Rest what crossing left of an order that may rest and can pay for it; or cancel it."""
    reason = _REASON_OF_STOP[stop]
    if stop is Stop.NO_CROSS and kind is OrderType.GTC:
        reason = CancelReason.REDUCE_ONLY if order.reduce_only else CancelReason.MARGIN
        if _may_rest(effects.state, account, order):
            rest_order(effects, account, order)
            return
    effects.events.append(cancelled(order, reason, resting=False))


def _may_rest(state: State, account: Account, order: Order) -> bool:
    """Set what the rest of the order reserves; return whether the account can hold it back."""
    position = account.positions[order.market]
    if order.reduce_only:
        return position.reducible(order.side) > 0
    market = state.market(order.market)
    order.reserve = reserve_of(market, position, order.side, order.price, order.remaining)
    return order.reserve <= account.free
