"""The auction of the naive engine: everything that arrived meets the book, at one price."""

from node.matching.auction import Interest
from node.types.commands import OrderType, Side
from node.types.errors import NothingToUncross
from node.types.events import CancelReason, Filled, Uncrossed
from node.types.ids import Address, OrderId
from node.types.units import Lots, Money, Ticks
from tests.property import naive_auction
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import Exchange, Held, Listed, Open
from tests.property.naive_orderings import meets
from tests.property.naive_rules import Fill, Holding
from tests.property.naive_trade import (
    amended,
    cancel_others,
    drop_idle,
    reserve_left,
    rest,
    take_off,
)

ROUNDS = 8
LEAVES_AT_ONCE = {OrderType.IOC, OrderType.MARKET}


class Uncrossing:
    """One auction. ``before`` is what the book's orders had left, ``closed`` who closed there."""

    def __init__(self, exchange: Exchange, market: Listed) -> None:
        self.exchange = exchange
        self.market = market
        self.name = market.market_id
        self.most = self.dead_left = exchange.rules.limits.orders_per_auction
        self.buffer = exchange.buffer(market)
        self.price = self.filled = 0
        self.before: dict[Open, int] = {}
        self.closed: list[Address] = []

    def run(self) -> None:
        """Trade, and let what is left of the arrivals rest or go."""
        exchange = self.exchange
        if not exchange.gathered(self.name):
            raise NothingToUncross(market=self.name)
        self._drop_dead()
        taking_part = self._settled()
        place = len(exchange.events)
        self._fill_all(taking_part)
        exchange.events[place:place] = [
            amended(one, one.price, had, one.remaining or had, resting=one.remaining > 0)
            for one, had in self.before.items()
        ]
        for account in self.closed:
            drop_idle(exchange, account, self.market)
        price = Ticks(self.price if self.filled else 0)
        exchange.events.insert(0, Uncrossed(self.name, price, Lots(self.filled)))
        cancel_others(exchange)
        for order in exchange.gathered(self.name):
            if order.gathered not in LEAVES_AT_ONCE:
                self._clear_dead(order)
            self._leave_or_rest(order)
        cancel_others(exchange)

    # --- who takes part --------------------------------------------------------------------------

    def _reached(self, side: Side) -> list[Open]:
        """Return the orders of the book that some arrival reaches, best first."""
        takers = [
            one
            for one in self.exchange.gathered(self.name)
            if one.side is not side and not one.post_only
        ]
        book = self.exchange.book(self.name, side)
        return [one for one in book if any(meets(taker, one.price) for taker in takers)]

    def _drop_dead(self) -> None:
        for side in Side:
            for order in self._reached(side)[: self.most]:
                if self.exchange.is_dead(order):
                    take_off(self.exchange, order, CancelReason.EXPIRED)
        cancel_others(self.exchange)

    def _collected(self) -> list[tuple[Open, int]]:
        """Return who takes part, with how much: of a group one, of reducers what they may."""
        arrivals = [one for one in self.exchange.gathered(self.name) if not one.post_only]
        every = [
            *self._reached(Side.BUY)[: self.most],
            *self._reached(Side.SELL)[: self.most],
            *arrivals,
        ]
        every = [one for one in every if not self.exchange.is_dead(one)]
        younger: dict[Open, Open] = {}
        for order in every:
            other = self.exchange.other(order)
            if isinstance(other, Open) and other in every and other.rank < order.rank:
                younger[order] = other
        sizes: dict[Open, int] = {}
        used: dict[tuple[Address, Side], int] = {}
        # Who is the younger of a group comes last: only where the older has nothing to reduce.
        for order in sorted(every, key=lambda one: one in younger):
            size = order.remaining
            if order in younger and sizes[younger[order]]:
                size = 0
            elif order.reduce_only:
                key = (order.account, order.side)
                held = self.exchange.position(order.account, self.name)
                size = min(size, held.reducible(order.side) - used.get(key, 0))
                used[key] = used.get(key, 0) + size
            sizes[order] = size
        return [(order, sizes[order]) for order in every if sizes[order]]

    def _cleared(self) -> list[tuple[Open, int]]:
        """Find the price, and return what each order is to trade."""
        chosen = self._collected()
        interests = [
            Interest(
                order.side,
                Ticks(order.price),
                Lots(size),
                order.batch if order.gathered is None else self.exchange.totals.block + 1,
                order.rank,
            )
            for order, size in chosen
        ]
        # Beyond the last order looked at others wait: no price may pass over a better limit.
        bids, asks = self._reached(Side.BUY), self._reached(Side.SELL)
        low = bids[self.most - 1].price if len(bids) > self.most else 1
        high = asks[self.most - 1].price if len(asks) > self.most else 2**64 - 1
        prices = naive_auction.prices_that_matter(interests, self.market.mark, low, high)
        self.price, size = naive_auction.price_and_size(interests, self.market.mark, prices)
        shares = naive_auction.shares(interests, self.price, size)
        return [(order, share) for (order, _), share in zip(chosen, shares, strict=True) if share]

    def _settled(self) -> list[tuple[Open, int]]:
        """Clear until all can bear their shares, or often enough."""
        for _ in range(ROUNDS):
            given = self._cleared()
            faults = self._faults(given)
            if not faults:
                return given
            for order, reason in faults:
                take_off(self.exchange, order, reason)
            cancel_others(self.exchange)
        return self._cleared()

    # --- who can bear it -------------------------------------------------------------------------

    def _holding(self, account: Address) -> Holding:
        held = self.exchange.position(account, self.name)
        free = self.exchange.owners[account].free
        return Holding(held.size, held.entry, self.exchange.settled(held), free)

    def _faults(self, given: list[tuple[Open, int]]) -> list[tuple[Open, CancelReason]]:
        """Try each share out after those before it; return who cannot bear his."""
        faults: list[tuple[Open, CancelReason]] = []
        tried = {order.account: self._holding(order.account) for order, _ in given}
        for order, share in given:
            one = tried[order.account]
            reducible = Held(order.account, self.name, one.size).reducible(order.side)
            if order.reduce_only and reducible < share:
                faults.append((order, CancelReason.REDUCE_ONLY))
                continue
            effect = self._effect(one, order, share)
            if effect is None:
                faults.append((order, CancelReason.MARGIN))
            else:
                tried[order.account] = effect[0]
        return faults

    def _effect(self, one: Holding, order: Open, size: int) -> tuple[Holding, int] | None:
        """Return what ``size`` lots at the price make of an account, and the fee."""
        rules = self.market.rules
        freed = order.reserve - self._reserve_after(one.size, order, size)
        before = Holding(one.size, one.entry, one.margin, one.free + freed)
        fee = rules.maker_fee if order.gathered is None else rules.taker_fee
        fill = Fill(size if order.side is Side.BUY else -size, self.price, fee)
        return rules_of.after_fill(rules, before, self.market.mark, fill, self.buffer)

    def _reserve_after(self, held: int, order: Open, size: int) -> int:
        position = Held(order.account, self.name, held)
        return reserve_left(self.market, order, position, size, self.buffer)

    # --- the fills -------------------------------------------------------------------------------

    def _fill_all(self, given: list[tuple[Open, int]]) -> None:
        """Pair the first buyer with the first seller, until one side is through."""
        left = dict(given)
        while True:
            waiting = [one for one in left if left[one] and self.exchange.is_open(one)]
            buyers = [one for one in waiting if one.side is Side.BUY]
            sellers = [one for one in waiting if one.side is Side.SELL]
            if not buyers or not sellers:
                return
            size = min(left[buyers[0]], left[sellers[0]])
            filled = self._fill(buyers[0], sellers[0], size)
            left[buyers[0]] -= filled
            left[sellers[0]] -= filled

    def _fill(self, buyer: Open, seller: Open, size: int) -> int:
        """Fill what both can bear; return how much, 0 where one of them is out."""
        exchange, both = self.exchange, (buyer, seller)
        for order in both:
            if order.reduce_only:
                held = exchange.position(order.account, self.name)
                size = min(size, held.reducible(order.side))
                if not size:
                    take_off(exchange, order, CancelReason.REDUCE_ONLY)
                    return 0
        effects = {}
        for order in both:
            effect = self._effect(self._holding(order.account), order, size)
            if effect is None:
                take_off(exchange, order, CancelReason.MARGIN)
                return 0
            effects[order] = effect
        maker, taker = sorted(both, key=lambda one: (one.gathered is not None, one.rank))
        exchange.events.append(
            Filled(
                self.name, Ticks(self.price), Lots(size), OrderId(maker.order_id),
                OrderId(taker.order_id), maker.account, taker.account, taker.side,
                Lots(maker.remaining - size), Money(effects[maker][1]), Money(effects[taker][1]),
                auction=True,
            )
        )  # fmt: skip
        for order in both:
            self._apply(order, size, *effects[order])
        self.filled += size
        return size

    def _apply(self, order: Open, size: int, after: Holding, fee: int) -> None:
        exchange = self.exchange
        held = exchange.position(order.account, self.name)
        other = exchange.other(order)
        if other is not None and other not in exchange.others:
            exchange.others.append(other)
        if order.gathered is None:
            self.before.setdefault(order, order.remaining)
        order.reserve = self._reserve_after(held.size, order, size)
        order.remaining -= size
        if not order.remaining:
            exchange.orders.remove(order)
        if held.size and held.size * after.size <= 0 and order.account not in self.closed:
            self.closed.append(order.account)
        exchange.owners[order.account].free = after.free
        held.size, held.entry, held.margin = after.size, after.entry, after.margin
        held.funding = self.market.index
        exchange.totals.fees += fee
        exchange.balance_changed(order.account)
        exchange.position_changed(held)

    # --- what is left ----------------------------------------------------------------------------

    def _in_the_way(self, order: Open) -> Open | None:
        """Return the best order of the book that ``order`` would cross."""
        book = self.exchange.book(self.name, order.side.opposite)
        return book[0] if book and meets(order, book[0].price) else None

    def _clear_dead(self, order: Open) -> None:
        while self.dead_left:
            best = self._in_the_way(order)
            if best is None or not self.exchange.is_dead(best):
                return
            take_off(self.exchange, best, CancelReason.EXPIRED)
            self.dead_left -= 1

    def _leave_or_rest(self, order: Open) -> None:
        exchange, reserve = self.exchange, 0
        owner, reason = exchange.owners[order.account], None
        if order.gathered in LEAVES_AT_ONCE:
            reason = CancelReason.IMMEDIATE_REMAINDER
        elif self._in_the_way(order) is not None:
            reason = CancelReason.FILL_LIMIT
            if order.post_only:
                reason = CancelReason.REFUSED_ON_ARRIVAL
        elif not order.reduce_only:
            reserve = exchange.reserve_of(order)
            if reserve > owner.free + order.reserve:
                reason = CancelReason.MARGIN
        if reason is not None:
            take_off(exchange, order, reason)
            return
        exchange.orders.remove(order)
        owner.free += order.reserve
        order.reserve, order.gathered = reserve, None
        rest(exchange, order)
