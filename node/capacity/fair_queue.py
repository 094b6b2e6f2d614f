"""A queue that many fill and none can fill for the others: each key is first come, first served.

Whose turn it is, and what that promises, is told in ``node.capacity.turns``.
"""

from collections import deque
from typing import TypeVar

from node.capacity.turns import Entry, K, Share, Turns

T = TypeVar("T")


class FairQueue(Turns[K, T, deque[Entry[T]]]):
    """Items of many keys, each key's in a line."""

    __slots__ = ()

    def add(self, key: K, item: T, work: int, now_ns: int) -> None:
        """Append ``item`` to those of ``key``; times must never decrease."""
        share = self._shares.get(key)
        if not self.count:
            self._filled_ns = now_ns
        self.count += 1
        if share is None:
            items: deque[Entry[T]] = deque()
            items.append((now_ns, work, item))
            share = self._shares[key] = Share(key, items, now_ns)
            self._ring.append(share)
            return
        items = share.items
        items.append((now_ns, work, item))
        self._moved(key, len(items) - 1, len(items))

    def _take_turn(
        self,
        share: Share[K, deque[Entry[T]]],
        work: int,
        credit: int,
        now_ns: int,
        taken: list[Entry[T]],
    ) -> int:
        items = share.items
        if len(items) == 1:
            entry = items[0]
            cost = entry[1]
            if cost <= self._quantum and cost <= credit:
                # Most keys have one item, and it is their whole turn.
                taken.append(entry)
                del self._shares[share.key]
                self._ring.popleft()
                return cost
        return super()._take_turn(share, work, credit, now_ns, taken)

    def _serve(
        self,
        share: Share[K, deque[Entry[T]]],
        work: int,
        credit: int,
        now_ns: int,  # noqa: ARG002 - a line's items wait for nobody else's turn
        taken: list[Entry[T]],
    ) -> int:
        items, own, used = share.items, share.credit, 0
        most = own if own < credit else credit
        while items and used < work and used + items[0][1] <= most:
            entry = items.popleft()
            used += entry[1]
            taken.append(entry)
        share.credit = own = own - used
        share.in_turn = bool(items) and items[0][1] <= own
        return used

    def _evicted(self, items: deque[Entry[T]]) -> T:
        return items.pop()[2]

    def _next_ns(self, items: deque[Entry[T]]) -> int:
        return items[0][0]
