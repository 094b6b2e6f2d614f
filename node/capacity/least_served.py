"""Whose turn it is where nobody can tell beforehand how long an item takes.

What was done for a key is charged to it when it is over (``node.capacity.share``), and the next
item is of the key for which least was done lately: a second of work is forgotten after twenty. So
who has just come waits for the one item in hand, however many others have brought along and however
long theirs take. Of those for whom the same was done, whoever waits longest comes first; each key's
own are first come, first served.

Pure: every time is an argument.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from node.capacity.share import Share

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class LeastServed(Generic[K, T]):
    """Items of many keys; its owner says how many it may hold.

    Of the keys for which something was done, those are known whose share is not paid for. As one is
    served at a time, those are few: each long piece of work covers many short ones before it.
    """

    def __init__(self, of: str) -> None:
        """``of`` names the work."""
        self._of = of
        self._lines: dict[K, deque[T]] = {}
        self._shares: dict[K, Share] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return self._count

    def add(self, key: K, item: T) -> None:
        """Append ``item`` to those of ``key``."""
        self._lines.setdefault(key, deque()).append(item)
        self._count += 1

    def take(self, now_ns: int) -> T:
        """Remove and return the next item; something must wait."""
        key = min(self._lines, key=lambda key: self._held_ns(key, now_ns))
        return self._taken(key, newest=False)

    def spent(self, key: K, begun_ns: int, ended_ns: int) -> None:
        """Charge what was done for ``key`` from ``begun_ns`` to ``ended_ns``."""
        self._shares = {
            each: share for each, share in self._shares.items() if share.held_ns(ended_ns)
        }
        self._shares.setdefault(key, Share(self._of)).spent(begun_ns, ended_ns)

    def make_room(self, key: K) -> T | None:
        """Remove and return the newest item of the key that has most, for another one of ``key``.

        None, and nothing is removed, where ``key`` would then have as many.
        """
        most = max(self._lines, key=lambda each: len(self._lines[each]), default=None)
        if most is None or len(self._lines[most]) <= len(self._lines.get(key, ())) + 1:
            return None
        return self._taken(most, newest=True)

    def _held_ns(self, key: K, now_ns: int) -> int:
        share = self._shares.get(key)
        return 0 if share is None else share.held_ns(now_ns)

    def _taken(self, key: K, *, newest: bool) -> T:
        line = self._lines[key]
        item = line.pop() if newest else line.popleft()
        self._count -= 1
        if not line:
            del self._lines[key]
        return item
