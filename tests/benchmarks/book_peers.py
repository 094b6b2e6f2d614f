"""Other order books, each driven in the quickest way that it offers.

They are no dependencies of the project; where one is not installed, making its engine raises
``ImportError``. Each is played a whole tape in one call, with what it needs held in local names.
"""

# ruff: noqa: PLC0415 - an engine that is not installed must not keep the others from running.

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

    def play(self, tape: list[Step]) -> None:
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

    def play(self, tape: list[Step]) -> None:
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

    def play(self, tape: list[Step]) -> None:
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
