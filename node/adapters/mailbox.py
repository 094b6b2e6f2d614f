"""A bounded queue between two stations on one event loop, with a wake-up for its consumer."""

import asyncio
from typing import Generic, TypeVar

from node.capacity.queue import BoundedQueue
from node.capacity.stage import Stage

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A ``BoundedQueue`` whose one consumer can sleep until there is something to take.

    The event is set exactly while items wait: ``offer`` sets it, and the ``take`` that empties the
    queue clears it. As neither awaits between its two steps, no wake-up can be lost, and nobody
    polls. Producers on other threads must come in through ``loop.call_soon_threadsafe``.
    """

    __slots__ = ("_filled", "_queue")

    def __init__(self, queue: BoundedQueue[T]) -> None:
        """Wrap ``queue``, which from now on is offered to and taken from only here."""
        self._queue = queue
        self._filled = asyncio.Event()
        if len(queue):
            self._filled.set()

    def __len__(self) -> int:
        """Return the number of waiting items."""
        return len(self._queue)

    @property
    def stage(self) -> Stage:
        """Return the counters of the queue."""
        return self._queue.stage

    def offer(self, item: T, now_ns: int) -> None:
        """Append ``item`` and wake the consumer; raises what ``BoundedQueue.offer`` raises."""
        self._queue.offer(item, now_ns)
        self._filled.set()

    def take(self, max_items: int, now_ns: int) -> list[T]:
        """Remove and return up to ``max_items`` of the oldest items, without waiting."""
        taken = self._queue.take(max_items, now_ns)
        if not len(self._queue):
            self._filled.clear()
        return taken

    async def wait(self) -> None:
        """Return as soon as an item waits: at once when one does already."""
        await self._filled.wait()
