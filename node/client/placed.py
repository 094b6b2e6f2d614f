"""Which orders a trader placed that may still be open, as far as it was told."""

from collections.abc import Collection
from typing import Any, Final

from node.types.commands import PlaceOrders, SignedAction
from node.types.ids import OrderId

_OPEN: Final = frozenset(("resting", "waiting", "accepted"))


class Placed:
    """Orders by number, and whether there are others whose number nobody was told."""

    def __init__(self) -> None:
        self.orders: set[OrderId] = set()
        self._untold: set[int] = set()

    @property
    def settled(self) -> bool:
        """Return whether no order of the trader is open."""
        return not self.orders and not self._untold

    def begin(self, action: SignedAction) -> None:
        """Note that ``action`` is on its way."""
        if isinstance(action, PlaceOrders) and action.orders:
            self._untold.add(action.nonce)

    def end(self, action: SignedAction, results: Collection[dict[str, Any]]) -> None:
        """Note what became of ``action``: its results, none if it was not executed."""
        if isinstance(action, PlaceOrders):
            self._untold.discard(action.nonce)
            opened = (item for item in results if item.get("status") in _OPEN)
            self.orders.update(OrderId(item["order_id"]) for item in opened)
