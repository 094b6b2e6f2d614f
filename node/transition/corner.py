"""A corner of a state: a state of its own, with as much in it as one order can meet.

It holds copies, so that anything may be tried out on it.
"""

from collections.abc import Iterator
from itertools import islice

from node.matching.book import Order
from node.transition.leaves import Touched, changed_leaves
from node.transition.state import State
from node.types.commands import NewOrder, Side
from node.types.ids import Address


def corner_of(
    state: State, account: Address, order: NewOrder, reach: int
) -> tuple[State, Order | None]:
    """Return the corner that ``order`` of ``account``, which must exist, meets between two blocks.

    That is the account with all that is its own, every market, and at most ``reach`` orders that
    rest within its price, with their owners. Where more do, also the last that was copied, else
    None. As many as one order can fill are copied in any case, if there are as many: a refusal
    names the best price, and the best may be dead, with its time over.
    """
    own = state.accounts[account]
    within = _within(state, order)
    met = list(islice(within, reach))
    edge = met[-1] if next(within, None) is not None else None
    corner = Touched()
    corner.markets.update(state.markets)
    corner.orders.update(met, own.orders.values())
    corner.waiting.update(own.waiting.values())
    corner.positions.update(own.positions.values())
    corner.accounts.add(own)
    for owner in {state.accounts[one.account] for one in met}:
        corner.accounts.add(owner)
        held = owner.positions.get(order.market)
        if held is not None:
            corner.positions.add(held)
    leaves = changed_leaves(state, corner).items()
    items = [(key, value) for key, value in leaves if value is not None]
    return State.from_leaves(state.rules, state.domain, items), edge


def _within(state: State, order: NewOrder) -> Iterator[Order]:
    """Yield the orders on the other side of ``order``, best first, as far as is to be copied."""
    buys = order.side is Side.BUY
    least = state.rules.limits.fills_per_order
    for count, resting in enumerate(state.market(order.market).book.orders(order.side.opposite)):
        beyond = resting.price > order.price if buys else resting.price < order.price
        if beyond and count >= least:
            return
        yield resting
