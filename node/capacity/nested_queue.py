"""A queue that addresses share, and each address's connections: opening more gains nothing.

Two levels of ``node.capacity.turns``: the outer one says which address's turn it is, and the
address's own which of its connections is served in it. An address pays for what it is served in
fact, so two of them have their shares alike whatever they mix: who brings the same work by more
connections waits no less, and who shares an address (behind a proxy, all do) has his turn there as
before.
"""

from typing import TypeVar

from node.capacity.fair_queue import FairQueue
from node.capacity.turns import Entry, Share, Turns

T = TypeVar("T")


class NestedQueue(Turns[int, T, FairQueue[int, T]]):
    """Items of many connections of many addresses; a turn is of one quantum at either level."""

    __slots__ = ()

    def add(self, address: int, connection: int, item: T, work: int, now_ns: int) -> None:
        """Append ``item`` to those of the connection; times must never decrease."""
        share = self._shares.get(address)
        if not self.count:
            self._filled_ns = now_ns
        self.count += 1
        if share is None:
            # Not FairQueue[int, T](…), which takes as long as all the rest.
            within: FairQueue[int, T] = FairQueue(self._quantum, self._limits)
            within.add(connection, item, work, now_ns)
            share = self._shares[address] = Share(address, within, now_ns)
            self._ring.append(share)
            return
        within = share.items
        within.add(connection, item, work, now_ns)
        self._moved(address, within.count - 1, within.count)

    def is_full_for(self, address: int) -> bool:
        """Return whether no address has more waiting, so that it makes room of its own."""
        return self.length(address) + 1 >= self.longest

    def within(self, address: int) -> FairQueue[int, T] | None:
        """Return what waits of ``address``, to be looked at; None where nothing does."""
        share = self._shares.get(address)
        return None if share is None else share.items

    def _serve(
        self,
        share: Share[int, FairQueue[int, T]],
        work: int,
        credit: int,
        now_ns: int,
        taken: list[Entry[T]],
    ) -> int:
        own = share.credit
        used = share.items.serve(work, min(own, credit), now_ns, taken)
        share.credit = own - used
        # If neither the work nor somebody else's credit ended it, the next item costs too much.
        share.in_turn = used < own and (used >= work or credit < own)
        return used

    def _evicted(self, items: FairQueue[int, T]) -> T:
        """Remove and return the newest item of the connection that has the most."""
        item = items.evict_longest()
        assert item is not None
        return item

    def _next_ns(self, items: FairQueue[int, T]) -> int:
        return items.next_ns
