"""The tapes that order books are measured on: one drawn from a seed, one recorded."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from node.matching.book import Book, Order
from node.matching.match import cross
from node.simulation.tape.engine import Fill
from node.simulation.tape.event import TapeEvent, TapeOp
from node.simulation.tape.formats.lobster import read_lobster
from node.types.commands import Side
from node.types.events import CancelReason
from node.types.ids import NO_CLIENT_ID, Address, MarketId, OrderId
from node.types.units import Lots, Ticks

MARKET: Final = MarketId(1)
MAX_FILLS: Final = 100

MIDDLE: Final = 10_000
DEPTH_TICKS: Final = 50
WARM_ORDERS: Final = 2_000
CANCEL_SHARE: Final = 0.35
TAKER_SHARE: Final = 0.15


class Limit(NamedTuple):
    """Place a limit order; ``number`` counts the orders of the tape from 1."""

    number: OrderId
    side: Side
    price: Ticks
    size: Lots
    account: Address


class Cancel(NamedTuple):
    """Cancel order ``number``, which rests."""

    number: OrderId


Step = Limit | Cancel


class Plimsoll:
    """Our book, used as the exchange uses it: a judge notes each fill and forgets filled orders."""

    def __init__(self) -> None:
        self.book = Book()
        self.orders: dict[OrderId, Order] = {}
        self.fills: list[Fill] = []
        self.taker_id = OrderId(0)

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        """Note the fill."""
        maker_id = maker.order_id
        self.fills.append(Fill(maker_id, self.taker_id, price, size))
        if size == maker.remaining:
            del self.orders[maker_id]
        return size

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        """Fail: every order of the tape is an account of its own."""
        raise AssertionError((maker, reason))

    def shrinks(self, maker: Order, left: int) -> None:
        """Fail likewise."""
        raise AssertionError((maker, left))

    def play(self, tape: Iterable[Step]) -> None:
        """Apply the whole tape."""
        book, orders = self.book, self.orders
        for step in tape:
            if len(step) == 1:
                book.remove(orders.pop(step.number))
                continue
            number, side, price, size, account = step
            order = Order(number, number, NO_CLIENT_ID, account, MARKET, side, price, size, size)
            self.taker_id = number
            cross(book, order, MAX_FILLS, self)
            if order.remaining:
                book.add(order)
                orders[number] = order

    def volume(self) -> int:
        """Return the lots traded."""
        return sum(fill.size for fill in self.fills)


class TapeDraw:
    """Draws a tape and plays it at once, so that it knows what rests and what can be taken."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.shadow = Plimsoll()
        self.steps: list[Step] = []
        self.cancellable: list[OrderId] = []
        self.orders = 0

    def rest(self) -> None:
        """Place an order near the middle, as most are: bids below it, asks at it or above."""
        side = self.random.choice((Side.BUY, Side.SELL))
        away = min(int(self.random.expovariate(0.15)), DEPTH_TICKS)
        price = MIDDLE + away if side is Side.SELL else MIDDLE - 1 - away
        self.place(side, price, self.random.randint(1, 100))
        self.cancellable.append(OrderId(self.orders))

    def cancel(self) -> None:
        """Cancel any order that rests."""
        while True:
            place = self.random.randrange(len(self.cancellable))
            number = self.cancellable[place]
            self.cancellable[place] = self.cancellable[-1]
            self.cancellable.pop()
            if number in self.shadow.orders:
                break
        self.play(Cancel(number))

    def take(self) -> None:
        """Take from one order or a few; never more than there is, so that no rest is left over."""
        side = self.random.choice((Side.BUY, Side.SELL))
        price = MIDDLE + 20 if side is Side.BUY else MIDDLE - 21
        offered = sum(size for _, size, _ in self.shadow.book.levels(side.opposite, 10))
        self.place(side, price, min(self.random.randint(1, 80), max(1, offered // 2)))

    def place(self, side: Side, price: int, size: int) -> None:
        """Append a limit order to the tape."""
        self.orders += 1
        account = Address(self.orders.to_bytes(20, "big"))
        self.play(Limit(OrderId(self.orders), side, Ticks(price), Lots(size), account))

    def play(self, step: Step) -> None:
        """Append one step to the tape."""
        self.steps.append(step)
        self.shadow.play([step])


def mixed_tape(seed: int, operations: int, warm_orders: int = WARM_ORDERS) -> list[Step]:
    """Return a tape of ``operations`` steps after ``warm_orders`` that rest."""
    draw = TapeDraw(seed)
    for _ in range(warm_orders):
        draw.rest()
    for _ in range(operations):
        chance = draw.random.random()
        if chance < CANCEL_SHARE:
            draw.cancel()
        elif chance < CANCEL_SHARE + TAKER_SHARE:
            draw.take()
        else:
            draw.rest()
    return draw.steps


class RecordedTape:
    """Turns the rows of a recorded hour into places, cancels and takers, playing them at once.

    What has no order in the book is left out, and a taker asks for no more than there is, so that
    none of it rests. Few engines can make an order smaller in its place, so here a partial cancel
    is what they know instead: a cancel, and the rest as a new order.
    """

    def __init__(self) -> None:
        self.shadow = Plimsoll()
        self.steps: list[Step] = []
        self.orders = 0
        self.numbers: dict[int, OrderId] = {}

    def read(self, event: TapeEvent) -> None:
        """Append what ``event`` comes to."""
        if event.op is TapeOp.NEW and event.maker:
            self._take(event)
        elif event.op is TapeOp.NEW:
            self._place(event.id, event.side, event.price, event.size)
        else:
            self._shrink(event)

    def _place(self, name: int, side: Side, price: Ticks, size: Lots) -> None:
        self.orders += 1
        number = self.numbers[name] = OrderId(self.orders)
        account = Address(self.orders.to_bytes(20, "big"))
        self._play(Limit(number, side, price, size, account))

    def _take(self, event: TapeEvent) -> None:
        offered = 0
        for price, size, _ in self.shadow.book.levels(event.side.opposite):
            beyond = price > event.price if event.side is Side.BUY else price < event.price
            if beyond or offered >= event.size:
                break
            offered += size
        if offered:
            size = Lots(min(offered, event.size))
            self._place(-event.line, event.side, event.price, size)

    def _shrink(self, event: TapeEvent) -> None:
        order = self.shadow.orders.get(self.numbers.get(event.id, OrderId(0)))
        if order is None:
            return
        left = order.remaining - event.size if event.op is TapeOp.REDUCE else 0
        self._play(Cancel(order.order_id))
        if left > 0:
            self._place(event.id, order.side, order.price, Lots(left))

    def _play(self, step: Step) -> None:
        self.steps.append(step)
        self.shadow.play([step])


def recorded_tape(file: Path) -> list[Step]:
    """Return a LOBSTER message file as steps."""
    tape = RecordedTape()
    for event in read_lobster(file).events:
        tape.read(event)
    return tape.steps


def volume_of(steps: list[Step]) -> int:
    """Return the lots that trade on ``steps``."""
    book = Plimsoll()
    book.play(steps)
    return book.volume()
