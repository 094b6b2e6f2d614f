"""Which orders a trader placed that may still be open, as far as it was told."""

from collections.abc import Container
from typing import Any, Final

from node.types.commands import PlaceOrders, SignedAction
from node.types.ids import OrderId

_OPEN: Final = frozenset(("resting", "waiting", "accepted"))


class Placed:
    """Orders by number, and whether there are others whose number nobody was told."""

    def __init__(self) -> None:
        self.orders: dict[OrderId, int] = {}
        """Each with the command after which it was open."""
        self._untold: set[int] = set()

    @property
    def settled(self) -> bool:
        """Return whether no order of the trader is open."""
        return not self.orders and not self._untold

    def begin(self, action: SignedAction) -> None:
        """Note that ``action`` is on its way."""
        if isinstance(action, PlaceOrders) and action.orders:
            self._untold.add(action.nonce)

    def end(self, action: SignedAction, result: dict[str, Any] | None) -> None:
        """Note what became of ``action``: its result, None if it was not executed."""
        if isinstance(action, PlaceOrders):
            self._untold.discard(action.nonce)
            if result is not None:
                opened = (item for item in result["results"] if item.get("status") in _OPEN)
                placed = (OrderId(item["order_id"]) for item in opened)
                self.orders.update(dict.fromkeys(placed, result["sequence"]))

    def look(self, sequence: int, open_orders: Container[OrderId]) -> None:
        """Note which orders were open after command ``sequence``; of later ones that tells nothing.

        An account's view may be older than the answer to who placed an order.
        """
        self.orders = {
            number: placed
            for number, placed in self.orders.items()
            if placed > sequence or number in open_orders
        }
