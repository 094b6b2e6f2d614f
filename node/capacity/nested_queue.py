"""A queue that addresses share, and each address's connections: opening more gains nothing.

Two levels of ``node.capacity.fair_queue``: the outer one says whose turn it is, by a token for each
item; which of the address's items that is says the address's own. So who brings the same work by
more connections waits no less, and who shares an address (behind a proxy, all do) has his turn
there as before.

A token has the work of the item it came with, and another item may be served for it. So an address
that brings long and short messages is ahead of its share for as long as short ones of it wait, and
behind it for as much afterwards.
"""

from itertools import groupby
from operator import itemgetter
from typing import Final, Generic, TypeVar

from node.capacity.delay_watch import DelayLimits
from node.capacity.fair_queue import Entry, FairQueue

T = TypeVar("T")

_address_of: Final = itemgetter(2)


class NestedQueue(Generic[T]):
    """Items of many connections of many addresses; unbounded by itself, as each level is."""

    __slots__ = ("_limits", "_quantum", "_tokens", "_within")

    def __init__(self, quantum: int, limits: DelayLimits) -> None:
        """``quantum`` is the work that one may have done in a turn, at either level."""
        self._quantum = quantum
        self._limits = limits
        self._tokens: FairQueue[int, int] = FairQueue(quantum, limits)
        self._within: dict[int, FairQueue[int, T]] = {}

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return self._tokens.count

    def add(self, address: int, connection: int, item: T, work: int, now_ns: int) -> None:
        """Append ``item`` to those of the connection; times must never decrease."""
        within = self._within.get(address)
        if within is None:
            within = self._within[address] = FairQueue(self._quantum, self._limits)
        within.add(connection, item, work, now_ns)
        self._tokens.add(address, address, work, now_ns)

    def take(self, work: int, now_ns: int) -> list[Entry[T]]:
        """Remove and return items for about ``work`` in all; see ``FairQueue.take``."""
        taken: list[Entry[T]] = []
        tokens = self._tokens.take(work, now_ns)
        for address, turn in groupby(tokens, _address_of):
            within, left = self._within[address], len(list(turn))
            while left:
                # An item is a unit of work at least, so these are never more.
                items = within.take(left, now_ns)
                taken += items
                left -= len(items)
            if not within.count:
                del self._within[address]
        return taken

    def delay_ns(self, now_ns: int) -> int:
        """Return how long the address that is served next has waited; 0 where none waits."""
        return self._tokens.delay_ns(now_ns)

    def is_late(self, now_ns: int) -> bool:
        """Return whether every address waits too long, even one that has nothing waiting yet."""
        return self._tokens.is_late(now_ns)

    def is_full_for(self, address: int) -> bool:
        """Return whether no address has more waiting, so that it makes room of its own."""
        return self._tokens.length(address) + 1 >= self._tokens.longest

    def within(self, address: int) -> FairQueue[int, T] | None:
        """Return what waits of ``address``, to be looked at; None where nothing does."""
        return self._within.get(address)

    def evict_longest(self) -> T | None:
        """Remove and return the newest item of whom has the most of the address that has."""
        address = self._tokens.evict_longest()
        return None if address is None else self._evicted(address)

    def evict_of(self, address: int) -> T | None:
        """Do the same for the connection that has the most of ``address``."""
        return None if self._tokens.evict(address) is None else self._evicted(address)

    def _evicted(self, address: int) -> T | None:
        within = self._within[address]
        item = within.evict_longest()
        if not within.count:
            del self._within[address]
        return item
