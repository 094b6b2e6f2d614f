"""Open orders come and go: the one place where book, account and reserve move together.

Of two open orders of a group, one that is filled, triggered or cancelled cancels the other. That is
noted when it happens, in ``Effects.others``, and done by ``cancel_others`` when no crossing is
under way: matching must find the book as it left it.
"""

from operator import attrgetter
from typing import Final

from node.margin.position import NO_MONEY, Position, order_reserve
from node.matching.book import Order
from node.transition.account import Account
from node.transition.client_ids import order_named
from node.transition.effects import Effects
from node.transition.state import Market
from node.transition.waiting import Waiting
from node.types.commands import AmendOrder, CancelOrder
from node.types.errors import UnknownOrder
from node.types.events import CancelReason, OrderAmended, OrderCancelled, OrderRested
from node.types.ids import MarketId
from node.types.units import Lots, Money, Ticks

NO_PRICE: Final = Ticks(0)

_age = attrgetter("order_id")


def open_order(account: Account, name: CancelOrder | AmendOrder) -> Order | Waiting:
    """Return the open order that ``name`` names.

    Raises ``UnknownOrder``; of a client id it tells which order had it, if that is remembered.
    """
    order = account.named(name.order_id, name.client_id)
    if order is not None:
        return order
    order_id = name.order_id
    if name.client_id:
        order_id = order_named(account.client_ids, name.client_id) or order_id
    raise UnknownOrder(order_id=order_id, client_id=name.client_id)


def rest_order(effects: Effects, account: Account, order: Order) -> None:
    """Put ``order`` into the book; ``order.reserve`` leaves the account's free collateral."""
    state = effects.state
    account.free -= order.reserve
    account.hold(order)
    order.batch = state.block
    state.markets[order.market - 1].book.add(order)
    state.touched.orders.add(order)
    effects.account_changed(account)
    effects.events.append(
        OrderRested(
            order.order_id, order.account, order.market, order.side, order.price, order.remaining
        )
    )


def cancel_order(effects: Effects, order: Order | Waiting, reason: CancelReason) -> None:
    """Cancel an open order, wherever it rests or waits."""
    if isinstance(order, Order):
        remove_order(effects, order, reason)
    else:
        stop_waiting(effects, order, reason)
        effects.events.append(cancelled(order, reason, resting=False))


def remove_order(effects: Effects, order: Order, reason: CancelReason) -> None:
    """Take an order out of its book, or out of its auction, and free what it reserved."""
    state, resting = effects.state, order.level is not None
    if resting:
        state.markets[order.market - 1].book.remove(order)
    else:
        state.leave_auction(order)
    order_left(effects, order, reason, resting=resting)


def order_left(
    effects: Effects, order: Order, reason: CancelReason, *, resting: bool = True
) -> None:
    """Account for an order that is out of its book already (or its auction), unfilled."""
    state = effects.state
    account = state.accounts[order.account]
    if order.group:
        _note_other(effects, account, order, reason)
    account.let_go(order)
    state.touched.orders.add(order)
    effects.account_changed(account)
    effects.events.append(cancelled(order, reason, resting=resting))


def stop_waiting(effects: Effects, waiting: Waiting, reason: CancelReason | None = None) -> None:
    """Take an order away from those that wait: cancelled, or (None) triggered."""
    state = effects.state
    account = state.accounts[waiting.account]
    if waiting.group:
        _note_other(effects, account, waiting, reason)
    account.forget(waiting)
    state.touched.waiting.add(waiting)


def shrink_order(effects: Effects, account: Account, order: Order, left: Lots) -> None:
    """Let a resting order keep ``left`` lots, without a trade, and free what they do not need.

    Book and ``order.size`` are the caller's; ``order.remaining`` is still what it was.
    """
    state = effects.state
    market = state.market(order.market)
    market.age(state.time, state.lag)
    position = account.positions[order.market]
    reserve = reserve_after(market, position, order, left)
    account.reserved -= order.reserve - reserve
    account.free += order.reserve - reserve
    order.reserve = reserve
    if not order.reduce_only:
        position.resting[order.side] -= order.remaining - left
    state.touched.orders.add(order)
    effects.account_changed(account)
    # One that waits for an auction has not stood in the book.
    price, before = (order.price, order.remaining) if order.resting else (0, 0)
    effects.events.append(amended(order, price, before, left, resting=True))


def reserve_after(market: Market, position: Position, order: Order, left: int) -> Money:
    """Return what a resting order of which ``left`` lots stay reserves: never more than before."""
    if not order.reserve:
        return NO_MONEY
    exposure = abs(position.size) + order.remaining
    needed = order_reserve(market.rules, order.price, left, exposure, market.buffer)
    return needed if needed < order.reserve else order.reserve


def cancelled(order: Order | Waiting, reason: CancelReason, *, resting: bool) -> OrderCancelled:
    """Return the event that tells of ``order``'s unfilled rest."""
    return OrderCancelled(
        order.order_id,
        order.client_id,
        order.account,
        order.market,
        order.side,
        order.price,
        order.remaining,
        reason,
        resting,
    )


def amended(
    order: Order | Waiting, price_before: int, remaining_before: int, left: int, *, resting: bool
) -> OrderAmended:
    """Return the event that tells how ``order``, of which all but its lots is new, was changed."""
    return OrderAmended(
        order.order_id,
        order.client_id,
        order.account,
        order.market,
        order.side,
        Ticks(price_before),
        Lots(remaining_before),
        order.price,
        Lots(left),
        resting,
        order.trigger_price if isinstance(order, Waiting) else NO_PRICE,
        order.good_till,
    )


def open_orders(account: Account, market: MarketId) -> list[Order | Waiting]:
    """Return the account's open orders in ``market`` (0: in all), oldest first."""
    every: list[Order | Waiting] = [*account.orders.values(), *account.waiting.values()]
    return sorted((order for order in every if not market or order.market == market), key=_age)


def resting_orders(account: Account, market: MarketId) -> list[Order]:
    """Return the account's orders in the book of ``market``, oldest first."""
    return sorted((order for order in account.orders.values() if order.market == market), key=_age)


def is_open(account: Account, order: Order | Waiting) -> bool:
    """Return whether ``order``, one of the account's, still rests or waits."""
    if isinstance(order, Order):
        return account.orders.get(order.order_id) is order
    return account.waiting.get(order.order_id) is order


def cancel_others(effects: Effects) -> int:
    """Cancel the open orders whose other has been filled, triggered or cancelled.

    Returns how many they were. The other itself stays what it is.
    """
    others, effects.others = effects.others, []
    count = 0
    for order in others:
        if is_open(effects.state.accounts[order.account], order):
            cancel_order(effects, order, CancelReason.ONE_CANCELS_OTHER)
            count += 1
    return count


def _note_other(
    effects: Effects, account: Account, order: Order | Waiting, reason: CancelReason | None
) -> None:
    other = account.other(order)
    if other is not None and reason is not CancelReason.ONE_CANCELS_OTHER:
        effects.others.append(other)


def drop_unbacked(effects: Effects, account: Account, market: Market, met: Order) -> int:
    """Cancel what stands behind ``met`` with too little for what it would open.

    ``met`` lacked margin and has left the book. Where it held back enough for what it would have
    opened itself, the mark has moved, and the others are as they were. Otherwise what it was to
    close is gone. Of the account's orders on that side those that stay close what is left to close,
    the first in the book first, and what is beyond that needs the initial margin of its own size at
    least. Returns how many went.
    """
    side = met.side
    closable: int = account.positions[market.market_id].reducible(side)
    if not _is_unbacked(market, met, met.remaining - closable):
        return 0
    orders = [
        order
        for order in account.orders.values()
        if order.side is side
        and order.market == met.market
        and order.resting
        and not order.reduce_only
    ]
    # As the book has them: a rehearsal, which sees only the first of them, must find the same.
    count = 0
    for order in sorted(orders, key=lambda one: (one.price if side else -one.price, one.rank)):
        opening = order.remaining - closable
        if _is_unbacked(market, order, opening):
            remove_order(effects, order, CancelReason.MARGIN)
            count += 1
        else:
            closable = max(0, -opening)
    return count


def _is_unbacked(market: Market, order: Order, opening: int) -> bool:
    """Return whether ``order`` holds back less than what opening so many lots needs at least."""
    return order.reserve < order_reserve(market.rules, order.price, opening, opening)


def drop_idle_reducers(effects: Effects, account: Account, market: MarketId) -> int:
    """Cancel reduce-only orders that have nothing left to reduce, so that no book shows them.

    Returns how many they were.
    """
    position = account.positions[market]
    idle = [
        order
        for order in account.orders.values()
        if order.reduce_only and order.market == market and not position.reducible(order.side)
    ]
    for order in sorted(idle, key=_age):
        remove_order(effects, order, CancelReason.REDUCE_ONLY)
    return len(idle)
