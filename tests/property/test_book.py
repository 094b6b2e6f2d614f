"""The book is the naive book, whatever happens to it."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.matching.book import Book, Order
from node.matching.match import Stop, cross, crosses
from node.types.commands import Side
from node.types.events import CancelReason
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Ticks
from tests.property.naive_book import NaiveBook, NaiveOrder, NaiveStep

BUY, SELL = Side.BUY, Side.SELL
FILL_LIMIT = 3

Placed = tuple[str, Side, int, int, int]
"""("limit" or "ioc", side, price, size, account)."""
Reduced = tuple[str, int, int]
"""("reduce" or "cancel", place among all orders so far, counted round and round, size)."""

PLACE = st.tuples(
    st.sampled_from(["limit", "limit", "limit", "ioc"]),
    st.sampled_from([BUY, SELL]),
    st.integers(97, 103),
    st.integers(1, 9),
    st.integers(1, 4),
)
REDUCE = st.tuples(st.sampled_from(["reduce", "cancel"]), st.integers(0, 200), st.integers(1, 9))


class Recorder:
    """Settles everything and writes it down as the naive book does; looks at the book meanwhile."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.steps: list[NaiveStep] = []

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        assert self.book.best(maker.side) is maker
        check_totals(self.book)
        self.steps.append(NaiveStep(maker.order_id, price, size))
        return size

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        assert reason is CancelReason.SELF_TRADE
        assert not maker.resting
        check_totals(self.book)
        self.steps.append(NaiveStep(maker.order_id, maker.price, 0))


def check_totals(book: Book) -> None:
    for side in Side:
        orders = list(book.orders(side))
        for price, size, count in book.levels(side):
            here = [order.remaining for order in orders if order.price == price]
            assert (size, count) == (sum(here), len(here))
            assert book.size_at(side, price) == size
    assert len(book) == sum(1 for side in Side for _ in book.orders(side))


def check_same(book: Book, naive: NaiveBook) -> None:
    for side in Side:
        expected = naive.orders(side)
        assert [(order.order_id, order.remaining) for order in book.orders(side)] == [
            (order.order_id, order.remaining) for order in expected
        ]
        assert book.levels(side) == naive.levels(side)
        assert book.best_price(side) == (expected[0].price if expected else None)
    assert len(book) == len(naive.resting)


class Twins:
    """The same tape driven through both books, compared after each step."""

    def __init__(self) -> None:
        self.book, self.naive = Book(), NaiveBook()
        self.orders: list[Order] = []

    def place(self, kind: str, side: Side, price: int, size: int, account: int) -> None:
        order_id = len(self.orders) + 1
        order = Order(
            OrderId(order_id),
            ClientOrderId(0),
            Address(bytes([account]) * 20),
            MarketId(1),
            side,
            Ticks(price),
            Lots(size),
        )
        self.orders.append(order)
        recorder = Recorder(self.book)
        stop = cross(self.book, order, FILL_LIMIT, recorder)
        naive = NaiveOrder(order_id, order.account, side, price, size)
        assert recorder.steps == self.naive.place(naive, FILL_LIMIT, rests=kind == "limit")
        assert naive.remaining == order.remaining
        meets_more = bool(self.naive.crossing(naive))
        assert crosses(self.book, order) == meets_more
        if order.remaining:
            assert stop is (Stop.FILL_LIMIT if meets_more else Stop.NO_CROSS)
        else:
            assert stop is Stop.FILLED
        if stop is Stop.NO_CROSS and kind == "limit":
            self.book.add(order)

    def reduce(self, kind: str, place: int, size: int) -> None:
        if not self.orders:
            return
        order = self.orders[place % len(self.orders)]
        if not order.resting:
            return
        if kind == "cancel":
            self.naive.take_off(order.order_id, order.remaining)
            self.book.remove(order)
            return
        size = min(size, order.remaining)
        self.naive.take_off(order.order_id, size)
        self.book.reduce(order, Lots(size))


# Short tapes cannot empty one level of several; hypothesis prefers them unless it is told.
@settings(max_examples=150)
@given(st.lists(PLACE | REDUCE, min_size=40, max_size=80))
# Sell 1, sell 2, buy 2, cancel the partly filled maker, buy 1: nothing may be left to buy.
@example(
    [
        ("limit", SELL, 100, 1, 1),
        ("limit", SELL, 100, 2, 2),
        ("limit", BUY, 100, 2, 3),
        ("cancel", 1, 1),
        ("limit", BUY, 100, 1, 4),
    ]
)
# Two orders share price and timestamp: the first to arrive is the first to trade.
@example(
    [("limit", SELL, 100, 1, 1), ("limit", SELL, 100, 1, 2), ("ioc", BUY, 100, 1, 3)],
)
# A filled order is cancelled: nothing happens.
@example(
    [("limit", SELL, 100, 1, 1), ("limit", BUY, 100, 1, 2), ("cancel", 0, 1), ("cancel", 1, 1)]
)
def test_book_equals_naive_book(tape: list[Placed | Reduced]) -> None:
    twins = Twins()
    for step in tape:
        if len(step) == 5:
            twins.place(*step)
        else:
            twins.reduce(*step)
        check_same(twins.book, twins.naive)
