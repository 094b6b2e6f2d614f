"""The public books of all markets, kept from events alone.

The state that the sequencer drives is ahead of what is durable, so nobody may be shown it. These
mirrors see durable blocks only, and after each their queues and levels are those of the real books.
Which events change a book, and how, stands in ``_FLOW`` and nowhere else.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from node.publisher.book_mirror import (
    BookDiff,
    BookMirror,
    Levels,
    Resting,
    WriteLevel,
    WriteOrders,
)
from node.types.commands import Side
from node.types.durable import DurableBlock
from node.types.events import Filled, OrderAmended, OrderCancelled, OrderRested
from node.types.ids import MarketId
from node.types.units import Lots


def _filled(book: BookMirror, event: Filled) -> None:
    # In an auction nobody's resting order is filled: what it leaves was told by its amendment.
    if not event.auction:
        side = event.taker_side.opposite
        book.resize(event.maker_order, side, event.price, event.maker_remaining)


def _rested(book: BookMirror, event: OrderRested) -> None:
    book.rest(event.order_id, event.side, event.price, event.remaining)


def _cancelled(book: BookMirror, event: OrderCancelled) -> None:
    if event.resting:
        book.resize(event.order_id, event.side, event.price, Lots(0))


def _amended(book: BookMirror, event: OrderAmended) -> None:
    # Without a price before, the order stands in no book: it waits for its price, or an auction.
    if event.price_before:
        remaining = event.remaining if event.resting else Lots(0)
        book.resize(event.order_id, event.side, event.price_before, remaining)


_FLOW: Final[dict[type, Callable[[BookMirror, Any], None]]] = {
    Filled: _filled,
    OrderRested: _rested,
    OrderCancelled: _cancelled,
    OrderAmended: _amended,
}
"""Every event with a ``market`` that changes the market's book; the others change none."""


class Books:
    """The books of all markets."""

    __slots__ = ("_mirrors",)

    def __init__(self, markets: int) -> None:
        """Start with ``markets`` empty books."""
        self._mirrors = [BookMirror() for _ in range(markets)]

    def seed(self, market: MarketId, orders: Iterable[Resting]) -> None:
        """Let ``market`` hold exactly these orders; those of one price come in priority."""
        mirror = self._mirrors[market - 1] = BookMirror()
        for order in orders:
            mirror.rest(order.order_id, order.side, order.price, order.remaining)
        mirror.forget_changes()

    def take(self, block: DurableBlock) -> list[BookDiff]:
        """Follow ``block`` and return what it changed: one diff for each market that changed."""
        touched: dict[MarketId, None] = {}
        for events in block.events:
            for event in events:
                change = _FLOW.get(type(event))
                if change is not None:
                    market: MarketId = event.market  # type: ignore[union-attr]  # See _FLOW.
                    change(self._mirrors[market - 1], event)
                    touched[market] = None
        diffs = (self._mirrors[market - 1].drain(market) for market in touched)
        return [diff for diff in diffs if diff is not None]

    def levels(self, market: MarketId, side: Side, depth: int | None = None) -> Levels:
        """Return price and total size of the best ``depth`` levels (None: of all), best first."""
        return self._mirrors[market - 1].levels(side, depth)

    def orders(self, market: MarketId, side: Side, depth: int | None = None) -> list[Resting]:
        """Return the first ``depth`` orders of a side in priority (None: all)."""
        return self._mirrors[market - 1].orders(side, depth)

    def level_texts(
        self, market: MarketId, side: Side, depth: int | None, write: WriteLevel
    ) -> list[bytes]:
        """Return the best ``depth`` levels as ``write``, the market's own, writes them."""
        return self._mirrors[market - 1].level_texts(side, depth, write)

    def order_texts(self, market: MarketId, side: Side, write: WriteOrders) -> list[bytes]:
        """Return the orders at each price, best first, likewise."""
        return self._mirrors[market - 1].order_texts(side, write)

    def best(self, market: MarketId, side: Side) -> tuple[int, int] | None:
        """Return price and total size of the best level of a side."""
        return self._mirrors[market - 1].best(side)
