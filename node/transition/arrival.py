"""An admitted order arrives: it crosses, and what is left of it rests or is dropped."""

from typing import Final

from node.matching.book import Order
from node.matching.match import Stop
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.gather import gather
from node.transition.new_order import reserve_of
from node.transition.orders import cancelled, is_open, rest_order
from node.transition.phases import begin_taking
from node.transition.state import State
from node.transition.steps import Steps
from node.transition.trade import Trade
from node.types.commands import POST_ONLY_TYPES, OrderType
from node.types.events import CancelReason
from node.types.rules import Ordering
from node.types.units import Money

_CONTINUOUS: Final = Ordering.CONTINUOUS

_REASON_OF_STOP = {
    Stop.NO_CROSS: CancelReason.IMMEDIATE_REMAINDER,
    Stop.FILL_LIMIT: CancelReason.FILL_LIMIT,
    Stop.TAKER_OUT: CancelReason.MARGIN,
    Stop.SELF_TRADE: CancelReason.SELF_TRADE,
}


def arrive(
    effects: Effects,
    account: Account,
    order: Order,
    crosses: bool,
    kind: OrderType,
    per_fill: Money,
    steps: Steps,
) -> int:
    """Cross the admitted order, rest or drop what is left; return its fills, if they are charged.

    In a market of auctions it is only gathered; see ``node.transition.gather``.

    Where it is in a group, the other of it is noted in ``Effects.others`` if it has to go. If the
    other goes on the way, by a self-trade or with the position that it reduced, so does what is
    left of this one.
    """
    market = effects.state.markets[order.market - 1]
    if market.ordering is not _CONTINUOUS:
        if market.ordering is Ordering.AUCTION:
            gather(effects, account, order, kind)
            return 0
        if kind not in POST_ONLY_TYPES:
            begin_taking(effects.state, market)
    if not crosses:
        rest_order(effects, account, order)
        return 0
    other = account.other(order) if order.group else None
    trade = Trade(effects, market, account, order, per_fill)
    stop = trade.run(steps.most)
    steps.take(trade.steps)
    if other is not None and not is_open(account, other):
        if order.remaining:
            reason = CancelReason.ONE_CANCELS_OTHER
            effects.events.append(cancelled(order, reason, resting=False))
    elif order.remaining:
        _finish(effects, account, order, kind, stop)
    if other is not None and (trade.fills or not order.resting):
        effects.others.append(other)
    return trade.fills if per_fill else 0


def _finish(effects: Effects, account: Account, order: Order, kind: OrderType, stop: Stop) -> None:
    """Rest what crossing left of an order that may rest and can pay for it; or cancel it."""
    reason = _REASON_OF_STOP[stop]
    # One that is never to take has only cleared the dead away.
    if stop is Stop.NO_CROSS and (kind is OrderType.GTC or kind in POST_ONLY_TYPES):
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
