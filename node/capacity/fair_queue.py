"""A queue that many fill and none can fill for the others: a turn for each key, by work.

Deficit round robin (Shreedhar and Varghese, 1996). Each key that has items waiting stands in a
ring. At its turn it gets ``quantum`` units of credit and is served while its next item costs no
more than its credit; what is left of the credit stays with it while it waits, and is gone with its
last item. So each key is served first come first served, and of two keys that both wait all the
time, neither is ever served more than ``quantum + 2 × the dearest item`` above the other, however
much it has brought along.

The queue is late when even a newcomer would wait too long, and that is told by turns, not by items:
whoever takes a place at the end of the ring stands where a newcomer would. One key that brings more
than gets done makes its own items wait, and nobody's turn.

Adding and taking cost O(1) for each ``quantum`` of work. The keys that have two items or more are
also kept by their number, so that whoever must make room finds the longest in O(1): room is then
taken from the key that has the most of it. A key with one item, which most are, costs nothing more.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from node.capacity.delay_watch import DelayLimits, DelayWatch

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

Entry = tuple[int, int, T]
"""When it was added (nanoseconds), its work, and the item."""


class _Share(Generic[K, T]):
    """What one key has waiting; it exists only while there is something.

    ``since_ns`` is when it took its place at the end of the ring.
    """

    __slots__ = ("credit", "in_turn", "items", "key", "since_ns", "watch")

    def __init__(self, key: K, since_ns: int) -> None:
        self.key = key
        self.since_ns = since_ns
        self.items: deque[Entry[T]] = deque()
        self.credit = 0
        self.in_turn = False
        # Most shares live for one block and never need one.
        self.watch: DelayWatch | None = None


class FairQueue(Generic[K, T]):
    """Items of many keys; unbounded by itself, so its owner says how much it may hold."""

    __slots__ = (
        "_by_length",
        "_filled_ns",
        "_limits",
        "_longest",
        "_quantum",
        "_ring",
        "_shares",
        "_taken_ns",
        "_watch",
        "count",
    )

    def __init__(self, quantum: int, limits: DelayLimits) -> None:
        """``quantum`` is the work that a key may have done in one turn."""
        assert quantum >= 1
        self._quantum = quantum
        self._limits = limits
        self._watch = DelayWatch(limits)
        self._shares: dict[K, _Share[K, T]] = {}
        self._ring: deque[_Share[K, T]] = deque()
        # ``_by_length[n]`` are the keys with n items, in the order in which they came to have them;
        # 0 and 1 stay empty.
        self._by_length: list[dict[K, None]] = [{}, {}]
        self._longest = 1
        self._taken_ns = 0
        # When it was last filled from empty: nothing in it has waited longer.
        self._filled_ns = 0
        self.count = 0
        """Items that wait: what ``len`` returns, for those who ask with every item."""

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return self.count

    @property
    def keys(self) -> int:
        """Return the number of keys that have something waiting."""
        return len(self._shares)

    @property
    def longest(self) -> int:
        """Return how many items the key has that has the most."""
        return self._longest if self.count else 0

    def length(self, key: K) -> int:
        """Return how many items of ``key`` wait."""
        share = self._shares.get(key)
        return 0 if share is None else len(share.items)

    def add(self, key: K, item: T, work: int, now_ns: int) -> None:
        """Append ``item`` to those of ``key``; times must never decrease."""
        share = self._shares.get(key)
        if not self.count:
            self._filled_ns = now_ns
        self.count += 1
        if share is None:
            share = self._shares[key] = _Share(key, now_ns)
            self._ring.append(share)
            share.items.append((now_ns, work, item))
            return
        items = share.items
        items.append((now_ns, work, item))
        self._moved(key, len(items) - 1, len(items))

    def take(self, work: int, now_ns: int) -> list[Entry[T]]:
        """Remove and return items for ``work`` in all, key by key.

        The last one may exceed it, so while anything waits and ``work`` is positive, something is
        taken. Raises ``ValueError`` when ``now_ns`` comes before an item's own time.
        """
        taken: list[Entry[T]] = []
        ring, shares, quantum = self._ring, self._shares, self._quantum
        latest_ns = 0
        while work > 0 and ring:
            share = ring[0]
            items = share.items
            if share.since_ns > latest_ns:
                latest_ns = share.since_ns
            if len(items) == 1 and items[0][1] <= quantum:
                # Most keys have one item, and it is their whole turn.
                entry = items[0]
                work -= entry[1]
                taken.append(entry)
                del shares[share.key]
                ring.popleft()
            else:
                work -= self._take_turn(share, work, now_ns, taken)
        if taken:
            if now_ns < taken[-1][0] or now_ns < latest_ns:
                raise ValueError(f"taken at {now_ns} ns, before it was added")
            self.count -= len(taken)
            self._taken_ns = now_ns
            if ring:
                self._watch.served(now_ns - latest_ns, now_ns)
            else:
                self._watch.reset()
        return taken

    def _take_turn(self, share: _Share[K, T], work: int, now_ns: int, taken: list[Entry[T]]) -> int:
        """Move items of ``share``, whose turn it is, to ``taken``; return their work."""
        if not share.in_turn:
            share.in_turn = True
            share.credit += self._quantum
        items, credit, used = share.items, share.credit, 0
        before = len(items)
        while items and used < work and items[0][1] <= credit:
            entry = items.popleft()
            credit -= entry[1]
            used += entry[1]
            taken.append(entry)
        share.credit = credit
        if len(items) < before:
            if before > 1:
                self._moved(share.key, before, len(items))
            if share.watch is not None:
                # The one that was taken last waited least.
                share.watch.served(now_ns - taken[-1][0], now_ns)
        if not items:
            del self._shares[share.key]
            self._ring.popleft()
        elif items[0][1] > credit:
            share.in_turn = False
            share.since_ns = now_ns
            self._ring.rotate(-1)
        return used

    def evict(self, key: K) -> T | None:
        """Remove and return the newest item of ``key``, if it has any."""
        share = self._shares.get(key)
        if share is None:
            return None
        item = share.items.pop()[2]
        self.count -= 1
        left = len(share.items)
        if left:
            self._moved(key, left + 1, left)
        else:
            self._leave(share)
        return item

    def _leave(self, share: _Share[K, T]) -> None:
        """Forget a key that has nothing left, and is not at its turn's end."""
        del self._shares[share.key]
        # Room is taken from the end, where a search from the front would pass everyone.
        if self._ring[-1] is share:
            self._ring.pop()
        else:
            self._ring.remove(share)
        if not self._ring:
            self._watch.reset()

    def evict_longest(self) -> T | None:
        """Remove and return the newest item of the key that has the most, if there is any."""
        if not self.count:
            return None
        if self._longest > 1:
            return self.evict(next(iter(self._by_length[self._longest])))
        return self.evict(self._ring[-1].key)

    def delay_ns(self, now_ns: int) -> int:
        """Return how long the next item to be served has waited; 0 where none waits."""
        return now_ns - self._ring[0].items[0][0] if self._ring else 0

    def is_late(self, now_ns: int) -> bool:
        """Return whether everyone waits too long here, even who has nothing waiting yet."""
        watch = self._watch
        if self._ring:
            # While some are served they tell; this is for when nobody is.
            watch.stood(now_ns - max(self._taken_ns, self._ring[0].items[0][0]), now_ns)
        return watch.late

    def delay_of_ns(self, key: K, now_ns: int) -> int:
        """Return how long the next item of ``key`` has waited; 0 where none waits."""
        share = self._shares.get(key)
        return 0 if share is None else now_ns - share.items[0][0]

    def is_key_late(self, key: K, now_ns: int) -> bool:
        """Return whether ``key`` has more waiting than its share of the work gets done in time."""
        if now_ns - self._filled_ns < self._limits.target_ns:
            return False
        share = self._shares.get(key)
        if share is None:
            return False
        waited_ns = now_ns - share.items[0][0]
        if share.watch is None:
            if waited_ns < self._limits.target_ns:
                return False
            share.watch = DelayWatch(self._limits)
        share.watch.stood(waited_ns, now_ns)
        return share.watch.late

    def _moved(self, key: K, before: int, after: int) -> None:
        """Put ``key`` among those with ``after`` items; it was among those with ``before``."""
        by_length = self._by_length
        if before > 1:
            del by_length[before][key]
        if after > 1:
            if after == len(by_length):
                by_length.append({})
            by_length[after][key] = None
            if after > self._longest:
                self._longest = after
        while self._longest > 1 and not by_length[self._longest]:
            self._longest -= 1
