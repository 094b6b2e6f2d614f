"""The limit order book of one market: price levels, and a queue of orders at each.

Levels stand in one ``SortedDict`` for each side. The orders of a level form a doubly linked list
whose links live in the orders themselves, so that an order anywhere in a queue leaves it in
constant time, without a search and without a second container. (Measured on the mixed tape of
``tests.benchmarks``, an ``OrderedDict`` for each level is a fifth slower; the head of a plain dict
cannot be popped again and again in constant time.) The best level of each side is cached, because
every arriving order asks for it.

The book knows nothing of accounts, margin or events. A size is always positive, in lots; a price
is in ticks.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from sortedcontainers import SortedDict

from node.types.commands import Side
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Money, Ticks

NOTHING_RESERVED: Final = Money(0)
_BUY: Final = Side.BUY


class Order:
    """An order on its way into the book or resting in it; equal to itself alone.

    ``reserve`` is the money that margin holds for it; matching ignores it. The last three slots
    belong to the book: the level where the order rests, and its neighbours in the queue.
    """

    __slots__ = (
        "account",
        "after",
        "before",
        "client_id",
        "level",
        "market",
        "order_id",
        "price",
        "reduce_only",
        "remaining",
        "reserve",
        "side",
    )

    def __init__(  # noqa: PLR0913 - an order has this many fields
        self,
        order_id: OrderId,
        client_id: ClientOrderId,
        account: Address,
        market: MarketId,
        side: Side,
        price: Ticks,
        remaining: Lots,
        *,
        reduce_only: bool = False,
        reserve: Money = NOTHING_RESERVED,
    ) -> None:
        self.order_id = order_id
        self.client_id = client_id
        self.account = account
        self.market = market
        self.side = side
        self.price = price
        self.remaining = remaining
        self.reduce_only = reduce_only
        self.reserve = reserve
        self.level: Level | None = None
        self.before: Order | None = None
        self.after: Order | None = None

    def __repr__(self) -> str:
        return f"Order({self.order_id}: {self.side.name} {self.remaining} @ {self.price})"

    @property
    def resting(self) -> bool:
        """Return whether the order stands in a book."""
        return self.level is not None


class Level:
    """The orders at one price of one side, oldest first, and the sum of their sizes."""

    __slots__ = ("count", "first", "last", "price", "size")

    def __init__(self, price: Ticks) -> None:
        self.price = price
        self.size = 0
        self.count = 0
        self.first: Order | None = None
        self.last: Order | None = None

    def __iter__(self) -> Iterator[Order]:
        """Yield the orders in time priority; the level must not change meanwhile."""
        order = self.first
        while order is not None:
            yield order
            order = order.after


class Book:
    """Bids and asks in price-time priority; the best bid stays below the best ask."""

    __slots__ = ("_best", "_count", "_levels")

    def __init__(self) -> None:
        self._levels: Final[tuple[SortedDict[Ticks, Level], SortedDict[Ticks, Level]]] = (
            SortedDict(),
            SortedDict(),
        )
        self._best: Final[list[Level | None]] = [None, None]
        self._count = 0

    def __len__(self) -> int:
        """Return the number of resting orders."""
        return self._count

    def add(self, order: Order) -> None:
        """Rest ``order`` behind all others of its price; it must not cross the other side."""
        assert order.level is None
        assert order.remaining > 0
        side, price = order.side, order.price
        level = self._levels[side].get(price)
        if level is None:
            level = self._open_level(side, price)
            level.first = order
        else:
            last = level.last
            assert last is not None
            last.after = order
            order.before = last
        level.last = order
        level.size += order.remaining
        level.count += 1
        order.level = level
        self._count += 1

    def remove(self, order: Order) -> None:
        """Take ``order``, wherever it stands in its queue, out of the book."""
        level, before, after = order.level, order.before, order.after
        assert level is not None
        if before is None:
            level.first = after
        else:
            before.after = after
        if after is None:
            level.last = before
        else:
            after.before = before
        order.level = order.before = order.after = None
        level.size -= order.remaining
        level.count -= 1
        self._count -= 1
        if not level.count:
            self._close_level(order.side, level)

    def reduce(self, order: Order, size: Lots) -> None:
        """Take ``size`` lots off ``order``, which keeps its place; at nothing left it is gone."""
        remaining = order.remaining
        if size < remaining:
            level = order.level
            assert level is not None
            assert size > 0
            order.remaining = Lots(remaining - size)
            level.size -= size
        else:
            assert size == remaining
            self.remove(order)
            order.remaining = Lots(0)

    def best(self, side: Side) -> Order | None:
        """Return the first order in priority of ``side``."""
        level = self._best[side]
        return None if level is None else level.first

    def best_price(self, side: Side) -> Ticks | None:
        """Return the highest bid or the lowest ask."""
        level = self._best[side]
        return None if level is None else level.price

    def orders(self, side: Side) -> Iterator[Order]:
        """Yield the orders of ``side`` in priority; the book must not change meanwhile."""
        for level in self._levels_from_best(side):
            yield from level

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[Ticks, Lots, int]]:
        """Return (price, total size, order count) of the best ``depth`` levels (None: of all)."""
        return [
            (level.price, Lots(level.size), level.count)
            for level in islice(self._levels_from_best(side), depth)
        ]

    def size_at(self, side: Side, price: Ticks) -> Lots:
        """Return the total size that rests on ``side`` at exactly ``price``."""
        level = self._levels[side].get(price)
        return Lots(0 if level is None else level.size)

    def _levels_from_best(self, side: Side) -> Iterator[Level]:
        levels = self._levels[side]
        for price in reversed(levels) if side == _BUY else levels:
            yield levels[price]

    def _open_level(self, side: Side, price: Ticks) -> Level:
        level = self._levels[side][price] = Level(price)
        best = self._best[side]
        if best is None or (price > best.price if side == _BUY else price < best.price):
            self._best[side] = level
            assert not self._crossed()
        return level

    def _close_level(self, side: Side, level: Level) -> None:
        levels = self._levels[side]
        assert level.size == 0
        del levels[level.price]
        if level is self._best[side]:
            self._best[side] = levels.peekitem(-1 if side == _BUY else 0)[1] if levels else None

    def _crossed(self) -> bool:
        bid, ask = self._best
        return bid is not None and ask is not None and bid.price >= ask.price
