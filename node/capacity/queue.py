"""A bounded first-in first-out queue of frozen messages that counts itself.

It is the only thing that two stations share. Past its limit it refuses with a typed error instead
of growing, and the refusal is counted, so that the stage conserves under any overload.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from node.capacity.stage import Stage
from node.types.errors import Overloaded

T = TypeVar("T")

FULL = "full"
"""The cause under which an offer past the limit is counted."""


class BoundedQueue(Generic[T]):
    """Holds up to ``limit`` items that wait, and counts them in ``stage``.

    Without ``in_hand``, taking is leaving: the queue is a stage by itself (a lane). With it, a
    taken item stays in the stage until its consumer counts ``stage.leave`` or ``stage.refuse``;
    ``in_hand`` asks that consumer how many items it really holds. The limit bounds the waiting
    items in both cases.
    """

    __slots__ = ("_items", "_leave_on_take", "limit", "name", "stage")

    def __init__(
        self,
        name: str,
        limit: int,
        *,
        in_hand: Callable[[], int] | None = None,
        servers: int = 1,
    ) -> None:
        """Start empty. ``servers`` is the number of consumers that work side by side."""
        assert limit >= 1
        self.name = name
        self.limit = limit
        self._items: deque[tuple[int, T]] = deque()
        self._leave_on_take = in_hand is None
        waiting = self._items.__len__
        self.stage = Stage(
            name,
            capacity=limit,
            held=waiting if in_hand is None else lambda: waiting() + in_hand(),
            waiting_items=waiting,
            servers=servers,
        )

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        """Yield the waiting items, the oldest first."""
        return (item for _, item in self._items)

    def offer(self, item: T, now_ns: int) -> None:
        """Append ``item``.

        Raises ``Overloaded(queue=..., limit=...)`` when ``limit`` items wait already; the item is
        then counted in and refused, and everything else stays as it was.
        """
        items = self._items
        stage = self.stage
        depth = len(items)
        if depth >= self.limit:
            stage.turn_away(FULL)
            raise Overloaded(queue=self.name, limit=self.limit)
        items.append((now_ns, item))
        # Not Stage.enter, which would count what the consumer has in hand towards the peak as well.
        stage.arrived += 1
        if depth >= stage.peak_depth:
            stage.peak_depth = depth + 1

    def take(self, max_items: int, now_ns: int) -> list[T]:
        """Remove and return up to ``max_items`` of the oldest items; record how long each waited.

        Raises ``ValueError`` and takes nothing when ``now_ns`` comes before an offer of theirs: the
        clock ran backwards.  (The times given to ``offer`` must never decrease.)
        """
        assert max_items >= 0
        items = self._items
        count = min(max_items, len(items))
        if count and now_ns < items[count - 1][0]:
            raise ValueError(f"taken {items[count - 1][0] - now_ns} ns before it was offered")
        waited = self.stage.waited
        taken: list[T] = []
        for _ in range(count):
            offered_ns, item = items.popleft()
            waited(now_ns - offered_ns)
            taken.append(item)
        if self._leave_on_take:
            self.stage.done += count
        return taken
