"""A book kept from the feed: a snapshot, then diffs, each of which must follow the one before."""

from typing import Any

from node.types.errors import Unavailable


class FeedGap(Unavailable):
    """A message is missing before this one (``expected`` prev_seq, ``found``): subscribe again."""

    code = 2101


class FeedCrossed(Unavailable):
    """The book came out crossed (``bid``, ``ask``): the feed, or this reader, is wrong."""

    code = 2102


class LocalBook:
    """One market's levels as the server last told them; prices and sizes stay decimal strings.

    ``seq`` is the log sequence up to which it is complete.
    """

    def __init__(self, market: str) -> None:
        self.market = market
        self.seq = 0
        self._sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}

    def apply(self, message: dict[str, Any]) -> None:
        """Take in one message of the book channel.

        Raises ``FeedGap`` if a message is missing before it, ``FeedCrossed`` if it leaves a best
        bid at or above the best ask; the book is then not to be used until a new snapshot.
        """
        if message["type"] == "snapshot":
            self._sides = {"bids": {}, "asks": {}}
        elif message["prev_seq"] != self.seq:
            raise FeedGap(expected=self.seq, found=message["prev_seq"])
        for name, levels in self._sides.items():
            for price, size in message[name]:
                if size == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = size
        self.seq = message["seq"]
        bids, asks = self.bids(1), self.asks(1)
        if bids and asks and float(bids[0][0]) >= float(asks[0][0]):
            raise FeedCrossed(bid=bids[0][0], ask=asks[0][0])

    def bids(self, depth: int | None = None) -> list[tuple[str, str]]:
        """Return (price, size) of the best ``depth`` bids, best first."""
        return self._best("bids", depth, reverse=True)

    def asks(self, depth: int | None = None) -> list[tuple[str, str]]:
        """Return (price, size) of the best ``depth`` asks, best first."""
        return self._best("asks", depth, reverse=False)

    def _best(self, side: str, depth: int | None, *, reverse: bool) -> list[tuple[str, str]]:
        levels = self._sides[side].items()
        return sorted(levels, key=lambda level: float(level[0]), reverse=reverse)[:depth]
