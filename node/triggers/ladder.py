"""The trigger prices of one market, sorted, so that a mark finds those that it meets at once."""

from typing import Final

import msgspec
from sortedcontainers import SortedList

from node.types.commands import Side, Trigger
from node.types.ids import Address, MarketId, OrderId
from node.types.units import Ticks


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """An order that waits for a price. ``reduces``: it is a reduce-only order."""

    order_id: OrderId
    account: Address
    market: MarketId
    side: Side
    trigger: Trigger
    price: Ticks
    reduces: bool

    @property
    def rising(self) -> bool:
        """Return whether a mark at the price *or above* meets it, and not one at or below."""
        return (self.trigger is Trigger.STOP) == (self.side is Side.BUY)


class Ladder:
    """Who waits for the mark to rise, by price upward, and who for it to fall, downward."""

    __slots__ = ("_falling", "_rising")

    def __init__(self) -> None:
        # Prices of the falling ones are negated: the nearest stands first in both.
        self._rising: Final[SortedList[tuple[int, OrderId]]] = SortedList()
        self._falling: Final[SortedList[tuple[int, OrderId]]] = SortedList()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._rising) + len(self._falling)

    def add(self, waiter: Waiter) -> None:
        """Let one more wait."""
        if waiter.rising:
            self._rising.add((waiter.price, waiter.order_id))
        else:
            self._falling.add((-waiter.price, waiter.order_id))

    def discard(self, waiter: Waiter) -> None:
        """Let ``waiter`` wait no more, if it does."""
        if waiter.rising:
            self._rising.discard((waiter.price, waiter.order_id))
        else:
            self._falling.discard((-waiter.price, waiter.order_id))

    def take_met(self, mark: int) -> list[OrderId]:
        """Remove and return those whom ``mark`` meets, the nearest prices first."""
        return [*_take(self._rising, mark), *_take(self._falling, -mark)]


def _take(waiting: "SortedList[tuple[int, OrderId]]", reach: int) -> list[OrderId]:
    met: list[OrderId] = []
    while waiting and waiting[0][0] <= reach:
        met.append(waiting.pop(0)[1])
    return met
