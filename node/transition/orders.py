"""Resting orders come and go: the one place where book, account and reserve move together."""

from node.matching.book import Order
from node.transition.effects import Effects
from node.transition.state import Account
from node.types.events import CancelReason, OrderCancelled, OrderRested
from node.types.ids import MarketId


def rest_order(effects: Effects, account: Account, order: Order) -> None:
    """Put ``order`` into the book; ``order.reserve`` leaves the account's free collateral."""
    state = effects.state
    account.free -= order.reserve
    account.hold(order)
    state.market(order.market).book.add(order)
    state.touched.orders.add(order)
    effects.account_changed(account)
    effects.events.append(
        OrderRested(
            order.order_id, order.account, order.market, order.side, order.price, order.remaining
        )
    )


def remove_order(effects: Effects, order: Order, reason: CancelReason) -> None:
    """Take a resting order out of its book and free what it reserved."""
    effects.state.market(order.market).book.remove(order)
    order_left(effects, order, reason)


def order_left(effects: Effects, order: Order, reason: CancelReason) -> None:
    """Account for an order that matching has already taken out of its book, unfilled."""
    state = effects.state
    account = state.accounts[order.account]
    account.let_go(order)
    state.touched.orders.add(order)
    effects.account_changed(account)
    effects.events.append(cancelled(order, reason, resting=True))


def cancelled(order: Order, reason: CancelReason, *, resting: bool) -> OrderCancelled:
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


def open_orders(account: Account, market: MarketId) -> list[Order]:
    """Return the account's open orders in ``market`` (0: in all), oldest first."""
    return sorted(
        (order for order in account.orders.values() if not market or order.market == market),
        key=_age,
    )


def _age(order: Order) -> int:
    return order.order_id


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
