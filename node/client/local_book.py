"""A book kept from the feed: a snapshot, then diffs, each of which must follow the one before."""

from decimal import Decimal
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from node.types.errors import Unavailable


class FeedGap(Unavailable):
    """A message is missing before this one (``expected`` prev_seq, ``found``): subscribe again."""

    code = 2101


class FeedCrossed(Unavailable):
    """The book came out crossed (``bid``, ``ask``): the feed, or this reader, is wrong."""

    code = 2102


Level = tuple[str, str]
"""The price and the size of one level, as the server wrote them."""


class LocalBook:
    """One market's levels as the server last told them; prices and sizes stay decimal strings.

    ``seq`` is the log sequence up to which it is complete.
    """

    def __init__(self, market: str) -> None:
        self.market = market
        self.seq = 0
        # By price as a number, lowest first: strings do not sort as numbers, floats lose digits.
        self._bids: SortedDict[Decimal, Level] = SortedDict()
        self._asks: SortedDict[Decimal, Level] = SortedDict()

    def apply(self, message: dict[str, Any]) -> None:
        """Take in one message of the book channel.

        Raises ``FeedGap`` if a message is missing before it, ``FeedCrossed`` if it leaves a best
        bid at or above the best ask, and what reading it raises (``LookupError``, ``TypeError``,
        ``ValueError``, ``ArithmeticError``) if it is no such message; the book is then not to be
        used until a new snapshot.
        """
        if message["type"] == "snapshot":
            self._bids.clear()
            self._asks.clear()
        elif message["prev_seq"] != self.seq:
            raise FeedGap(expected=self.seq, found=message["prev_seq"])
        _set_levels(self._bids, message["bids"])
        _set_levels(self._asks, message["asks"])
        self.seq = message["seq"]
        self._require_uncrossed()

    def bids(self, depth: int | None = None) -> list[Level]:
        """Return (price, size) of the best ``depth`` bids, best first."""
        return list(islice(reversed(self._bids.values()), depth))

    def asks(self, depth: int | None = None) -> list[Level]:
        """Return (price, size) of the best ``depth`` asks, best first."""
        return list(islice(self._asks.values(), depth))

    def _require_uncrossed(self) -> None:
        if not self._bids or not self._asks:
            return
        highest, (bid, _) = self._bids.peekitem(-1)
        lowest, (ask, _) = self._asks.peekitem(0)
        if highest >= lowest:
            raise FeedCrossed(bid=bid, ask=ask)


def _set_levels(levels: "SortedDict[Decimal, Level]", changes: list[Level]) -> None:
    for price, size in changes:
        if size == "0":
            levels.pop(Decimal(price), None)
        else:
            levels[Decimal(price)] = (price, size)
