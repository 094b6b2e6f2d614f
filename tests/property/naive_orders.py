"""Orders on their way into the naive engine: placed, waiting for a trigger, triggered, moved."""

from node.types import errors
from node.types.commands import (
    NewOrder,
    OrderType,
    SelfTrade,
    Side,
    Trigger,
)
from node.types.errors import CommandRejected
from node.types.events import (
    CancelReason,
    OrderAccepted,
    OrderTriggered,
    TriggerSet,
)
from node.types.ids import NO_ADDRESS, OrderId
from node.types.rules import Ordering
from node.types.units import Lots, Money, Ticks
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import MARK_MAX, Exchange, Listed, Open, Owner, Waiting
from tests.property.naive_orderings import (
    NEVER_TAKES,
    check_gathering,
    check_type,
    drawn_at_limit,
    gather,
)
from tests.property.naive_trade import (
    FILLED,
    MET_OWN,
    NO_CROSS,
    STEP_LIMIT,
    TAKER_OUT,
    Crossing,
    amended,
    cancel_others,
    gone,
    rest,
)
from tests.property.naive_work import Work

WHY_NOT_RESTING = {
    NO_CROSS: CancelReason.IMMEDIATE_REMAINDER,
    STEP_LIMIT: CancelReason.FILL_LIMIT,
    TAKER_OUT: CancelReason.MARGIN,
    MET_OWN: CancelReason.SELF_TRADE,
}
TAKES_ONLY = {OrderType.IOC, OrderType.FOK, OrderType.MARKET}


class OrderEntry:
    """``enter`` checks one order, crosses it, and lets rest what may.

    ``own`` is the open order whose place it takes, and whose ids.
    """

    def __init__(
        self,
        exchange: Exchange,
        owner: Owner,
        new: NewOrder,
        work: Work,
        own: Open | Waiting | None = None,
    ) -> None:
        self.exchange = exchange
        self.owner = owner
        self.new = new
        self.work = work
        self.own = own
        self.per_fill = 0 if new.reduce_only else work.per_fill

    def enter(self, item: int) -> None:
        """Raise before anything is changed, or do all of it."""
        exchange, new = self.exchange, self.new
        self._check_name()
        if new.trigger or new.trigger_price:
            self._wait(item)
            return
        if self.work.fault is not None and not new.reduce_only:
            raise self.work.fault
        order = self._admitted()
        order.order_id = order.rank
        self._note_name(order.order_id)
        exchange.events.append(
            OrderAccepted(
                item, OrderId(order.order_id), new.client_id, order.account, order.market,
                order.side, Ticks(order.price), Lots(order.remaining),
            )
        )  # fmt: skip
        self._arrive(order)

    def trigger(self) -> None:
        """Let an order arrive that has waited; if it may not enter any more, it is gone."""
        exchange, own = self.exchange, self.own
        assert isinstance(own, Waiting)
        other = exchange.other(own)
        exchange.waiting.remove(own)
        place = len(exchange.events)
        if other is not None:
            exchange.others.append(other)
            cancel_others(exchange)
        mark = exchange.markets[own.market - 1].mark
        try:
            order = self._admitted()
        except CommandRejected:
            exchange.events.insert(place, _triggered(own, own.price, own.size, mark))
            exchange.events.append(gone(own, CancelReason.REFUSED_ON_ARRIVAL, resting=False))
            return
        exchange.events.insert(place, _triggered(own, order.price, order.size, mark))
        self._arrive(order)

    def move(self) -> None:
        """Let an order leave its place and arrive anew."""
        exchange, own = self.exchange, self.own
        assert isinstance(own, Open)
        order = self._admitted()
        order.size += own.size - own.remaining
        exchange.orders.remove(own)
        exchange.owners[own.account].free += own.reserve
        exchange.balance_changed(own.account)
        told = amended(order, own.price, own.remaining, order.remaining, resting=False)
        exchange.events.append(told)
        self._arrive(order)

    def _wait(self, item: int) -> None:
        """Let the order wait for its trigger, unless it could never arrive."""
        exchange, new = self.exchange, self.new
        if self.work.fault is not None and self.work.adds_risk(new):
            raise self.work.fault
        market = self._market()
        check_type(market, new.type)
        check_waiting_size(market, new)
        check_trigger(exchange, market, new)
        self._check_open_orders(stays=True)
        number = exchange.totals.next_order
        waiting = Waiting(number, self.owner.address, new, Money(self.work.max_fee))
        exchange.totals.next_order += 1
        self._note_name(number)
        exchange.waiting.append(waiting)
        exchange.events.append(
            TriggerSet(
                item, OrderId(number), new.client_id, self.owner.address, new.market, new.side,
                new.trigger, new.trigger_price, new.price, new.size,
            )
        )  # fmt: skip

    def _arrive(self, order: Open) -> None:
        exchange = self.exchange
        exchange.totals.next_order += 1
        market = exchange.markets[order.market - 1]
        if market.rules.ordering is Ordering.AUCTION:
            gather(exchange, order, self.new.type)
            return
        if market.rules.ordering is Ordering.CANCELS_FIRST and self.new.type not in NEVER_TAKES:
            market.taking_block = exchange.totals.block
        crossing = Crossing(exchange, order, self.per_fill)
        if not crossing.makers():
            rest(exchange, order)
            return
        other = exchange.other(order)
        why = crossing.run(self.work.steps_of_order)
        self.work.take(crossing.steps)
        self.work.fills += crossing.fills if self.per_fill else 0
        if other is not None and not exchange.is_open(other):
            if order.remaining:
                reason = CancelReason.ONE_CANCELS_OTHER
                exchange.events.append(gone(order, reason, resting=False))
        elif why != FILLED:
            self._finish(order, why)
        if other is not None and (crossing.fills or not exchange.is_open(order)):
            exchange.others.append(other)

    def _admitted(self) -> Open:
        """Return the order as it may enter, with what it would reserve."""
        new, own, exchange = self.new, self.own, self.exchange
        market = self._market()
        auction = market.rules.ordering is Ordering.AUCTION
        reducible = exchange.position(self.owner.address, new.market).reducible(new.side)
        size = self._size(market, reducible)
        if not new.reduce_only:
            require_fresh(self.exchange, market)
        price = self._price(market)
        best = self._best()
        meets = best is not None and (price >= best if new.side is Side.BUY else price <= best)
        if meets and best is not None and new.type is OrderType.SLIDE:
            price, meets = self._slid(market, best), False
        closes_all = new.reduce_only and size == reducible
        worth = price
        if new.type is OrderType.MARKET and new.side is Side.SELL:
            worth = max(price, market.mark, new.trigger_price)
        if worth * size < market.rules.min_notional and not closes_all:
            minimum = market.rules.min_notional
            raise errors.NotionalTooSmall(notional=worth * size, minimum=minimum)
        if own is None:
            self._check_open_orders(stays=auction or new.type not in TAKES_ONLY)
        order = Open(
            own.order_id if own else 0, new.client_id, self.owner.address, new.market,
            new.side, price, size, new.reduce_only, size=size, post_only=new.type in NEVER_TAKES,
            self_trade=new.self_trade, good_till=new.good_till, rank=exchange.totals.next_order,
            group=new.group,
        )  # fmt: skip
        if auction:
            check_gathering(exchange, self.owner.address, market, new.type)
        if meets and new.type is OrderType.POST_ONLY:
            raise errors.PostOnlyWouldCross(price=new.price, best=best)
        if not meets and new.type in TAKES_ONLY and not auction:
            raise errors.NothingToTake(price=new.price, best=best)
        if not new.reduce_only:
            order.reserve = exchange.reserve_of(order, own)
            self._check_collateral(market, order)
        if new.type is OrderType.FOK and not self._would_fill(order):
            raise errors.FillOrKillUnfilled(size=size)
        return order

    def _market(self) -> Listed:
        """Return the order's market, if it exists and the order's time is not over."""
        exchange, new = self.exchange, self.new
        if not 1 <= new.market <= len(exchange.markets):
            raise errors.UnknownMarket(market=new.market)
        if 0 < new.good_till <= exchange.totals.time:
            raise errors.OrderExpired(good_till=new.good_till, now=exchange.totals.time)
        return exchange.markets[new.market - 1]

    def _size(self, market: Listed, reducible: int) -> int:
        size, limit = self.new.size, market.rules.max_size
        if not 0 < size <= limit:
            raise errors.SizeInvalid(size=size, limit=limit)
        if self.new.reduce_only and not reducible:
            raise errors.ReduceOnlyNothing(market=self.new.market)
        return min(size, reducible) if self.new.reduce_only else size

    def _price(self, market: Listed) -> int:
        low, high = rules_of.band(market.rules, market.mark)
        price, buys = self.new.price, self.new.side is Side.BUY
        if not market.mark:
            limit = market.rules.mark_stale_ms
            raise errors.MarkStale(market=self.new.market, limit=limit)
        if self.new.type is OrderType.MARKET and buys and price > high:
            return high
        if self.new.type is OrderType.MARKET and not buys and price < low:
            return low
        if not low <= price <= high:
            raise errors.PriceOutsideBand(price=price, low=low, high=high)
        return price

    def _best(self) -> int | None:
        """Return the best opposing price that can be traded at.

        Where the first order has a time, it is that of the first that the order would not clear
        away as dead, in as many steps as it has.
        """
        exchange, market, side = self.exchange, self.new.market, self.new.side.opposite
        first = exchange.living(market, side, 1)
        if first is None or first.good_till:
            first = exchange.living(market, side, self.work.steps_of_order)
        return None if first is None else first.price

    def _slid(self, market: Listed, best: int) -> int:
        """Return the price one tick before the best."""
        price = best - 1 if self.new.side is Side.BUY else best + 1
        low, high = rules_of.band(market.rules, market.mark)
        if not low <= price <= high:
            raise errors.PostOnlyWouldCross(price=self.new.price, best=best)
        return price

    def _check_name(self) -> None:
        """Refuse a client id that an open order has, or that was one of the last to be given."""
        name, owner = self.new.client_id, self.owner
        last = owner.names[-self.exchange.rules.limits.client_ids_kept :]
        still = [(one.client_id, one.order_id) for one in self.exchange.open_of(owner.address)]
        for other, number in [*still, *last]:
            if name and other == name:
                raise errors.DuplicateClientId(client_id=name, order_id=number)

    def _note_name(self, number: int) -> None:
        if self.new.client_id:
            self.owner.names.append((self.new.client_id, number))

    def _check_open_orders(self, *, stays: bool) -> None:
        limit = self.exchange.rules.limits.open_orders_per_account
        open_orders = self.exchange.open_of(self.owner.address)
        if stays and len(open_orders) >= limit:
            raise errors.TooManyOpenOrders(limit=limit)
        group = [one for one in open_orders if self.new.group and one.group == self.new.group]
        if len(group) > 1:
            raise errors.GroupFull(group=self.new.group)

    def _check_collateral(self, market: Listed, order: Open) -> None:
        held = self.exchange.position(order.account, order.market).size
        limit, lots = market.rules.max_size, order.remaining
        after = abs(held + (lots if order.side is Side.BUY else -lots))
        if after > limit and after > abs(held):
            raise errors.PositionTooLarge(size=after, limit=limit)
        if market.rules.ordering is Ordering.AUCTION and self.new.type not in NEVER_TAKES:
            drawn = drawn_at_limit(self.exchange, market, order)
            order.reserve = max(order.reserve, drawn)
        free = self.owner.free + (self.own.reserve if isinstance(self.own, Open) else 0)
        if order.reserve > free:
            raise errors.InsufficientCollateral(
                required=order.reserve, free=free, buffer=self.exchange.buffer(market)
            )

    def _would_fill(self, order: Open) -> bool:
        """Try it out on a copy, against as many orders as it may meet in half of what is left."""
        limit = min(self.exchange.rules.limits.fills_per_order, self.work.steps_left // 2)
        makers = Crossing(self.exchange, order, 0).makers()[:limit]
        alive = [one for one in makers if not self.exchange.is_dead(one)]
        own = [one for one in alive if one.account == order.account]
        if own and order.self_trade is not SelfTrade.CANCEL_MAKER:
            makers = makers[: makers.index(own[0])]
            alive = [one for one in alive if one in makers]
        others = sum(one.remaining for one in alive if one.account != order.account)
        if others < order.remaining:
            return False
        self.work.take(len(makers))
        numbers = {maker.order_id for maker in makers}
        stage = self.exchange.copy()
        stage.orders = [one for one in stage.orders if one.order_id in numbers]
        taker = Open(
            0, 0, order.account, order.market, order.side, order.price, order.remaining,
            order.reduce_only, self_trade=order.self_trade,
        )  # fmt: skip
        return Crossing(stage, taker, self.per_fill).run(limit) == FILLED

    def _finish(self, order: Open, why: str) -> None:
        """Let what is left rest, where it may and can be paid for; else it is gone."""
        reason = WHY_NOT_RESTING[why]
        if why == NO_CROSS and self.new.type not in TAKES_ONLY:
            reason = CancelReason.REDUCE_ONLY if order.reduce_only else CancelReason.MARGIN
            order.reserve = 0
            if not order.reduce_only:
                order.reserve = self.exchange.reserve_of(order)
            held = self.exchange.position(order.account, order.market)
            may_reduce = held.reducible(order.side) > 0
            if may_reduce if order.reduce_only else order.reserve <= self.owner.free:
                rest(self.exchange, order)
                return
        self.exchange.events.append(gone(order, reason, resting=False))


def check_waiting_size(market: Listed, new: NewOrder) -> None:
    """Refuse an order that would be of no size or too small; a market order counts at its trigger.

    One that reduces may be as small as it likes, if it is worth anything.
    """
    limit = market.rules.max_size
    if not 0 < new.size <= limit:
        raise errors.SizeInvalid(size=new.size, limit=limit)
    price = new.trigger_price if new.price and new.type is OrderType.MARKET else new.price
    minimum = 1 if new.reduce_only else market.rules.min_notional
    if price * new.size < minimum:
        raise errors.NotionalTooSmall(notional=price * new.size, minimum=minimum)


def check_trigger(exchange: Exchange, market: Listed, new: NewOrder) -> None:
    """Refuse a price to wait for that no mark can have, or that this one has met."""
    if not market.mark:
        raise errors.MarkStale(market=new.market, limit=market.rules.mark_stale_ms)
    known = new.trigger is not Trigger.NONE and 0 < new.trigger_price < MARK_MAX
    if not known or Waiting(0, NO_ADDRESS, new, Money(0)).is_met(market.mark):
        raise errors.TriggerInvalid(trigger_price=new.trigger_price, mark=market.mark)


def _triggered(waiting: Waiting, price: int, size: int, mark: int) -> OrderTriggered:
    return OrderTriggered(
        OrderId(waiting.order_id), waiting.account, waiting.market, waiting.side,
        Ticks(price), Lots(size), Ticks(mark),
    )  # fmt: skip


def require_fresh(exchange: Exchange, market: Listed) -> None:
    """Refuse where the mark, or what is known of it, is too old to open anything on.

    Raises ``MarkStale`` or ``RiskDataTooOld``.
    """
    rules, mark_age = market.rules, exchange.mark_age(market)
    limit = rules.mark_stale_ms
    if not market.mark:
        raise errors.MarkStale(market=market.market_id, limit=limit)
    if mark_age > limit:
        raise errors.MarkStale(market=market.market_id, age_ms=mark_age, limit=limit)
    age = exchange.data_age(market)
    if rules_of.buffer_of(rules, market.variance, age)[1]:
        oldest = rules_of.age_limit(rules, market.variance)
        raise errors.RiskDataTooOld(market=market.market_id, age_ms=age, limit=oldest)
