"""The book is the naive book, whatever happens to it."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.matching.book import Book, Order
from node.matching.match import Stop, cross, crosses
from node.types.commands import SelfTrade, Side
from node.types.events import CancelReason
from node.types.ids import Address, ClientOrderId, MarketId, OrderId
from node.types.units import Lots, Millis, Ticks
from tests.property.naive_book import NaiveBook, NaiveOrder, NaiveStep, What

BUY, SELL = Side.BUY, Side.SELL
FILL_LIMIT = 3
CANCEL_MAKER = SelfTrade.CANCEL_MAKER

Placed = tuple[str, Side, int, int, int, SelfTrade, int]
"""("limit" or "ioc", side, price, size, account, mode, lifetime in steps; 0: for ever)."""
Changed = tuple[str, int, int]
"""("reduce", "cancel" or "move", place among all orders so far, counted round, size or price)."""

PLACE = st.tuples(
    st.sampled_from(["limit", "limit", "limit", "ioc"]),
    st.sampled_from([BUY, SELL]),
    st.integers(97, 103),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(SelfTrade),
    st.sampled_from([0, 0, 0, 1, 5, 20]),
)
CHANGE = st.tuples(
    st.sampled_from(["reduce", "cancel"]), st.integers(0, 200), st.integers(1, 9)
) | st.tuples(st.just("move"), st.integers(0, 200), st.integers(97, 103))


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
        assert not maker.resting
        check_totals(self.book)
        what = WHAT[reason]
        self.steps.append(NaiveStep(maker.order_id, maker.price, maker.remaining, what))

    def shrinks(self, maker: Order, left: int) -> None:
        assert self.book.best(maker.side) is maker
        check_totals(self.book)
        lost = maker.remaining - left
        self.steps.append(NaiveStep(maker.order_id, maker.price, lost, What.OWN_SMALLER))


WHAT = {CancelReason.SELF_TRADE: What.OWN_GONE, CancelReason.EXPIRED: What.DEAD}


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
        self.now = self.ranks = 0

    def place(
        self, kind: str, side: Side, price: int, size: int, account: int, mode: SelfTrade, life: int
    ) -> None:
        good_till = self.now + life if life else 0
        order = Order(
            OrderId(len(self.orders) + 1),
            len(self.orders) + 1,
            ClientOrderId(0),
            Address(bytes([account]) * 20),
            MarketId(1),
            side,
            Ticks(price),
            Lots(size),
            Lots(size),
            self_trade=mode,
            good_till=Millis(good_till),
        )
        self.orders.append(order)
        self._arrive(order, rests=kind == "limit")

    def move(self, order: Order, price: int) -> None:
        """Let an order leave its place and arrive at another price, as an amend does."""
        self.naive.take_off(order.order_id, order.remaining)
        self.book.remove(order)
        order.price = Ticks(price)
        self._arrive(order, rests=True)

    def _arrive(self, order: Order, *, rests: bool) -> None:
        self.ranks += 1
        order.rank = self.ranks
        naive = NaiveOrder(
            order.order_id, order.account, order.side, order.price, order.remaining,
            order.self_trade, order.good_till, rank=self.ranks,
        )  # fmt: skip
        recorder = Recorder(self.book)
        stop = cross(self.book, order, FILL_LIMIT, recorder, self.now)
        steps, out = self.naive.place(naive, FILL_LIMIT, rests=rests, now=self.now)
        assert recorder.steps == steps
        assert naive.remaining == order.remaining
        meets_more = bool(self.naive.crossing(naive))
        assert crosses(self.book, order) == meets_more
        if out:
            assert stop is Stop.SELF_TRADE
        elif order.remaining:
            assert stop is (Stop.FILL_LIMIT if meets_more else Stop.NO_CROSS)
        else:
            assert stop is Stop.FILLED
        if stop is Stop.NO_CROSS and rests:
            self.book.add(order)

    def change(self, kind: str, place: int, size: int) -> None:
        if not self.orders:
            return
        order = self.orders[place % len(self.orders)]
        if not order.resting:
            return
        if kind == "move":
            self.move(order, size)
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
@given(st.lists(PLACE | CHANGE, min_size=40, max_size=80))
# Sell 1, sell 2, buy 2, cancel the partly filled maker, buy 1: nothing may be left to buy.
@example(
    [
        ("limit", SELL, 100, 1, 1, CANCEL_MAKER, 0),
        ("limit", SELL, 100, 2, 2, CANCEL_MAKER, 0),
        ("limit", BUY, 100, 2, 3, CANCEL_MAKER, 0),
        ("cancel", 1, 1),
        ("limit", BUY, 100, 1, 4, CANCEL_MAKER, 0),
    ]
)
# Two orders share price and timestamp: the first to arrive is the first to trade.
@example(
    [
        ("limit", SELL, 100, 1, 1, CANCEL_MAKER, 0),
        ("limit", SELL, 100, 1, 2, CANCEL_MAKER, 0),
        ("ioc", BUY, 100, 1, 3, CANCEL_MAKER, 0),
    ],
)
# A filled order is cancelled: nothing happens.
@example(
    [
        ("limit", SELL, 100, 1, 1, CANCEL_MAKER, 0),
        ("limit", BUY, 100, 1, 2, CANCEL_MAKER, 0),
        ("cancel", 0, 1),
        ("cancel", 1, 1),
    ]
)
def test_book_equals_naive_book(tape: list[Placed | Changed]) -> None:
    twins = Twins()
    for step in tape:
        twins.now += 1
        if len(step) == 3:
            twins.change(*step)
        else:
            twins.place(*step)
        check_same(twins.book, twins.naive)
