"""The two ends of a bounded queue between two stations.

Stations know each other by these alone. A producer either takes ``Overloaded`` for an answer, or
waits for room first; which of the two is the producer's promise to its consumer.
"""

from typing import Protocol, TypeVar

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Outlet(Protocol[T_contra]):
    """Where a producer puts frozen messages."""

    def offer(self, item: T_contra, now_ns: int) -> None:
        """Append ``item``. Raises ``Overloaded`` when the mailbox holds its limit."""
        ...

    async def wait_for_room(self) -> None:
        """Return as soon as ``offer`` will take an item: at once when it would now."""
        ...


class Inlet(Protocol[T]):
    """Where the one consumer finds them."""

    def take(self, max_items: int, now_ns: int) -> list[T]:
        """Remove and return up to ``max_items`` of the oldest items, without waiting."""
        ...

    async def wait(self) -> None:
        """Return as soon as an item waits: at once when one does already."""
        ...
