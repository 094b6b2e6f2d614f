"""The book against a plain list in the order of arrival, whatever is added, reduced and removed."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node.matching.book import Book, Order
from node.types.commands import Side
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Ticks

MIDDLE = 100
picks = st.integers(0, 10**6)
sides = st.sampled_from(Side)
sizes = st.integers(1, 9)


@dataclass
class Rest:
    """What the model knows of an order; where it stands in the list is its time."""

    order: Order
    price: int
    left: int


class Books(RuleBasedStateMachine):
    """``rests`` are the orders in the order of their arrival; best is first by price, then time."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.rests: list[Rest] = []
        self.ids = 0

    def _price(self, side: Side, away: int) -> int:
        """Return a price that crosses nothing: bids stand below the middle, asks above it."""
        return MIDDLE - away if side is Side.BUY else MIDDLE + away

    @rule(side=sides, away=st.integers(1, 4), size=sizes)
    def add(self, side: Side, away: int, size: int) -> None:
        self.ids += 1
        price = self._price(side, away)
        order = Order(
            OrderId(self.ids), self.ids, ClientOrderId(0), Address(bytes(20)), MarketId(1), side,
            Ticks(price), Lots(size), Lots(size),
        )  # fmt: skip
        self.book.add(order)
        self.rests.append(Rest(order, price, size))

    @precondition(lambda self: self.rests)
    @rule(pick=picks, size=sizes)
    def reduce(self, pick: int, size: int) -> None:
        rest = self.rests[pick % len(self.rests)]
        size = min(size, rest.left)
        self.book.reduce(rest.order, size)
        rest.left -= size
        assert rest.order.remaining == rest.left
        if not rest.left:
            self.rests.remove(rest)

    @precondition(lambda self: self.rests)
    @rule(pick=picks)
    def remove(self, pick: int) -> None:
        rest = self.rests.pop(pick % len(self.rests))
        self.book.remove(rest.order)
        assert not rest.order.resting
        # Whoever takes it back finds what was left.
        assert rest.order.remaining == rest.left

    @precondition(lambda self: self.rests)
    @rule(pick=picks, away=st.integers(1, 4))
    def move(self, pick: int, away: int) -> None:
        """Let an order leave its place and come last at a price, also at its own."""
        rest = self.rests.pop(pick % len(self.rests))
        self.book.remove(rest.order)
        rest.price = self._price(rest.order.side, away)
        rest.order.price = Ticks(rest.price)
        self.book.add(rest.order)
        self.rests.append(rest)

    @rule(side=sides, size=st.integers(1, 30))
    def take(self, side: Side, size: int) -> None:
        """Take from the best until so much is taken, as a match does."""
        for rest in self._queue(side):
            best = self.book.best(side)
            assert best is rest.order
            taken = min(size, rest.left)
            self.book.reduce(best, taken)
            rest.left -= taken
            size -= taken
            if rest.left:
                break
            self.rests.remove(rest)
            if not size:
                break

    def _queue(self, side: Side) -> list[Rest]:
        """Return the orders of ``side`` in priority; a sort keeps the order of equal prices."""
        mine = [rest for rest in self.rests if rest.order.side is side]
        return sorted(mine, key=lambda rest: -rest.price if side is Side.BUY else rest.price)

    @invariant()
    def agrees(self) -> None:
        assert len(self.book) == len(self.rests)
        for side in Side:
            queue = self._queue(side)
            found = [(order.order_id, order.remaining) for order in self.book.orders(side)]
            assert found == [(rest.order.order_id, rest.left) for rest in queue]
            prices = list(dict.fromkeys(rest.price for rest in queue))
            here = {price: [one.left for one in queue if one.price == price] for price in prices}
            levels = [(price, sum(left), len(left)) for price, left in here.items()]
            assert self.book.levels(side) == levels
            assert self.book.levels(side, 2) == levels[:2]
            assert self.book.best_price(side) == (prices[0] if prices else None)
            for away in range(1, 5):
                price = self._price(side, away)
                assert self.book.size_at(side, Ticks(price)) == sum(here.get(price, ()))


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=60)
