"""The engine alone: a tape played into a book, without network, accounts or margin.

What the tape's own venue did is known for the recorded formats, so this is also the oracle test of
matching: the same commands have to give the same fills.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from time import perf_counter
from typing import Final

import msgspec

from node.matching.book import Book, Order
from node.matching.match import cross, crosses
from node.simulation.tape.event import TapeEvent, TapeOp
from node.types.commands import OrderType, Side
from node.types.events import CancelReason
from node.types.ids import NO_CLIENT_ID, MarketId, OrderId
from node.types.units import Lots, Ticks

CHUNK_EVENTS: Final = 10_000
NO_LIMIT: Final = sys.maxsize
MARKET: Final = MarketId(1)
HIGHEST_PRICE: Final = Ticks(2**63)
LOWEST_PRICE: Final = Ticks(0)
RESTING_TYPES: Final = (OrderType.GTC, OrderType.POST_ONLY)

_NEW, _REDUCE, _CANCEL = TapeOp.NEW, TapeOp.REDUCE, TapeOp.CANCEL
_GTC, _FOK, _POST_ONLY = OrderType.GTC, OrderType.FOK, OrderType.POST_ONLY


class Fill(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """``size`` lots at ``price`` between a resting order and an arriving one."""

    maker_id: OrderId
    taker_id: OrderId
    price: Ticks
    size: Lots


class TapeResult(msgspec.Struct, frozen=True):
    """What a tape did; sizes in lots of the tape.

    ``unknown_references``: reduces and cancels of orders that do not rest; outcomes and executions
    of orders that never were. ``refused``: post-only orders that would have taken, fill-or-kill
    orders that could not be filled, orders with the id of one that rests. ``executions`` counts the
    executions that the file itself tells of, ``executions_reproduced`` those that came out with the
    same resting order, price and size. ``seconds`` is time in the engine, reading excluded.
    """

    operations: int
    fills: tuple[Fill, ...]
    volume: Lots
    resting_orders: int
    unknown_references: int
    refused: int
    self_trades: int
    executions: int
    executions_reproduced: int
    seconds: float

    @property
    def ops_per_s(self) -> float:
        """Return operations per second of engine time."""
        return self.operations / self.seconds if self.seconds else 0.0


class FillNotes:
    """A judge that settles every fill and writes it down."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.taker_id = OrderId(0)
        self.self_trades = 0

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        """Settle all of it."""
        self.fills.append(Fill(maker.order_id, self.taker_id, price, size))
        return size

    def dropped(self, maker: Order, reason: CancelReason) -> None:  # noqa: ARG002 - Judge's form
        """Count the maker; nothing but self-trades drops one here."""
        self.self_trades += 1

    def shrinks(self, maker: Order, left: int) -> None:
        """Fail: no order of a tape asks for it."""
        raise AssertionError((maker, left))


class TapeEngine:
    """One book, the orders that a tape has named so far, and counts of what happened.

    Every order of the tape is remembered, so memory grows with the tape: an outcome that comes
    after our own fill of an order must not be taken for one of an unknown order.
    """

    def __init__(self) -> None:
        self.book = Book()
        self.orders: dict[OrderId, Order] = {}
        self.notes = FillNotes()
        self.operations = 0
        self.unknown_references = 0
        self.refused = 0
        self.executions = 0
        self.executions_reproduced = 0

    def play(self, event: TapeEvent) -> None:
        """Apply one event."""
        self.operations += 1
        op = event.op
        if op is _NEW:
            if event.maker:
                self._execute(event)
            else:
                self._place(event)
            return
        order = self.orders.get(event.id)
        if op is _CANCEL or op is _REDUCE:
            if order is None or not order.resting:
                self.unknown_references += 1
            elif op is _CANCEL:
                self.book.remove(order)
            else:
                self.book.reduce(order, min(event.size, order.remaining))
        elif order is None:
            self.unknown_references += 1
        elif order.resting and order.remaining > event.size:
            self.book.reduce(order, Lots(order.remaining - event.size))

    def result(self, seconds: float) -> TapeResult:
        """Return the counts so far."""
        fills = tuple(self.notes.fills)
        return TapeResult(
            operations=self.operations,
            fills=fills,
            volume=Lots(sum(fill.size for fill in fills)),
            resting_orders=len(self.book),
            unknown_references=self.unknown_references,
            refused=self.refused,
            self_trades=self.notes.self_trades,
            executions=self.executions,
            executions_reproduced=self.executions_reproduced,
            seconds=seconds,
        )

    def _place(self, event: TapeEvent) -> None:
        order = _order(event)
        kind = event.type
        if self._rests(order.order_id):
            self.refused += 1
            return
        self.orders[order.order_id] = order
        if kind is not _GTC and self._refuses(order, kind):
            self.refused += 1
            return
        self.notes.taker_id = order.order_id
        cross(self.book, order, NO_LIMIT, self.notes)
        if order.remaining and kind in RESTING_TYPES:
            self.book.add(order)

    def _execute(self, event: TapeEvent) -> None:
        """Play an execution of a named maker.

        Where the maker is not the first in turn, the file knows a priority that its rows do not
        tell. Then the outcome is taken over as it is, so that one such row does not spoil the next.
        """
        self.executions += 1
        maker = self.orders.get(event.maker)
        if maker is None:
            self.unknown_references += 1
        elif self.book.best(event.side.opposite) is maker:
            before = len(self.notes.fills)
            self._place(event)
            expected = Fill(event.maker, event.id, event.price, event.size)
            self.executions_reproduced += self.notes.fills[before:] == [expected]
        elif maker.resting:
            self.book.reduce(maker, min(event.size, maker.remaining))

    def _rests(self, order_id: OrderId) -> bool:
        earlier = self.orders.get(order_id)
        return earlier is not None and earlier.resting

    def _refuses(self, order: Order, kind: OrderType) -> bool:
        if kind is _POST_ONLY:
            return crosses(self.book, order)
        return kind is _FOK and self._takeable(order) < order.remaining

    def _takeable(self, taker: Order) -> int:
        """Return how many lots ``taker`` could take from others at its price."""
        total = 0
        for maker in self.book.orders(taker.side.opposite):
            beyond = (
                maker.price > taker.price if taker.side is Side.BUY else maker.price < taker.price
            )
            if beyond or total >= taker.remaining:
                break
            total += maker.remaining if maker.account != taker.account else 0
        return total


def run_tape(
    events: Iterable[TapeEvent], progress: Callable[[int], None] | None = None
) -> TapeResult:
    """Play ``events`` from an empty book; ``progress`` hears the count now and then.

    Raises what reading the events raises.
    """
    engine, seconds = TapeEngine(), 0.0
    for chunk in _chunks(events):
        started = perf_counter()
        for event in chunk:
            engine.play(event)
        seconds += perf_counter() - started
        if progress is not None:
            progress(engine.operations)
    return engine.result(seconds)


def _chunks(events: Iterable[TapeEvent]) -> Iterator[list[TapeEvent]]:
    source = iter(events)
    while chunk := list(islice(source, CHUNK_EVENTS)):
        yield chunk


def _order(event: TapeEvent) -> Order:
    price = event.price
    if event.type is OrderType.MARKET and not price:
        price = HIGHEST_PRICE if event.side is Side.BUY else LOWEST_PRICE
    number, size = event.id, event.size
    return Order(number, number, NO_CLIENT_ID, event.account, MARKET, event.side, price, size, size)
