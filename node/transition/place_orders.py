"""Cancels, amends and orders under one signature, in this turn, each with its own result."""

from node.margin.position import NO_MONEY
from node.transition.account import Account
from node.transition.amend import amend
from node.transition.arrival import arrive
from node.transition.authority import authorize
from node.transition.effects import Effects
from node.transition.new_order import admit, check_client_id, note_client_id
from node.transition.orders import cancel_order, cancel_others, open_order
from node.transition.phases import require_first_phase
from node.transition.set_trigger import set_trigger
from node.transition.steps import Steps
from node.transition.work_fee import WorkFee, hold_back
from node.types.commands import CancelOrder, NewOrder, PlaceOrders
from node.types.errors import (
    CommandRejected,
    EveryItemRejected,
    FillOrKillUnfilled,
    TooManyItems,
)
from node.types.events import CancelReason, ItemRejected, OrderAccepted
from node.types.units import Money


def place_orders(effects: Effects, command: PlaceOrders) -> None:
    """Apply every item that can apply.

    Where none can, the action is rejected as a whole and its nonce stays unused: with the item's
    own error if it had only one, with ``EveryItemRejected`` otherwise. Work that it made and must
    pay for makes it apply all the same (see ``work_fee``).

    What is refused is kept without its frames, which would keep it, and all of the block.
    """
    items = len(command.cancels) + len(command.amends) + len(command.orders)
    limit = effects.state.rules.limits.items_per_action
    if not 1 <= items <= limit:
        raise TooManyItems(items=items, limit=limit)
    authority = authorize(effects.state, command)
    account = authority.account
    rejections: list[tuple[int, CommandRejected]] = []
    for place, cancel in enumerate(command.cancels):
        try:
            _cancel(effects, account, cancel, command)
        except CommandRejected as error:
            rejections.append((place, error.with_traceback(None)))
    work, steps = hold_back(effects, account, command), Steps(effects.state.rules.limits)
    fills, first = 0, items - len(command.orders)
    if command.amends:
        fills = _amend(effects, account, command, work, steps, rejections)
    for place, order in enumerate(command.orders, start=first):
        try:
            fills += _place(effects, account, order, place, work, steps, command.max_fee)
        except CommandRejected as error:
            rejections.append((place, error.with_traceback(None)))
        if effects.others:
            steps.take(cancel_others(effects))
    if len(rejections) == items and not (work and work.paid and _walked(rejections)):
        if work:
            work.give_back()
        raise _all_of(rejections)
    if work:
        work.book(effects, fills)
    for place, fault in rejections:
        effects.events.append(ItemRejected(place, fault.code, type(fault).__name__, fault.values))
    authority.use(effects)


def _amend(
    effects: Effects,
    account: Account,
    command: PlaceOrders,
    work: WorkFee | None,
    steps: Steps,
    rejections: list[tuple[int, CommandRejected]],
) -> int:
    """Apply the amends, note those that cannot; return the fills that were charged."""
    fills, first = 0, len(command.cancels)
    for place, change in enumerate(command.amends):
        fault = work.fault if work and place in work.amends else None
        try:
            fills += amend(effects, account, change, work, steps, fault)
        except CommandRejected as error:
            rejections.append((first + place, error.with_traceback(None)))
        if effects.others:
            steps.take(cancel_others(effects))
    return fills


def _all_of(rejections: list[tuple[int, CommandRejected]]) -> CommandRejected:
    if len(rejections) == 1:
        return rejections[0][1]
    told = [
        {"code": error.code, "name": type(error).__name__, "values": error.values}
        for _, error in rejections
    ]
    return EveryItemRejected(errors=told)


def _cancel(effects: Effects, account: Account, cancel: CancelOrder, command: PlaceOrders) -> None:
    order = open_order(account, cancel)
    if effects.state.phased:
        require_first_phase(effects.state, order, command)
    cancel_order(effects, order, CancelReason.BY_ACCOUNT)
    if effects.others:
        cancel_others(effects)


def _walked(rejections: list[tuple[int, CommandRejected]]) -> bool:
    """Return whether an order was killed only after the book had been walked for it."""
    return any(type(error) is FillOrKillUnfilled for _, error in rejections)


def _place(
    effects: Effects,
    account: Account,
    new: NewOrder,
    item: int,
    work: WorkFee | None,
    steps: Steps,
    max_fee: Money,
) -> int:
    """Admit the order and let it arrive, or wait; return the fills that were charged.

    Raises before the first change, and of an order that is sent again ``DuplicateClientId`` before
    anything else: whatever else it breaks by now may be the work of the first.
    """
    if new.client_id:
        check_client_id(account, new.client_id)
    if new.trigger or new.trigger_price:
        set_trigger(effects, account, new, item, work, max_fee)
        return 0
    state = effects.state
    per_fill = NO_MONEY
    if work and not new.reduce_only:
        if work.fault is not None:
            raise work.fault
        per_fill = work.per_fill
    order, crosses = admit(state, account, new, per_fill, steps)
    state.next_order_id += 1
    note_client_id(state, account, new, order.order_id)
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
    return arrive(effects, account, order, crosses, new.type, per_fill, steps)
