"""One public book, order by order and level by level, and what changed in it.

An order may keep its id while it moves: it leaves its place, and rests again behind all others.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec
from sortedcontainers import SortedDict

from node.types.commands import Side
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Ticks

Levels = list[tuple[Ticks, Lots]]
WriteLevel = Callable[[Ticks, Lots], bytes]
WriteOrders = Callable[[Iterable["Resting"]], bytes]


class Resting(msgspec.Struct, frozen=True, gc=False):
    """An order in the book, without its owner: what anyone may see of it."""

    order_id: OrderId
    side: Side
    price: Ticks
    remaining: Lots


class OrderChange(msgspec.Struct, frozen=True, gc=False):
    """What a block did to one order; ``order`` is how it stands now, or stood before it left.

    ``op``: add (behind all others of its price), change, remove. ``kept``: whether a changed order
    kept its place; one that lost it stands behind all others of its price as well.
    """

    op: str
    order: Resting
    kept: bool


class BookDiff(msgspec.Struct, frozen=True, gc=False):
    """What a block changed in one market, net: what came and went within it is not told.

    ``bids`` and ``asks`` are the new total size at each price that changed, best price first; 0:
    nothing rests there. ``orders`` are removals first, then changes in place, then those that
    joined the end of a queue, in that order.
    """

    market: MarketId
    bids: Levels
    asks: Levels
    orders: list[OrderChange]


class _Queue:
    """What is left of the orders at one price, in priority, and the sum of it.

    Also what was written of both when somebody last asked, until something changes here: a book of
    30,000 levels takes a tenth of a second to write, and next to nothing of it changes in a block.
    """

    __slots__ = ("level_text", "orders", "orders_text", "size")

    def __init__(self) -> None:
        self.orders: dict[OrderId, Lots] = {}
        self.size = Lots(0)
        self.level_text: bytes | None = None
        self.orders_text: bytes | None = None


class BookMirror:
    """One market, and what changed in it since the last ``drain``."""

    __slots__ = ("_before", "_joined", "_levels", "_now", "_sizes_before")

    def __init__(self) -> None:
        self._levels: tuple[SortedDict[Ticks, _Queue], SortedDict[Ticks, _Queue]] = (
            SortedDict(),
            SortedDict(),
        )
        # As each stood before its first change: what came and went within a block is no change.
        self._sizes_before: tuple[dict[Ticks, int], dict[Ticks, int]] = ({}, {})
        self._before: dict[OrderId, Resting | None] = {}
        # Of those the ones that rest, as they stand now.
        self._now: dict[OrderId, Resting] = {}
        # Those that joined the end of a queue, in that order.
        self._joined: dict[OrderId, None] = {}

    def rest(self, order_id: OrderId, side: Side, price: Ticks, remaining: Lots) -> None:
        """Put an order behind all others of its price."""
        self._before.setdefault(order_id, None)
        self._now[order_id] = Resting(order_id, side, price, remaining)
        self._joined[order_id] = None
        levels = self._levels[side]
        queue = levels.get(price)
        if queue is None:
            queue = levels[price] = _Queue()
        self._sizes_before[side].setdefault(price, queue.size)
        queue.orders[order_id] = remaining
        queue.level_text = queue.orders_text = None
        queue.size += remaining  # type: ignore[assignment]  # Lots() costs a call.

    def resize(self, order_id: OrderId, side: Side, price: Ticks, remaining: Lots) -> None:
        """Leave ``remaining`` lots of the order, which rests there, in its place; at 0 it goes."""
        levels = self._levels[side]
        queue = levels[price]
        before = queue.orders[order_id]
        if order_id not in self._before:
            self._before[order_id] = Resting(order_id, side, price, before)
        self._sizes_before[side].setdefault(price, queue.size)
        queue.level_text = queue.orders_text = None
        queue.size += remaining - before  # type: ignore[assignment]  # As above.
        if remaining:
            self._now[order_id] = Resting(order_id, side, price, remaining)
            queue.orders[order_id] = remaining
            return
        self._now.pop(order_id, None)
        self._joined.pop(order_id, None)
        del queue.orders[order_id]
        if not queue.orders:
            del levels[price]

    def drain(self, market: MarketId) -> BookDiff | None:
        """Return what changed since the last time, None where that is nothing."""
        bids, asks = self._level_changes(Side.BUY), self._level_changes(Side.SELL)
        orders = self._order_changes()
        self.forget_changes()
        return BookDiff(market, bids, asks, orders) if bids or asks or orders else None

    def forget_changes(self) -> None:
        """Take the book as it stands for what was told last."""
        self._sizes_before = ({}, {})
        self._before = {}
        self._now = {}
        self._joined = {}

    def levels(self, side: Side, depth: int | None = None) -> Levels:
        """Return price and total size of the best ``depth`` levels (None: of all), best first."""
        queues = self._levels[side]
        return [(price, queues[price].size) for price in islice(self._prices(side), depth)]

    def orders(self, side: Side, depth: int | None = None) -> list[Resting]:
        """Return the first ``depth`` orders of ``side`` in priority (None: all)."""
        ordered = (order for price in self._prices(side) for order in self._at(side, price))
        return list(islice(ordered, depth))

    def level_texts(self, side: Side, depth: int | None, write: WriteLevel) -> list[bytes]:
        """Return the best ``depth`` levels as ``write`` writes them, always the same one."""
        queues, texts = self._levels[side], []
        for price in islice(self._prices(side), depth):
            queue = queues[price]
            text = queue.level_text
            if text is None:
                text = queue.level_text = write(price, queue.size)
            texts.append(text)
        return texts

    def order_texts(self, side: Side, write: WriteOrders) -> list[bytes]:
        """Return the orders at each price as ``write`` writes them, best first; likewise."""
        queues, texts = self._levels[side], []
        for price in self._prices(side):
            queue = queues[price]
            text = queue.orders_text
            if text is None:
                text = queue.orders_text = write(self._at(side, price))
            texts.append(text)
        return texts

    def best(self, side: Side) -> tuple[Ticks, Lots] | None:
        """Return the best level of ``side``."""
        queues = self._levels[side]
        if not queues:
            return None
        price, queue = queues.peekitem(-1 if side is Side.BUY else 0)
        return price, queue.size

    def _at(self, side: Side, price: Ticks) -> Iterator[Resting]:
        for order_id, remaining in self._levels[side][price].orders.items():
            yield Resting(order_id, side, price, remaining)

    def _prices(self, side: Side) -> Iterator[Ticks]:
        queues = self._levels[side]
        return reversed(queues) if side is Side.BUY else iter(queues)

    def _level_changes(self, side: Side) -> Levels:
        changed: Levels = []
        for price, before in self._sizes_before[side].items():
            queue = self._levels[side].get(price)
            size = Lots(0) if queue is None else queue.size
            if size != before:
                changed.append((price, size))
        changed.sort(reverse=side is Side.BUY)
        return changed

    def _order_changes(self) -> list[OrderChange]:
        now, joined = self._now, self._joined
        removed: list[OrderChange] = []
        changed: list[OrderChange] = []
        for order_id, before in self._before.items():
            order = now.get(order_id)
            if order is None:
                if before is not None:
                    removed.append(OrderChange("remove", before, kept=False))
            elif order_id not in joined and order != before:
                changed.append(OrderChange("change", order, kept=True))
        for order_id in joined:
            op = "add" if self._before[order_id] is None else "change"
            changed.append(OrderChange(op, now[order_id], kept=False))
        return removed + changed
