"""The order book that anyone can check by reading it: one list, sorted whenever it is asked."""

from dataclasses import dataclass

from node.types.commands import Side


@dataclass
class NaiveOrder:
    """One order; ``order_id`` is its time."""

    order_id: int
    account: bytes
    side: Side
    price: int
    remaining: int


@dataclass(frozen=True)
class NaiveStep:
    """A fill (``size`` lots at the maker's price), or a self-trade's maker gone (``size`` 0)."""

    maker: int
    price: int
    size: int


class NaiveBook:
    """Price-time priority by definition: sort, then take the first."""

    def __init__(self) -> None:
        self.resting: list[NaiveOrder] = []

    def orders(self, side: Side) -> list[NaiveOrder]:
        """Return the orders of ``side``, best price first, older first."""
        sign = -1 if side is Side.BUY else 1
        mine = [order for order in self.resting if order.side is side]
        return sorted(mine, key=lambda order: (sign * order.price, order.order_id))

    def levels(self, side: Side) -> list[tuple[int, int, int]]:
        """Return (price, total size, order count) of each price of ``side``, best first."""
        mine = self.orders(side)
        prices = dict.fromkeys(order.price for order in mine)
        return [
            (
                price,
                sum(order.remaining for order in mine if order.price == price),
                sum(order.price == price for order in mine),
            )
            for price in prices
        ]

    def place(self, taker: NaiveOrder, max_fills: int, *, rests: bool) -> list[NaiveStep]:
        """Match ``taker``; what is left of it rests if it may and if nothing more crosses it."""
        steps: list[NaiveStep] = []
        while taker.remaining and (makers := self.crossing(taker)) and len(steps) < max_fills:
            maker = makers[0]
            if maker.account == taker.account:
                self.resting.remove(maker)
                steps.append(NaiveStep(maker.order_id, maker.price, 0))
                continue
            size = min(maker.remaining, taker.remaining)
            maker.remaining -= size
            taker.remaining -= size
            steps.append(NaiveStep(maker.order_id, maker.price, size))
            if not maker.remaining:
                self.resting.remove(maker)
        if rests and taker.remaining and not self.crossing(taker):
            self.resting.append(taker)
        return steps

    def crossing(self, taker: NaiveOrder) -> list[NaiveOrder]:
        """Return the orders that ``taker`` would meet at its price, in priority."""
        return [
            maker
            for maker in self.orders(taker.side.opposite)
            if (
                maker.price <= taker.price if taker.side is Side.BUY else maker.price >= taker.price
            )
        ]

    def take_off(self, order_id: int, size: int) -> None:
        """Reduce one order by ``size`` lots; it goes when nothing is left."""
        order = next(order for order in self.resting if order.order_id == order_id)
        order.remaining -= size
        if not order.remaining:
            self.resting.remove(order)
