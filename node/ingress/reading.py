"""The time that it takes to work out what is read: of one address, and of all together.

Whoever reads as much as he may, from a handful of addresses, uses up what all have together. So who
has read next to nothing lately is heard beyond it, up to a second and larger share.

Pure: every time is an argument.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from node.capacity.share import Share, work_counted

ALL_PART: Final = 4
"""All addresses together take at most one part in so many of the loop's time; each has a 20th."""
LIGHT_PART: Final = 2
"""While that is used up, the light ones are heard until all reading takes one part in so many."""
LIGHT_NS: Final = 5_000_000
"""Light is an address with no more work than this that the time since has not paid for."""

_OF: Final = "reading"

T = TypeVar("T")


class Readers:
    """What all addresses together have read; both shares count all of it."""

    __slots__ = ("all", "light")

    def __init__(self) -> None:
        self.all = Share(_OF, ALL_PART)
        self.light = Share(_OF, LIGHT_PART)


class Reading:
    """What one address has read."""

    __slots__ = ("_own", "_readers")

    def __init__(self, readers: Readers) -> None:
        self._own = Share(_OF)
        self._readers = readers

    def read(self, work: Callable[[], T], now_ns: Callable[[], int]) -> T:
        """Return what ``work`` makes, at the cost of the address and of all.

        Raises ``RateLimited``.
        """
        begun_ns, own, readers = now_ns(), self._own, self._readers
        own.require(begun_ns)
        is_light = own.held_ns(begun_ns) <= LIGHT_NS
        (readers.light if is_light else readers.all).require(begun_ns)
        return work_counted((own, readers.all, readers.light), work, begun_ns, now_ns)
