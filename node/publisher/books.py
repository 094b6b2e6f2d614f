"""The public books: the total size at each price, kept from events alone.

The state that the sequencer drives is ahead of what is durable, so nobody may be shown it. This
mirror sees durable blocks only, and its levels are those of the real book after the same block.
"""

from collections.abc import Iterable

import msgspec

from node.types.commands import Side
from node.types.durable import DurableBlock
from node.types.events import Event, Filled, OrderAmended, OrderCancelled, OrderRested
from node.types.ids import MarketId
from node.types.units import Lots, Ticks

Levels = list[tuple[Ticks, Lots]]


class BookDiff(msgspec.Struct, frozen=True, gc=False):
    """The new total size at each price that changed, best price first; 0: nothing rests there."""

    market: MarketId
    bids: Levels
    asks: Levels


class _BookMirror:
    """One market: sizes by price, and which prices changed since the last diff."""

    __slots__ = ("before", "sizes")

    def __init__(self) -> None:
        self.sizes: tuple[dict[Ticks, Lots], dict[Ticks, Lots]] = ({}, {})
        self.before: tuple[dict[Ticks, Lots], dict[Ticks, Lots]] = ({}, {})

    def add(self, side: Side, price: Ticks, lots: int) -> None:
        sizes = self.sizes[side]
        size = sizes.get(price, Lots(0))
        # The first change of a block keeps what stood there: an order that came and went is none.
        self.before[side].setdefault(price, size)
        if size + lots:
            sizes[price] = Lots(size + lots)
        else:
            del sizes[price]

    def drain(self) -> tuple[Levels, Levels]:
        changes = self._changes(Side.BUY), self._changes(Side.SELL)
        self.before = ({}, {})
        return changes

    def _changes(self, side: Side) -> Levels:
        sizes = self.sizes[side]
        changed = [
            (price, sizes.get(price, Lots(0)))
            for price, size in self.before[side].items()
            if sizes.get(price, 0) != size
        ]
        changed.sort(reverse=side is Side.BUY)
        return changed


class Books:
    """The books of all markets."""

    __slots__ = ("_mirrors",)

    def __init__(self, markets: int) -> None:
        """Start with ``markets`` empty books."""
        self._mirrors = [_BookMirror() for _ in range(markets)]

    def seed(
        self,
        market: MarketId,
        bids: Iterable[tuple[Ticks, Lots]],
        asks: Iterable[tuple[Ticks, Lots]],
    ) -> None:
        """Let ``market`` hold exactly these levels."""
        mirror = self._mirrors[market - 1]
        mirror.sizes = (dict(bids), dict(asks))
        mirror.before = ({}, {})

    def take(self, block: DurableBlock) -> list[BookDiff]:
        """Follow ``block`` and return what it changed: one diff for each market that changed."""
        touched: dict[MarketId, None] = {}
        for events in block.events:
            for event in events:
                self._follow(event, touched)
        diffs = []
        for market in touched:
            bids, asks = self._mirrors[market - 1].drain()
            if bids or asks:
                diffs.append(BookDiff(market, bids, asks))
        return diffs

    def levels(self, market: MarketId, side: Side, depth: int | None = None) -> Levels:
        """Return price and total size of the best ``depth`` levels (None: of all), best first."""
        levels = sorted(self._mirrors[market - 1].sizes[side].items(), reverse=side is Side.BUY)
        return levels[:depth]

    def _follow(self, event: Event, touched: dict[MarketId, None]) -> None:
        kind = type(event)
        # Compared by type, the most frequent first: this runs for every event of every block.
        if kind is Filled:
            assert isinstance(event, Filled)
            if event.auction:
                return
            side, lots = event.taker_side.opposite, -event.size
        elif kind is OrderRested:
            assert isinstance(event, OrderRested)
            side, lots = event.side, event.remaining
        elif kind is OrderCancelled:
            assert isinstance(event, OrderCancelled)
            if not event.resting:
                return
            side, lots = event.side, Lots(-event.remaining)
        elif kind is OrderAmended:
            assert isinstance(event, OrderAmended)
            self._amend(event)
            touched[event.market] = None
            return
        else:
            return
        self._mirrors[event.market - 1].add(side, event.price, lots)
        touched[event.market] = None

    def _amend(self, event: OrderAmended) -> None:
        if not event.price_before:
            return  # It waits for its price, outside the book.
        mirror = self._mirrors[event.market - 1]
        left = event.remaining if event.resting else 0
        mirror.add(event.side, event.price_before, left - event.remaining_before)
