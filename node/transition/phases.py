"""Cancels first: in a block of such a market, what only cancels does not follow what may take.

So whoever orders the block cannot let a taker at an order whose cancel is in the same block. Which
actions may take is told by their shape (``node.types.phases``); once an order that is not post-only
has arrived in the market, an action of the first phase cancels nothing there that could have been
seen before the block: it has to come again in the next one. What arrived in this very block may go
at any time. The exchange's own commands (liquidations, what has expired) know no phase.
"""

from typing import Final

from node.matching.book import Order
from node.transition.state import Market, State
from node.transition.waiting import Waiting
from node.types.commands import CancelAll, PlaceOrders
from node.types.errors import OutOfPhase
from node.types.phases import markets_taken_in
from node.types.rules import Ordering

_CANCELS_FIRST: Final = Ordering.CANCELS_FIRST


def begin_taking(state: State, market: Market) -> None:
    """Note that from here on things may trade in the market, until the block ends."""
    if market.rules.ordering is _CANCELS_FIRST:
        market.taking_block = state.block


def require_first_phase(
    state: State, order: Order | Waiting, action: PlaceOrders | CancelAll
) -> None:
    """Raise ``OutOfPhase`` where ``action`` is of the first phase and may not cancel ``order``.

    An order that waits outside the book, nobody can take; but its partner leaves with it.
    """
    if isinstance(action, PlaceOrders) and _takes_where_cancels_go_first(state, action):
        return
    for leaving in (order, state.accounts[order.account].other(order)):
        if isinstance(leaving, Order) and _could_be_taken(state, leaving):
            raise OutOfPhase(market=leaving.market)


def _could_be_taken(state: State, order: Order) -> bool:
    """Return whether somebody may have taken in the order's market who saw it before the block."""
    in_market = state.market(order.market).taking_block == state.block
    return in_market and order.rank < state.block_first_id


def _takes_where_cancels_go_first(state: State, action: PlaceOrders) -> bool:
    """Return whether ``action`` is of the second phase, as who sorts the block sees it."""
    known = len(state.markets)
    return any(
        state.market(market).rules.ordering is _CANCELS_FIRST
        for market in markets_taken_in(action)
        if 1 <= market <= known
    )
