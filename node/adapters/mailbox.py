"""A bounded queue between two stations on one event loop, with a wake-up for its consumer."""

import asyncio
from collections.abc import Iterator
from typing import Generic, TypeVar

from node.capacity.queue import BoundedQueue
from node.capacity.stage import Stage

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A ``BoundedQueue`` whose one consumer can sleep until there is something to take.

    ``_filled`` is set exactly while items wait, ``_roomy`` exactly while another one fits. As
    neither ``offer`` nor ``take`` awaits between its two steps, no wake-up can be lost, and nobody
    polls. Producers on other threads must come in through ``loop.call_soon_threadsafe``.
    """

    __slots__ = ("_filled", "_queue", "_roomy")

    def __init__(self, queue: BoundedQueue[T]) -> None:
        """Wrap ``queue``, which from now on is offered to and taken from only here."""
        self._queue = queue
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self._show()

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return len(self._queue)

    def __iter__(self) -> Iterator[T]:
        """Yield the waiting items, the oldest first."""
        return iter(self._queue)

    @property
    def limit(self) -> int:
        """Return how many items may wait."""
        return self._queue.limit

    @property
    def stage(self) -> Stage:
        """Return the counters of the queue."""
        return self._queue.stage

    def offer(self, item: T, now_ns: int) -> None:
        """Append ``item`` and wake the consumer; raises what ``BoundedQueue.offer`` raises."""
        self._queue.offer(item, now_ns)
        self._show()

    def take(self, max_items: int, now_ns: int) -> list[T]:
        """Remove and return up to ``max_items`` of the oldest items, without waiting."""
        taken = self._queue.take(max_items, now_ns)
        self._show()
        return taken

    async def wait(self) -> None:
        """Return as soon as an item waits: at once when one does already."""
        await self._filled.wait()

    async def wait_for_room(self) -> None:
        """Return as soon as another item fits: at once when one does already.

        For the one producer that may not lose an item and would rather wait than be refused.
        """
        await self._roomy.wait()

    def _show(self) -> None:
        """Let both events say what the queue is now."""
        depth = len(self._queue)
        if depth:
            self._filled.set()
        else:
            self._filled.clear()
        if depth < self._queue.limit:
            self._roomy.set()
        else:
            self._roomy.clear()
