"""What happened, for readers of whom each goes on where it was; bounded, with a wake-up."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import Any, Final

import msgspec

TRADES_MAX: Final = 1_000
"""Public trades of a market that are kept for who asks; the oldest go first."""

CHANGES_MAX: Final = 10_000
"""Orders that changed, and fills, that are kept for who asks; of what was pushed out he is told.

Both together take some 30 MB.
"""


class Gap(msgspec.Struct, frozen=True, gc=False):
    """What came behind the command ``behind``, up to ``up_to``, and is not kept any more."""

    behind: int
    up_to: int


class _Entry(msgspec.Struct, frozen=True):
    """The news of this ``number``; with it all was told up to the command ``at``."""

    number: int
    at: int
    item: Any = None


class Taking:
    """What a reader has not seen: ``items``, and before them perhaps a ``gap``.

    ``first``: the reader never took anything.
    """

    def __init__(self, items: list[Any], gap: Gap | None, *, first: bool) -> None:
        self.items = items
        self.gap = gap
        self.first = first
        self.count: int | None = None

    def let_go(self, count: int) -> None:
        """Take the gap and ``count`` items, however the block ends, and nothing else."""
        self.count = count


class News:
    """Who waits for one market must not take what another waits for.

    A reader is named by what it asks for, and two that ask for the same at once hear the same.
    """

    def __init__(self, most: int) -> None:
        """Keep ``most`` items."""
        self._most = most
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._last = self._gone = _Entry(0, 0)
        self._seen: dict[Hashable, _Entry] = {}
        self._took: set[Hashable] = set()
        self._more = asyncio.Event()
        self._ended: Exception | None = None

    def begin(self, at: int) -> None:
        """Note that all there is to hear comes behind the command ``at``."""
        self._gone = _Entry(self._gone.number, at)

    def add(self, item: Any, name: Hashable = None, at: int = 0) -> None:
        """Keep ``item`` for whoever looks next, of one ``name`` the last; all is told up to ``at``.

        A name is no number below zero.
        """
        entry = self._last = _Entry(self._last.number + 1, at, item)
        key = -entry.number if name is None else name
        self._entries.pop(key, None)
        self._entries[key] = entry
        if len(self._entries) > self._most:
            _, gone = self._entries.popitem(last=False)
            self._gone = _Entry(gone.number, gone.at)
        self._wake()

    def end(self, error: Exception) -> None:
        """Let whoever looks from now on have ``error``."""
        self._ended = error
        self._wake()

    async def take(self, reader: Hashable = None) -> list[Any]:
        """Wait for something that ``reader`` has not seen, and return all of it that is kept.

        Raises why nothing more will come.
        """
        async with self.taking(reader) as news:
            return news.items

    @asynccontextmanager
    async def taking(self, reader: Hashable = None) -> AsyncIterator[Taking]:
        """Give what ``take`` returns, and what is kept no more of what came since its first call.

        A block that ends with an error has taken none of it, unless it lets some go.
        """
        seen = self._seen.setdefault(reader, self._gone)
        while self._last.number == seen.number and self._ended is None:
            await self._more.wait()
        if self._ended is not None:
            raise self._ended
        new = takewhile(lambda one: one.number > seen.number, reversed(self._entries.values()))
        before, entries = seen, [*new][::-1]
        gap = None
        if self._gone.number > seen.number:
            before, gap = self._gone, Gap(seen.at, self._gone.at)
        news = Taking([one.item for one in entries], gap, first=reader not in self._took)
        count = -1
        try:
            yield news
            count = len(entries)
        finally:
            count = count if news.count is None else news.count
            if count >= 0:
                last = [before, *entries][count]
                self._took.add(reader)
                self._seen[reader] = max(last, self._seen[reader], key=lambda one: one.number)

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()
