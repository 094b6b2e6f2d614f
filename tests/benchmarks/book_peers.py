"""Other order books, each driven in the quickest way that it offers.

They are no dependencies of the project; where one is not installed, making its engine raises
``ImportError``. Each is played a whole tape in one call, with what it needs held in local names.
"""

# ruff: noqa: PLC0415 - an engine that is not installed must not keep the others from running.

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any
from uuid import UUID

from tests.benchmarks.book_tape import Step


class Pylobo:
    """pylobo: a book written in Rust. It gives out UUIDs as ids and reports fills on request."""

    def __init__(self) -> None:
        from lobo import Book, Reports
        from lobo.orders import LimitOrder, Side

        self.book = Book("benchmark", update_user_map=False, update_hidden=False)
        self.reports = Reports(include_fills=True)
        self.order: Any = LimitOrder
        self.sides = (Side.Buy, Side.Sell)
        self.answers: list[Any] = []

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        fill, cancel, order = self.book.fill, self.book.cancel, self.order
        reports, sides, answers = self.reports, self.sides, self.answers
        trader = UUID(int=1)
        ids: dict[int, UUID] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number))
                continue
            number, side, price, size, _ = step
            answer = fill(order(price, size, trader, sides[side]), reports)
            answers.append(answer)
            rest = answer.remaining_order_id
            if rest is not None:
                ids[number] = rest

    def volume(self) -> int:
        """Return the lots traded."""
        reports = [answer.report for answer in self.answers]
        return sum(
            fill.fill_quantity for report in reports for fill in (report and report.fills) or ()
        )


class CythonOrderbook:
    """cython-orderbook: sortedcontainers and OrderedDict, compiled. It logs its trades."""

    def __init__(self) -> None:
        from cython_orderbook import Order, OrderBook, OrderSide

        self.book = OrderBook()
        self.order: Any = Order
        self.sides = (OrderSide.BID, OrderSide.ASK)

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        place, cancel, make = self.book.add_limit_order, self.book.cancel_order, self.order
        sides = self.sides
        ids: dict[int, str] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number))
                continue
            number, side, price, size, _ = step
            order = make(sides[side], size, price)
            place(order)
            ids[number] = order.order_id

    def volume(self) -> int:
        """Return the lots traded."""
        return int(sum(trade.quantity_filled for trade in self.book.trade_log))


class LightMatchingEngine:
    """lightmatchingengine: plain Python dicts and lists. It returns its trades."""

    def __init__(self) -> None:
        from lightmatchingengine import lightmatchingengine

        self.engine = lightmatchingengine.LightMatchingEngine()
        self.trades: list[Any] = []

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        place, cancel, trades = self.engine.add_order, self.engine.cancel_order, self.trades
        ids: dict[int, int] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number), "BTC")
                continue
            number, side, price, size, _ = step
            order, filled = place("BTC", price, size, side + 1)
            ids[number] = order.order_id
            trades += filled

    def volume(self) -> int:
        """Return the lots traded; each trade is told once for either party."""
        return int(sum(trade.trade_qty for trade in self.trades)) // 2


class AkhilOrderbook:
    """akhil4n-orderbook: sortedcontainers and OrderedDict in plain Python. It logs its trades."""

    def __init__(self) -> None:
        import orderbook

        self.book = orderbook.OrderBook()
        self.order: Any = orderbook.Order
        self.sides = (orderbook.OrderSide.BID, orderbook.OrderSide.ASK)

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        place, cancel, make = self.book.add_limit_order, self.book.cancel_order, self.order
        sides = self.sides
        ids: dict[int, str] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number))
                continue
            number, side, price, size, _ = step
            order = make(sides[side], price, size)
            place(order)
            ids[number] = order.order_id

    def volume(self) -> int:
        """Return the lots traded."""
        return int(sum(trade.quantity_filled for trade in self.book.trade_log))


class Bourse:
    """bourse: a simulator's book written in Rust. It numbers its orders and logs its trades.

    Two orders of one price and one time are one to it, and the first of them is lost; so its clock
    is moved before each order. Without that it trades the wrong volume (``BourseAtOneTime``).
    """

    def __init__(self) -> None:
        from bourse.core import OrderBook

        self.book = OrderBook(0, 1)

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        place, cancel, set_time = self.book.place_order, self.book.cancel_order, self.book.set_time
        ids: dict[int, int] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number))
                continue
            number, side, price, size, _ = step
            set_time(number)
            ids[number] = place(not side, size, number, price)

    def volume(self) -> int:
        """Return the lots traded."""
        return int(sum(trade[3] for trade in self.book.get_trades()))


class BourseAtOneTime(Bourse):
    """bourse as its own example uses it: no clock is moved, so orders share their time."""

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        place, cancel = self.book.place_order, self.book.cancel_order
        ids: dict[int, int] = {}
        for step in tape:
            if len(step) == 1:
                cancel(ids.pop(step.number))
                continue
            number, side, price, size, _ = step
            ids[number] = place(not side, size, number, price)


class OrderMatching:
    """order-matching: dataclasses in sorted lists. It places, then matches, and returns trades.

    Every order of the tape has a time of its own, as its queue is sorted by time.
    """

    def __init__(self) -> None:
        from loguru import logger
        from order_matching.enums import Side
        from order_matching.matching_engine import MatchingEngine
        from order_matching.order import LimitOrder
        from order_matching.orders import Orders

        # Else every order is written to the terminal, which is what would be measured.
        logger.disable("order_matching")
        self.engine = MatchingEngine(seed=1)
        self.order: Any = LimitOrder
        self.orders: Any = Orders
        self.sides = (Side.BUY, Side.SELL)
        self.trades: list[Any] = []

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        engine, make, orders, sides = self.engine, self.order, self.orders, self.sides
        start, step_of_time = datetime(2026, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
        never = datetime.max.replace(tzinfo=UTC)
        for step in tape:
            if len(step) == 1:
                engine.cancel_order(str(step.number))
                continue
            number, side, price, size, _ = step
            now = start + number * step_of_time
            order = make(
                side=sides[side],
                price=price,
                size=size,
                timestamp=now,
                order_id=str(number),
                trader_id=str(number),
                expiration=never,
            )
            engine.place(orders([order]))
            self.trades += engine.match(timestamp=now).trades

    def volume(self) -> int:
        """Return the lots traded."""
        return int(sum(trade.size for trade in self.trades))


class BareBook:
    """A dict of queues by price and a heap of prices: what a book costs that does nothing else.

    No events, no accounts, no self-trades; cancelled orders stay in their queue until met.
    """

    def __init__(self) -> None:
        self.queues: tuple[dict[int, deque[list[int]]], ...] = ({}, {})
        self.heaps: tuple[list[int], list[int]] = ([], [])
        self.traded = 0

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape. Prices of bids are negated, so that the least is the best."""
        orders: dict[int, list[int]] = {}
        for step in tape:
            if len(step) == 1:
                orders.pop(step.number)[0] = 0
                continue
            number, side, price, size, _ = step
            key, against = (price, -price) if side else (-price, price)
            left = self._take(1 - side, against, size)
            if not left:
                continue
            order = orders[number] = [left]
            queue = self.queues[side].get(key)
            if queue is None:
                queue = self.queues[side][key] = deque()
                heappush(self.heaps[side], key)
            queue.append(order)

    def _take(self, side: int, limit: int, size: int) -> int:
        """Take up to ``size`` lots whose key is at most ``limit``; return what is left."""
        heap, queues = self.heaps[side], self.queues[side]
        while heap and heap[0] <= limit:
            queue = queues[heap[0]]
            while queue:
                maker = queue[0]
                filled = maker[0] if maker[0] < size else size
                maker[0] -= filled
                size -= filled
                self.traded += filled
                if maker[0]:
                    return 0
                queue.popleft()
            del queues[heappop(heap)]
        return size

    def volume(self) -> int:
        """Return the lots traded."""
        return self.traded
