"""The order of a block's commands where some markets let cancels come first.

What may take in such a market goes behind everything else, each part in the order in which it was
taken from the lanes. Then the transition refuses no cancel for its place (``OutOfPhase``), except
one that has to stay where it is: no action overtakes an earlier one of its own account. A cancel
may name the very order that was sent just before it, and must not arrive first.
"""

from collections.abc import Sequence as Ordered

from node.types.commands import Action, Command, PlaceOrders, TriggerOrder
from node.types.ids import Address, MarketId
from node.types.phases import markets_taken_in


def arrange(commands: Ordered[Command], cancels_first: frozenset[MarketId]) -> list[int]:
    """Return the places of ``commands`` in the order in which a block shall hold them."""
    if not cancels_first:
        return list(range(len(commands)))
    first: list[int] = []
    second: list[int] = []
    behind: set[Address] = set()
    for place, command in enumerate(commands):
        whose = command.account if isinstance(command, Action) else None
        if _may_take(command, cancels_first):
            second.append(place)
            if whose is not None:
                behind.add(whose)
        elif whose in behind:
            second.append(place)
        else:
            first.append(place)
    return first + second


def _may_take(command: Command, cancels_first: frozenset[MarketId]) -> bool:
    if isinstance(command, PlaceOrders):
        return not cancels_first.isdisjoint(markets_taken_in(command))
    # A triggered order's market stands in the state alone.
    return isinstance(command, TriggerOrder)
