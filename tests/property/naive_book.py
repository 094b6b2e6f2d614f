"""The order book that anyone can check by reading it: one list, sorted whenever it is asked."""

from dataclasses import dataclass, field
from enum import Enum

from node.types.commands import SelfTrade, Side


@dataclass
class NaiveOrder:
    """One order; ``rank`` is its time, ``mode`` what it does to another of its account.

    From ``good_till`` on (0: never) it is dead.
    """

    order_id: int
    account: bytes
    side: Side
    price: int
    remaining: int
    mode: SelfTrade = SelfTrade.CANCEL_MAKER
    good_till: int = 0
    rank: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        self.rank = self.rank or self.order_id

    def is_dead(self, now: int) -> bool:
        """Return whether its time is over."""
        return bool(self.good_till) and now >= self.good_till


class What(Enum):
    """What happened to a maker that was met."""

    FILLED = "filled"
    OWN_GONE = "own, gone"
    OWN_SMALLER = "own, smaller"
    DEAD = "dead"


@dataclass(frozen=True)
class NaiveStep:
    """What happened to one maker, and to how many of its lots."""

    maker: int
    price: int
    size: int
    what: What = What.FILLED


class NaiveBook:
    """Price-time priority by definition: sort, then take the first."""

    def __init__(self) -> None:
        self.resting: list[NaiveOrder] = []

    def orders(self, side: Side) -> list[NaiveOrder]:
        """Return the orders of ``side``, best price first, older first."""
        sign = -1 if side is Side.BUY else 1
        mine = [order for order in self.resting if order.side is side]
        return sorted(mine, key=lambda order: (sign * order.price, order.rank))

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

    def place(
        self, taker: NaiveOrder, max_fills: int, *, rests: bool, now: int = 0
    ) -> tuple[list[NaiveStep], bool]:
        """Match ``taker``; return the steps, and whether it is out because it met its own account.

        What is left of it rests if it may, if it is not out and if nothing more crosses it.
        """
        steps: list[NaiveStep] = []
        out = False
        while taker.remaining and not out and len(steps) < max_fills:
            makers = self.crossing(taker)
            if not makers:
                break
            if makers[0].account == taker.account and not makers[0].is_dead(now):
                out = self._meet_own(taker, makers[0], steps)
            else:
                self._meet(taker, makers[0], steps, now)
        if rests and taker.remaining and not out and not self.crossing(taker):
            self.resting.append(taker)
        return steps, out

    def _meet(self, taker: NaiveOrder, maker: NaiveOrder, steps: list[NaiveStep], now: int) -> None:
        if maker.is_dead(now):
            self.resting.remove(maker)
            steps.append(NaiveStep(maker.order_id, maker.price, maker.remaining, What.DEAD))
            return
        size = min(maker.remaining, taker.remaining)
        taker.remaining -= size
        steps.append(NaiveStep(maker.order_id, maker.price, size))
        self.take_off(maker.order_id, size)

    def _meet_own(self, taker: NaiveOrder, maker: NaiveOrder, steps: list[NaiveStep]) -> bool:
        """Let two orders of one account meet; return whether the taker is out."""
        if taker.mode is SelfTrade.CANCEL_TAKER:
            return True
        smaller = min(taker.remaining, maker.remaining)
        taker_out = taker.mode is SelfTrade.CANCEL_BOTH
        if taker.mode is SelfTrade.DECREMENT:
            taker_out = smaller == taker.remaining
            if smaller < maker.remaining:
                step = NaiveStep(maker.order_id, maker.price, smaller, What.OWN_SMALLER)
                steps.append(step)
                self.take_off(maker.order_id, smaller)
                return True
            if not taker_out:
                taker.remaining -= smaller
        self.resting.remove(maker)
        steps.append(NaiveStep(maker.order_id, maker.price, maker.remaining, What.OWN_GONE))
        return taker_out

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
