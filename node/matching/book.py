"""The limit order book of one market: price levels, and a queue of orders at each.

Each side is a ``Ladder``: a dict of levels, and their prices in a sorted list. That list is cheaper
than a ``SortedDict`` by a third on a recorded day, as nearly all of it happens at its end. Far from
the best an insertion moves what stands behind it: some 60 us with a hundred thousand levels, which
is every price within the band. The best level is at hand, because every arriving order asks for it.
The orders of a level form a doubly linked list whose links live in the orders themselves, so that
an order anywhere in a queue leaves it in constant time, without a search and without a second
container. (The head of a plain dict cannot be popped again and again in
constant time; an ``OrderedDict`` can do all this, but is slower on the tape of
``tests.benchmarks.book``.)

The book knows nothing of accounts, margin or events. A size is always positive, in lots; a price
is in ticks.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from node.types.commands import SelfTrade, Side
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks

NOTHING_RESERVED: Final = Money(0)
NEVER: Final = Millis(0)

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY
_CANCEL_MAKER: Final = SelfTrade.CANCEL_MAKER


class Order(msgspec.Struct, eq=False):
    """An order on its way into the book or resting in it; equal to itself alone.

    ``size`` is the whole order, ``remaining`` what is not filled yet. ``rank`` is its place in the
    order of all arrivals, which decides between equal prices: its id, until it is amended.
    ``good_till`` is the block time from which on it is dead (0: never), ``batch`` the block in
    which it came to rest. Matching ignores ``reserve``, the money that margin holds for it,
    ``group`` and ``post_only``.

    ``level``, ``before`` and ``after`` belong to the book: where the order rests, and its
    neighbours in the queue.
    """

    order_id: OrderId
    rank: int
    client_id: ClientOrderId
    account: Address
    market: MarketId
    side: Side
    price: Ticks
    size: Lots
    remaining: Lots
    reduce_only: bool = False
    reserve: Money = NOTHING_RESERVED
    post_only: bool = False
    self_trade: SelfTrade = _CANCEL_MAKER
    good_till: Millis = NEVER
    group: int = 0
    batch: int = 0
    level: "Level | None" = None
    before: "Order | None" = None
    after: "Order | None" = None

    def __repr__(self) -> str:
        return f"Order({self.order_id}: {self.side.name} {self.remaining} @ {self.price})"

    @property
    def resting(self) -> bool:
        """Return whether the order stands in a book."""
        return self.level is not None


class Level:
    """The orders at one price of one side, oldest first, and the sum of their sizes."""

    __slots__ = ("count", "first", "last", "price", "size")

    def __init__(self, price: Ticks, first: Order) -> None:
        self.price = price
        self.size = 0
        self.count = 0
        self.first: Order | None = first
        self.last: Order | None = first

    def __iter__(self) -> Iterator[Order]:
        """Yield the orders in time priority; the level must not change meanwhile."""
        order = self.first
        while order is not None:
            yield order
            order = order.after


class Ladder:
    """The levels of one side; ``best`` is the one whose orders trade first.

    ``keys`` are the prices in order, asks negated, so that the best stands last on either side:
    most levels open and close there, where a list is shortest to touch.
    """

    __slots__ = ("best", "keys", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[Ticks, Level] = {}
        self.keys: list[int] = []
        self.best: Level | None = None

    def __iter__(self) -> Iterator[Level]:
        """Yield the levels from the best; the ladder must not change meanwhile."""
        levels, sign = self.levels, 1 if self.side is _BUY else -1
        for key in reversed(self.keys):
            yield levels[Ticks(sign * key)]

    def open(self, level: Level) -> None:
        """Add a level at a price that has none."""
        price, keys = level.price, self.keys
        key = price if self.side is _BUY else -price
        self.levels[price] = level
        if not keys or key > keys[-1]:
            keys.append(key)
            self.best = level
        else:
            insort(keys, key)

    def close(self, level: Level) -> None:
        """Take an empty level out."""
        assert level.size == 0
        price, keys = level.price, self.keys
        del self.levels[price]
        if level is not self.best:
            del keys[bisect_left(keys, price if self.side is _BUY else -price)]
            return
        keys.pop()
        self.best = (
            self.levels[Ticks(keys[-1] if self.side is _BUY else -keys[-1])] if keys else None
        )


class Book:
    """Bids and asks in price-time priority; the best bid stays below the best ask."""

    __slots__ = ("asks", "bids", "count")

    def __init__(self) -> None:
        self.bids: Final = Ladder(Side.BUY)
        self.asks: Final = Ladder(Side.SELL)
        self.count = 0

    def __len__(self) -> int:
        """Return the number of resting orders."""
        return self.count

    def ladder(self, side: Side) -> Ladder:
        """Return the levels of ``side``."""
        return self.bids if side is _BUY else self.asks

    def add(self, order: Order) -> None:
        """Rest ``order`` behind all others of its price; it must not cross the other side."""
        assert order.level is None
        assert order.remaining > 0
        price = order.price
        ladder = self.bids if order.side is _BUY else self.asks
        level = ladder.levels.get(price)
        if level is None:
            level = Level(price, order)
            ladder.open(level)
            assert ladder.best is not level or self._uncrossed()
        else:
            last = level.last
            assert last is not None
            last.after = order
            order.before = last
            level.last = order
        level.size += order.remaining
        level.count += 1
        order.level = level
        self.count += 1

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
        self.count -= 1
        if not level.count:
            self.ladder(order.side).close(level)

    def reduce(self, order: Order, size: int) -> None:
        """Take ``size`` lots off ``order``, which keeps its place; at nothing left it is gone."""
        remaining = order.remaining
        if size < remaining:
            level = order.level
            assert level is not None
            assert size > 0
            order.remaining = remaining - size  # type: ignore[assignment]  # Lots() costs a call.
            level.size -= size
        else:
            assert size == remaining
            self.remove(order)
            order.remaining = Lots(0)

    def best(self, side: Side) -> Order | None:
        """Return the first order in priority of ``side``."""
        level = self.ladder(side).best
        return None if level is None else level.first

    def best_price(self, side: Side) -> Ticks | None:
        """Return the highest bid or the lowest ask."""
        level = self.ladder(side).best
        return None if level is None else level.price

    def orders(self, side: Side) -> Iterator[Order]:
        """Yield the orders of ``side`` in priority; the book must not change meanwhile."""
        for level in self.ladder(side):
            yield from level

    def levels(self, side: Side, depth: int | None = None) -> list[tuple[Ticks, Lots, int]]:
        """Return (price, total size, order count) of the best ``depth`` levels (None: of all)."""
        return [
            (level.price, Lots(level.size), level.count)
            for level in islice(self.ladder(side), depth)
        ]

    def size_at(self, side: Side, price: Ticks) -> Lots:
        """Return the total size that rests on ``side`` at exactly ``price``."""
        level = self.ladder(side).levels.get(price)
        return Lots(0 if level is None else level.size)

    def _uncrossed(self) -> bool:
        bid, ask = self.bids.best, self.asks.best
        return bid is None or ask is None or bid.price < ask.price
