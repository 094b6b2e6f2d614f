"""Orders of the naive engine coming, meeting and leaving."""

from node.types.commands import SelfTrade, Side
from node.types.events import (
    CancelReason,
    Filled,
    OrderAmended,
    OrderCancelled,
    OrderRested,
)
from node.types.ids import Address, ClientOrderId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import Exchange, Held, Listed, Open, Waiting
from tests.property.naive_rules import Fill, Holding

FILLED, NO_CROSS, STEP_LIMIT, TAKER_OUT = "filled", "no cross", "step limit", "taker out"
MET_OWN = "met its own"


def rest(exchange: Exchange, order: Open) -> None:
    """Let ``order`` rest; its owner's free money pays what it reserves."""
    exchange.owners[order.account].free -= order.reserve
    order.batch = exchange.totals.block
    exchange.orders.append(order)
    exchange.balance_changed(order.account)
    exchange.events.append(
        OrderRested(
            OrderId(order.order_id), order.account, order.market, order.side,
            Ticks(order.price), Lots(order.remaining),
        )
    )  # fmt: skip


def take_off(exchange: Exchange, order: Open | Waiting, reason: CancelReason) -> None:
    """Take an order out; what it reserved is free again. The other of its group is to go."""
    other = exchange.other(order)
    if other is not None and reason is not CancelReason.ONE_CANCELS_OTHER:
        exchange.others.append(other)
    if isinstance(order, Waiting):
        exchange.waiting.remove(order)
        exchange.events.append(gone(order, reason, resting=False))
        return
    exchange.orders.remove(order)
    exchange.owners[order.account].free += order.reserve
    exchange.balance_changed(order.account)
    exchange.events.append(gone(order, reason, resting=order.gathered is None))


def cancel_others(exchange: Exchange) -> int:
    """Cancel the orders whose other has gone; return how many they were."""
    others, exchange.others = exchange.others, []
    count = 0
    for order in others:
        if exchange.is_open(order):
            take_off(exchange, order, CancelReason.ONE_CANCELS_OTHER)
            count += 1
    return count


def gone(order: Open | Waiting, reason: CancelReason, *, resting: bool) -> OrderCancelled:
    """Return the event that tells of what is left of ``order``."""
    return OrderCancelled(
        OrderId(order.order_id), ClientOrderId(order.client_id), order.account, order.market,
        order.side, Ticks(order.price), Lots(order.remaining), reason, resting,
    )  # fmt: skip


def shrink(exchange: Exchange, order: Open, left: int) -> None:
    """Let ``order`` keep ``left`` lots without a trade, and free what they do not need."""
    held, market = (
        exchange.position(order.account, order.market),
        exchange.markets[order.market - 1],
    )
    lost = order.remaining - left
    reserve = reserve_left(market, order, held, lost, exchange.buffer(market))
    exchange.owners[order.account].free += order.reserve - reserve
    exchange.balance_changed(order.account)
    # One that waits for an auction has not stood in the book.
    price, before = (order.price, order.remaining) if order.gathered is None else (0, 0)
    exchange.events.append(amended(order, price, before, left, resting=True))
    order.reserve, order.remaining, order.size = reserve, left, order.size - lost


def amended(
    order: Open | Waiting, price_before: int, before: int, left: int, *, resting: bool
) -> OrderAmended:
    """Return the event that tells how ``order`` was changed."""
    waits_for = order.new.trigger_price if isinstance(order, Waiting) else 0
    return OrderAmended(
        OrderId(order.order_id), ClientOrderId(order.client_id), order.account, order.market,
        order.side, Ticks(price_before), Lots(before), Ticks(order.price), Lots(left), resting,
        Ticks(waits_for), Millis(order.good_till),
    )  # fmt: skip


def reserve_left(market: Listed, order: Open, held: Held, size: int, buffer: int) -> int:
    """Return what ``order`` reserves without ``size`` lots of it: never more than now."""
    if not order.reserve:
        return 0
    exposure = abs(held.size) + order.remaining
    left = order.remaining - size
    needed = rules_of.reserve(market.rules, order.price, left, exposure, buffer)
    return min(order.reserve, needed)


def drop_idle(exchange: Exchange, account: Address, market: Listed) -> int:
    """Take off the reduce-only orders that have nothing to reduce; return how many they were."""
    held = exchange.position(account, market.market_id)
    idle = [
        one
        for one in exchange.orders_of(account, market.market_id)
        if one.reduce_only and not held.reducible(one.side)
    ]
    for order in idle:
        take_off(exchange, order, CancelReason.REDUCE_ONLY)
    return len(idle)


def drop_uncovered(exchange: Exchange, met: Open, market: Listed) -> int:
    """Take off what would open more than its reserve is good for; return how many they were.

    Only where ``met``, which has been taken off, was such a one itself. Of those that stay whoever
    stands first in the book closes first.
    """

    def is_good_for(order: Open, opens: int) -> bool:
        return order.reserve >= rules_of.reserve(market.rules, order.price, opens, opens, 0)

    left, count = exchange.position(met.account, market.market_id).reducible(met.side), 0
    if met.reduce_only or is_good_for(met, max(0, met.remaining - left)):
        return 0
    for order in exchange.book(market.market_id, met.side):
        if order.account != met.account or order.reduce_only:
            continue
        closes = min(left, order.remaining)
        if is_good_for(order, order.remaining - closes):
            left -= closes
        else:
            take_off(exchange, order, CancelReason.MARGIN)
            count += 1
    return count


class Crossing:
    """One arriving order meets the book. ``liquidates``: its owner pays and decides nothing.

    ``fills`` counts fills; ``steps`` also the orders that leave without one; ``closed_value`` is
    the value of all fills.
    """

    def __init__(
        self, exchange: Exchange, taker: Open, work_per_fill: int, *, liquidates: bool = False
    ) -> None:
        self.exchange = exchange
        self.taker = taker
        self.market = exchange.markets[taker.market - 1]
        self.buffer = exchange.buffer(self.market)
        self.work_per_fill = work_per_fill
        self.liquidates = liquidates
        self.closed: list[Address] = []
        self.beaten: list[Open | Waiting] = []
        self.fills = self.steps = self.closed_value = 0
        self.set_free: dict[Address, int] = {}

    def run(self, most: int) -> str:
        """Cross for at most ``most`` steps; say why that ended."""
        why = self._cross(most)
        for account in self.closed:
            self.steps += drop_idle(self.exchange, account, self.market)
        return why

    def makers(self) -> list[Open]:
        """Return the resting orders that the taker meets at its price, in priority."""
        taker = self.taker
        return [
            maker
            for maker in self.exchange.book(taker.market, taker.side.opposite)
            if (
                maker.price <= taker.price if taker.side is Side.BUY else maker.price >= taker.price
            )
        ]

    def _cross(self, most: int) -> str:
        taker = self.taker
        for _ in range(most):
            makers = self.makers()
            if not makers:
                return NO_CROSS
            maker = makers[0]
            if self.exchange.is_dead(maker):
                self._drop(maker, CancelReason.EXPIRED)
                continue
            if maker.account == taker.account:
                if self._meet_own(maker):
                    return MET_OWN
                continue
            fault = self._trade(maker)
            if fault == TAKER_OUT:
                return TAKER_OUT
            if isinstance(fault, CancelReason):
                self._drop(maker, fault)
            elif not taker.remaining:
                return FILLED
        return STEP_LIMIT if self.makers() else NO_CROSS

    def _meet_own(self, maker: Open) -> bool:
        """Do with two orders of one account what the taker asked for; return whether it is out."""
        taker, mode = self.taker, self.taker.self_trade
        if mode is SelfTrade.CANCEL_TAKER:
            return True
        left = maker.remaining - taker.remaining
        larger = maker if left > 0 else taker
        is_dust = larger.price * abs(left) < self.market.rules.min_notional
        if mode is SelfTrade.DECREMENT and left > 0 and not is_dust:
            self.steps += 1
            shrink(self.exchange, maker, left)
            return True
        self._drop(maker, CancelReason.SELF_TRADE)
        if mode is SelfTrade.DECREMENT and left < 0 and not is_dust:
            taker.remaining -= maker.remaining
            taker.size -= maker.remaining
            return False
        return mode is not SelfTrade.CANCEL_MAKER

    def _drop(self, maker: Open, reason: CancelReason) -> None:
        self.steps += 1
        take_off(self.exchange, maker, reason)
        if reason is CancelReason.REDUCE_ONLY:
            self.steps += drop_idle(self.exchange, maker.account, self.market)
        if reason is CancelReason.MARGIN:
            owner = self.exchange.owners[maker.account]
            before = owner.free
            self.steps += drop_uncovered(self.exchange, maker, self.market)
            self.set_free[maker.account] = self.set_free.get(maker.account, 0) + owner.free - before

    def _trade(self, maker: Open) -> CancelReason | str | None:
        """Fill what both sides can bear; return what stands against it, if anything does."""
        exchange, taker, rules = self.exchange, self.taker, self.market.rules
        given_held = exchange.position(maker.account, maker.market)
        taken_held = exchange.position(taker.account, taker.market)
        size = min(maker.remaining, taker.remaining)
        if maker in self.beaten:
            return CancelReason.ONE_CANCELS_OTHER
        if maker.reduce_only:
            size = min(size, given_held.reducible(maker.side))
            if not size:
                return CancelReason.REDUCE_ONLY
        lots = size if maker.side is Side.BUY else -size
        left = reserve_left(self.market, maker, given_held, size, self.buffer)
        # What went along with another of his orders is his again once this is over.
        kept_out = self.set_free.get(maker.account, 0)
        purse = exchange.owners[maker.account].free - kept_out + maker.reserve - left
        given = self._effect(given_held, purse, Fill(lots, maker.price, rules.maker_fee))
        if given is None:
            return CancelReason.MARGIN
        taken = self._taken(taken_held, Fill(-lots, maker.price, rules.taker_fee))
        if taken is None:
            return TAKER_OUT
        other = exchange.other(maker)
        if other is not None and other not in self.beaten:
            self.beaten.append(other)
            exchange.others.append(other)
        maker.reserve = left
        maker.remaining -= size
        taker.remaining -= size
        if not maker.remaining:
            exchange.orders.remove(maker)
        self._apply(given_held, *given)
        exchange.owners[maker.account].free += kept_out
        self._apply(taken_held, *taken)
        exchange.totals.fees += self.work_per_fill
        self.fills += 1
        self.steps += 1
        self.closed_value += size * maker.price
        self._tell(maker, size, given[1], taken[1])
        return None

    def _effect(self, held: Held, free: int, fill: Fill) -> tuple[Holding, int] | None:
        before = Holding(held.size, held.entry, self.exchange.settled(held), free)
        market = self.market
        return rules_of.after_fill(market.rules, before, market.mark, fill, self.buffer)

    def _taken(self, held: Held, fill: Fill) -> tuple[Holding, int] | None:
        free = self.exchange.owners[held.account].free
        if self.liquidates:
            removed = rules_of.down(held.entry * abs(fill.lots), abs(held.size))
            margin = self.exchange.settled(held) - fill.lots * fill.price - removed
            return Holding(held.size + fill.lots, held.entry - removed, margin, free), 0
        effect = self._effect(held, free - self.work_per_fill, fill)
        return None if effect is None or effect[0].free < 0 else effect

    def _apply(self, held: Held, after: Holding, fee: int) -> None:
        if held.size and held.size * after.size <= 0:
            self.closed.append(held.account)
        self.exchange.owners[held.account].free = after.free
        held.size, held.entry, held.margin = after.size, after.entry, after.margin
        held.funding = self.market.index
        self.exchange.totals.fees += fee
        self.exchange.balance_changed(held.account)
        self.exchange.position_changed(held)

    def _tell(self, maker: Open, size: int, maker_fee: int, taker_fee: int) -> None:
        taker = self.taker
        self.exchange.events.append(
            Filled(
                taker.market, Ticks(maker.price), Lots(size), OrderId(maker.order_id),
                OrderId(taker.order_id), maker.account, taker.account, taker.side,
                Lots(maker.remaining), Money(maker_fee), Money(taker_fee),
            )
        )  # fmt: skip
