"""The orders that wait for an auction, counted as they come and go.

Whether one more fits in is asked for every order that arrives, and an auction may hold thousands:
to count them each time would make an auction cost the square of what it holds.
"""

from node.matching.book import Order
from node.types.commands import OrderType
from node.types.ids import Address

_Key = tuple[bool, Address | None]


class Arrivals(dict[Order, OrderType]):
    """The type of each order that waits, in the order in which they came.

    Only ``join`` and ``leave`` change it, since they count.
    """

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[_Key, int] = {}

    def count(self, post_only: bool, account: Address | None = None) -> int:
        """Return how many are post-only, or are not: of one account, or (None) of all."""
        return self._counts.get((post_only, account), 0)

    def join(self, order: Order, kind: OrderType) -> None:
        """Let ``order`` wait."""
        assert order not in self
        self[order] = kind
        for key in _counted_as(order):
            self._counts[key] = self._counts.get(key, 0) + 1

    def leave(self, order: Order) -> None:
        """Take out an order that waits."""
        del self[order]
        for key in _counted_as(order):
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]


def _counted_as(order: Order) -> tuple[_Key, _Key]:
    return (order.post_only, None), (order.post_only, order.account)
