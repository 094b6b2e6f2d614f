"""The two phases of a block in a market whose cancels come first: which actions may take.

An action is judged by its shape alone, so that who sorts a block needs no state, and who replays it
comes to the same. It *may take* in each market where it has an order that can trade on arrival, or
an amend: what that leads to only the book knows. An order that never takes (POST_ONLY, SLIDE), or
that waits for its trigger, may not. All else that an account signs may not either.
"""

from node.types.commands import POST_ONLY_TYPES, PlaceOrders, Trigger
from node.types.ids import MarketId


def markets_taken_in(action: PlaceOrders) -> set[MarketId]:
    """Return the markets in which ``action`` may take; empty: it belongs to the first phase."""
    markets = {amend.market for amend in action.amends}
    for order in action.orders:
        if order.type not in POST_ONLY_TYPES and order.trigger is Trigger.NONE:
            markets.add(order.market)
    return markets
