"""A book kept from the feed: a snapshot, then diffs, each of which must follow the one before.

After each message the book is held against the message's checksum, and must not be crossed. A book
that fails is shown to nobody: whoever asks for it gets ``BookUnknown`` until the next snapshot.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from node.codec.checksums import CHECKSUM_DEPTH, best_checksum, book_checksum, level_entry
from node.types.errors import PlimsollError, Unavailable


class FeedGap(Unavailable):
    """A message is missing before this one (``expected`` prev_seq, ``found``): subscribe again."""

    code = 2101


class FeedCrossed(Unavailable):
    """The book came out crossed (``bid``, ``ask``): the feed, or this reader, is wrong."""

    code = 2102


class FeedMismatch(Unavailable):
    """The book came out with another checksum (``found``) than the server's (``expected``)."""

    code = 2103


class BookUnknown(Unavailable):
    """No book of ``market`` can be shown: what came last does not fit, or nobody is telling it."""

    code = 2104


Level = tuple[str, str]
"""The price and the size of one level, as the server wrote them."""


def always_told() -> bool:
    """Return what holds of a book that is fed by hand."""
    return True


class FollowedBook:
    """What is kept of one market, message by message, and whether it can be shown.

    ``seq`` is the log sequence up to which it is complete. ``ended`` is why it can never be shown
    again. ``is_told`` says whether the server is telling of it now: one that is not may be long
    past, and is not shown either.
    """

    def __init__(self, market: str) -> None:
        self.market = market
        self.seq = 0
        self.ended: PlimsollError | None = None
        self.is_told: Callable[[], bool] = always_told
        self._fits = False

    @property
    def known(self) -> bool:
        """Return whether it can be shown."""
        return self._fits and self.is_told()

    def end(self, error: PlimsollError) -> None:
        """Show no more, and raise ``error`` instead: nobody tells how it goes on."""
        self._fits, self.ended = False, error

    def _begins_anew(self, message: dict[str, Any]) -> bool:
        """Return whether ``message`` is a snapshot; until it is taken in, nothing can be shown.

        Raises ``FeedGap`` if a message is missing before it, which leaves the book as it is.
        """
        snapshot: bool = message["type"] == "snapshot"
        if not snapshot and (not self._fits or message["prev_seq"] != self.seq):
            raise FeedGap(expected=self.seq, found=message["prev_seq"])
        self._fits = False
        return snapshot

    def _require_known(self) -> None:
        if self.ended is not None:
            raise self.ended
        if not self.known:
            raise BookUnknown(market=self.market)


class LocalBook(FollowedBook):
    """One market's levels as the server last told them; prices and sizes stay decimal strings."""

    def __init__(self, market: str) -> None:
        super().__init__(market)
        # By price as a number, lowest first: strings do not sort as numbers, floats lose digits.
        self._bids: SortedDict[Decimal, Level] = SortedDict()
        self._asks: SortedDict[Decimal, Level] = SortedDict()

    def apply(self, message: dict[str, Any]) -> None:
        """Take in one message of the book channel.

        Raises ``FeedGap`` if a message is missing before it, which leaves the book as it is;
        ``FeedCrossed`` if it leaves a best bid at or above the best ask, ``FeedMismatch`` if the
        checksum is another, and what reading it raises (``LookupError``, ``TypeError``,
        ``ValueError``, ``ArithmeticError``) if it is no such message: the book is unknown then.
        """
        if self._begins_anew(message):
            self._bids.clear()
            self._asks.clear()
        _set_levels(self._bids, message["bids"])
        _set_levels(self._asks, message["asks"])
        self.seq = message["seq"]
        self._require_uncrossed()
        require_checksum(
            message["checksum"],
            (level_entry(*level) for level in self._best(self._bids, CHECKSUM_DEPTH)),
            (level_entry(*level) for level in self._best(self._asks, CHECKSUM_DEPTH)),
        )
        self._fits = True

    def bids(self, depth: int | None = None) -> list[Level]:
        """Return (price, size) of the best ``depth`` bids, best first. Raises ``BookUnknown``."""
        self._require_known()
        return list(self._best(self._bids, depth))

    def asks(self, depth: int | None = None) -> list[Level]:
        """Return (price, size) of the best ``depth`` asks, best first. Raises ``BookUnknown``."""
        self._require_known()
        return list(self._best(self._asks, depth))

    def _best(self, side: "SortedDict[Decimal, Level]", depth: int | None) -> Iterator[Level]:
        levels = side.values()
        return islice(reversed(levels) if side is self._bids else levels, depth)

    def _require_uncrossed(self) -> None:
        if not self._bids or not self._asks:
            return
        highest, (bid, _) = self._bids.peekitem(-1)
        lowest, (ask, _) = self._asks.peekitem(0)
        if highest >= lowest:
            raise FeedCrossed(bid=bid, ask=ask)


def require_best(message: dict[str, Any]) -> None:
    """Raise ``FeedMismatch`` unless the levels of a message of ``bbo`` have its checksum."""
    found = best_checksum(message["bid"], message["ask"])
    if found != message["checksum"]:
        raise FeedMismatch(expected=message["checksum"], found=found)


def require_checksum(expected: int, bids: Iterable[str], asks: Iterable[str]) -> None:
    """Raise ``FeedMismatch`` unless the entries, best first, have the checksum ``expected``."""
    found = book_checksum(bids, asks)
    if found != expected:
        raise FeedMismatch(expected=expected, found=found)


def _set_levels(levels: "SortedDict[Decimal, Level]", changes: list[Level]) -> None:
    for price, size in changes:
        if size == "0":
            levels.pop(Decimal(price), None)
        else:
            levels[Decimal(price)] = (price, size)
