"""A waiting order is checked against the mark, exactly, and arrives if it is met.

It keeps its id and takes its place behind all that arrived before this moment. What its group still
holds is cancelled first, so that what that reserved is free for it. It may be refused like any
order that arrives: then it is gone, because its moment has come and passed.
"""

from node.transition.account import Account
from node.transition.arrival import arrive
from node.transition.effects import Effects
from node.transition.gather import check_room
from node.transition.new_order import admit
from node.transition.orders import cancel_order, cancel_others, cancelled, stop_waiting
from node.transition.state import Market, State
from node.transition.steps import Steps
from node.transition.waiting import Waiting
from node.types.commands import TriggerOrder
from node.types.errors import (
    CommandRejected,
    NotTriggered,
    UnknownAccount,
    UnknownOrder,
)
from node.types.events import CancelReason, OrderTriggered, WorkCharged
from node.types.ids import NO_CLIENT_ID
from node.types.rules import Ordering
from node.types.units import Lots, Money, Ticks


def trigger_order(effects: Effects, command: TriggerOrder) -> None:
    """Let the order arrive, or cancel it if its time is over.

    Raises ``UnknownAccount``, ``UnknownOrder`` or ``NotTriggered``; and where it may not arrive on
    a mark as old as this ``MarkStale`` or ``RiskDataTooOld``, or into an auction as full as this
    ``AuctionFull``: it waits on.
    """
    state = effects.state
    account = state.accounts.get(command.account)
    if account is None:
        raise UnknownAccount(account=command.account)
    waiting = account.waiting.get(command.order_id)
    if waiting is None:
        raise UnknownOrder(order_id=command.order_id, client_id=NO_CLIENT_ID)
    if 0 < waiting.good_till <= state.time:
        cancel_order(effects, waiting, CancelReason.EXPIRED)
        return
    market = state.market(waiting.market)
    _check_met(state, account, market, waiting)
    stop_waiting(effects, waiting)
    place = len(effects.events)
    cancel_others(effects)
    _arrive(effects, account, market, waiting, place)


def _check_met(state: State, account: Account, market: Market, waiting: Waiting) -> None:
    if not waiting.reduce_only:
        market.require_fresh(state.time, state.lag)
    if not waiting.is_met(market.mark):
        raise NotTriggered(mark=market.mark, trigger_price=waiting.trigger_price)
    if market.ordering is Ordering.AUCTION:
        check_room(state, account, market, waiting.new.type)


def _arrive(
    effects: Effects, account: Account, market: Market, waiting: Waiting, place: int
) -> None:
    """Let the order arrive; the event that tells of it goes to ``place``."""
    state, steps = effects.state, Steps(effects.state.rules.limits)
    price = Money(min(state.fee, waiting.max_fee))
    units = 0 if waiting.reduce_only else state.rules.fees.per_fill
    per_fill = Money(price * units)
    try:
        order, crosses = admit(state, account, waiting.new, per_fill, steps, waiting)
    except CommandRejected:
        effects.events.insert(place, _triggered(waiting, market, waiting.price, waiting.remaining))
        reason = CancelReason.REFUSED_ON_ARRIVAL
        effects.events.append(cancelled(waiting, reason, resting=False))
        return
    effects.events.insert(place, _triggered(waiting, market, order.price, order.size))
    order.rank = state.next_order_id
    state.next_order_id += 1
    fills = arrive(effects, account, order, crosses, waiting.new.type, per_fill, steps)
    if fills:
        amount = Money(fills * per_fill)
        effects.events.append(WorkCharged(account.address, fills * units, price, amount))


def _triggered(waiting: Waiting, market: Market, price: Ticks, size: Lots) -> OrderTriggered:
    return OrderTriggered(
        waiting.order_id,
        waiting.account,
        waiting.market,
        waiting.side,
        price,
        size,
        Ticks(market.mark),
    )
