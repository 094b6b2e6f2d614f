"""Turns for whoever waits, by work: none can fill a queue for the others, and none is passed over.

Deficit round robin (Shreedhar and Varghese, 1996). Each key that has items waiting stands in a
ring. At its turn it gets ``quantum`` units of credit and is served while its next item costs no
more than its credit; what is left of the credit stays with it while it waits, and is gone with its
last item. So of two keys that both wait all the time, neither is ever served more than
``quantum + 2 × the dearest item`` above the other, however much it has brought along; and no more
than ``quantum + the dearest item`` where they began to wait together.

What a key has waiting is a line of items, or keys of its own that take turns. Then an item is
served only if the credit at each level covers it, and it is paid for at each.

The queue is late when even a newcomer would wait too long, and that is told by turns, not by items:
whoever takes a place at the end of the ring stands where a newcomer would. One key that brings more
than gets done makes its own items wait, and nobody's turn.

Adding and taking cost O(1) for each ``quantum`` of work. The keys that have two items or more are
also kept by their number, so that whoever must make room finds the longest in O(1): room is then
taken from the key that has the most of it. A key with one item, which most are, costs nothing more.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Sized
from typing import Final, Generic, TypeVar

from node.capacity.delay_watch import DelayLimits, DelayWatch

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
W = TypeVar("W", bound=Sized)

Entry = tuple[int, int, T]
"""When it was added (nanoseconds), its work, and the item."""

_UNBOUNDED: Final = 1 << 62


class Share(Generic[K, W]):
    """What one key has waiting; it exists only while there is something.

    ``since_ns`` is when it took its place at the end of the ring.
    """

    __slots__ = ("credit", "in_turn", "items", "key", "since_ns", "watch")

    def __init__(self, key: K, items: W, since_ns: int) -> None:
        self.key = key
        self.since_ns = since_ns
        self.items = items
        self.credit = 0
        self.in_turn = False
        # Most shares live for one block and never need one.
        self.watch: DelayWatch | None = None


class Turns(ABC, Generic[K, T, W]):
    """Items of many keys; unbounded by itself, so its owner says how much it may hold.

    ``W`` is what one key has waiting.
    """

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
        self._shares: dict[K, Share[K, W]] = {}
        self._ring: deque[Share[K, W]] = deque()
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

    @abstractmethod
    def _serve(
        self, share: Share[K, W], work: int, credit: int, now_ns: int, taken: list[Entry[T]]
    ) -> int:
        """Move items of ``share`` to ``taken``; return their work, which its credit pays.

        As ``serve`` has it, and while its own credit suffices; where that does not any more, its
        turn is over.
        """

    @abstractmethod
    def _evicted(self, items: W) -> T:
        """Remove and return the newest of ``items``."""

    @abstractmethod
    def _next_ns(self, items: W) -> int:
        """Return when the next of ``items`` was added."""

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

    def take(self, work: int, now_ns: int) -> list[Entry[T]]:
        """Remove and return items for ``work`` in all, key by key.

        The last one may exceed it, so while anything waits and ``work`` is positive, something is
        taken. Raises ``ValueError`` when ``now_ns`` comes before an item's own time.
        """
        taken: list[Entry[T]] = []
        self.serve(work, _UNBOUNDED, now_ns, taken)
        return taken

    def serve(self, work: int, credit: int, now_ns: int, taken: list[Entry[T]]) -> int:
        """Move items for ``work`` in all to ``taken``, as ``take`` does; return what they cost.

        That is never more than ``credit``: it ends before the first item that would be.
        """
        ring, before = self._ring, len(taken)
        used = latest_ns = 0
        # An item is a unit of work at least, so without credit there is none to ask for.
        most = work if work < credit else credit
        while used < most and ring:
            share = ring[0]
            if share.since_ns > latest_ns:
                latest_ns = share.since_ns
            spent = self._take_turn(share, work - used, credit - used, now_ns, taken)
            if not spent and share.in_turn:
                break
            used += spent
        if used:
            if now_ns < taken[-1][0] or now_ns < latest_ns:
                raise ValueError(f"taken at {now_ns} ns, before it was added")
            self.count -= len(taken) - before
            self._taken_ns = now_ns
            if ring:
                self._watch.served(now_ns - latest_ns, now_ns)
            else:
                self._watch.reset()
        return used

    def _take_turn(
        self, share: Share[K, W], work: int, credit: int, now_ns: int, taken: list[Entry[T]]
    ) -> int:
        """Serve ``share``, whose turn it is, and put it in its place; return what that cost."""
        if not share.in_turn:
            share.in_turn = True
            share.credit += self._quantum
        items = share.items
        before = len(items)
        used = self._serve(share, work, credit, now_ns, taken)
        left = len(items)
        if left < before:
            if before > 1:
                self._moved(share.key, before, left)
            if share.watch is not None:
                # The one that was taken last waited least.
                share.watch.served(now_ns - taken[-1][0], now_ns)
        if not left:
            del self._shares[share.key]
            self._ring.popleft()
        elif not share.in_turn:
            share.since_ns = now_ns
            self._ring.rotate(-1)
        return used

    def evict(self, key: K) -> T | None:
        """Remove and return the newest item of ``key``, if it has any."""
        share = self._shares.get(key)
        if share is None:
            return None
        item = self._evicted(share.items)
        self.count -= 1
        left = len(share.items)
        if left:
            self._moved(key, left + 1, left)
        else:
            self._leave(share)
        return item

    def _leave(self, share: Share[K, W]) -> None:
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

    @property
    def next_ns(self) -> int:
        """Return when the next item of whose turn it is was added; something must wait."""
        return self._next_ns(self._ring[0].items)

    def delay_ns(self, now_ns: int) -> int:
        """Return how long the next item to be served has waited; 0 where none waits."""
        return now_ns - self.next_ns if self._ring else 0

    def is_late(self, now_ns: int) -> bool:
        """Return whether everyone waits too long here, even who has nothing waiting yet."""
        watch = self._watch
        if self._ring:
            # While some are served they tell; this is for when nobody is.
            watch.stood(now_ns - max(self._taken_ns, self.next_ns), now_ns)
        return watch.late

    def delay_of_ns(self, key: K, now_ns: int) -> int:
        """Return how long the next item of ``key`` has waited; 0 where none waits."""
        share = self._shares.get(key)
        return 0 if share is None else now_ns - self._next_ns(share.items)

    def is_key_late(self, key: K, now_ns: int) -> bool:
        """Return whether ``key`` has more waiting than its share of the work gets done in time."""
        if now_ns - self._filled_ns < self._limits.target_ns:
            return False
        share = self._shares.get(key)
        if share is None:
            return False
        waited_ns = now_ns - self._next_ns(share.items)
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
