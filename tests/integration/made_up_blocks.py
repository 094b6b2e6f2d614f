"""Blocks as fast as they can be made: a real book under random orders, without margin or signers.

The publisher sees what it would see of an exchange: accepted orders, fills, rests and cancels.
"""

from collections.abc import Sequence as Seq
from random import Random

from node.matching.book import Book, Order
from node.matching.match import cross
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Command, Deposit, NewOrder, OrderType, PlaceOrders, Side
from node.types.durable import DurableBlock
from node.types.events import (
    CancelReason,
    Deposited,
    Event,
    Filled,
    OrderAccepted,
    OrderCancelled,
    OrderRested,
)
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.units import Lots, Millis, Money, Ticks

ACCOUNTS = tuple(Address(bytes([7]) * 19 + bytes([number])) for number in range(6))
NOTHING = ClientOrderId(0)


class _Notes:
    """The judge of a crossing: lets everything happen, and notes it."""

    def __init__(self, taker: Order) -> None:
        self.taker = taker
        self.events: list[Event] = []

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        left = Lots(maker.remaining - size)
        self.events.append(
            Filled(
                maker.market, price, size, maker.order_id, self.taker.order_id, maker.account,
                self.taker.account, self.taker.side, left, Money(0), Money(0),
            )
        )  # fmt: skip
        return size

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        self.events.append(_cancelled(maker, reason))

    def shrinks(self, maker: Order, left: int) -> None:
        """Fail: nobody asks here that two orders of one account lose size."""
        raise AssertionError((maker, left))


def _cancelled(order: Order, reason: CancelReason) -> OrderCancelled:
    return OrderCancelled(
        order.order_id, NOTHING, order.account, order.market, order.side, order.price,
        order.remaining, reason, resting=True,
    )  # fmt: skip


def _deposit(index: int, account: Address) -> tuple[Command, list[Event]]:
    amount = Money(10**12)
    return Deposit(index, account, amount), [Deposited(index, account, amount)]


class MadeUpBlocks:
    """Draws blocks of a few commands over ``markets`` markets."""

    def __init__(
        self, seed: int, markets: int, depth: int = 60, accounts: Seq[Address] = ACCOUNTS
    ) -> None:
        """``depth`` is about how many orders each book holds; ``accounts`` place them."""
        self._accounts = accounts
        self.books = [Book() for _ in range(markets)]
        self._random = Random(seed)
        self._depth = depth
        self._resting: list[dict[OrderId, Order]] = [{} for _ in range(markets)]
        self._number = 0
        self._sequence = 0
        self._orders = 0
        self._time = 1_700_000_000_000

    def draw(self, commands: int) -> DurableBlock:
        """Return the next block, of so many commands; the first opens the accounts as well."""
        drawn = [self._command() for _ in range(commands)]
        if not self._number:
            # Accounts are opened by a deposit.
            drawn = [*(_deposit(*opened) for opened in enumerate(self._accounts)), *drawn]
        commands = len(drawn)
        self._number += 1
        self._time += 50
        first, self._sequence = self._sequence + 1, self._sequence + commands
        block = Block(
            number=self._number,
            time=Millis(self._time),
            first_sequence=Sequence(first),
            commands=tuple(command for command, _ in drawn),
            ids=(bytes(32),) * commands,
            parent=GENESIS_PARENT,
            hash=bytes(32),
            signature=bytes(65),
            changes=bytes(32),
        )
        events = tuple(tuple(happened) for _, happened in drawn)
        return DurableBlock(block, events, (bytes(32),) * (commands + 1), {})

    def _command(self) -> tuple[Command, list[Event]]:
        market = self._random.randrange(len(self.books))
        account = self._random.choice(self._accounts)
        events: list[Event] = []
        resting = self._resting[market]
        if len(resting) > self._depth:
            order = resting.pop(self._random.choice(tuple(resting)))
            self.books[market].remove(order)
            events.append(_cancelled(order, CancelReason.BY_ACCOUNT))
        new = self._place(market, account, events)
        head = (account, account, self._sequence + 1, Millis(0), b"")
        return PlaceOrders(*head, (), (new,), Money(0)), events

    def _place(self, market: int, account: Address, events: list[Event]) -> NewOrder:
        side = self._random.choice((Side.BUY, Side.SELL))
        price = Ticks(500_000 + 10 * int(self._random.gauss(-8 if side is Side.BUY else 8, 8)))
        size = Lots(self._random.randrange(1, 50) * 10)
        self._orders += 1
        number, market_id = OrderId(self._orders), MarketId(market + 1)
        order = Order(number, number, NOTHING, account, market_id, side, price, size, size)
        events.append(OrderAccepted(0, number, NOTHING, account, market_id, side, price, size))
        notes = _Notes(order)
        cross(self.books[market], order, 100, notes)
        events += notes.events
        for event in notes.events:
            if isinstance(event, OrderCancelled):
                del self._resting[market][event.order_id]
            elif isinstance(event, Filled) and not event.maker_remaining:
                del self._resting[market][event.maker_order]
        if order.remaining:
            self.books[market].add(order)
            self._resting[market][number] = order
            events.append(OrderRested(number, account, market_id, side, price, order.remaining))
        return NewOrder(market_id, side, OrderType.GTC, price, size)
