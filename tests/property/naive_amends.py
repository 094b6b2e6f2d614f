"""An open order of the naive engine is changed, and keeps its ids."""

import msgspec

from node.types import errors
from node.types.commands import (
    AmendOrder,
    NewOrder,
    OrderType,
    Side,
)
from node.types.events import (
    CancelReason,
)
from node.types.ids import ClientOrderId
from node.types.units import Lots, Millis
from tests.property.naive_exchange import Exchange, Open, Owner, Waiting
from tests.property.naive_orders import OrderEntry, check_trigger, check_waiting_size
from tests.property.naive_trade import (
    amended,
    shrink,
    take_off,
)
from tests.property.naive_work import Work, left_after, new_terms


class Amending:
    """``amend`` changes one open order, as the item at ``place`` of its action asks."""

    def __init__(
        self, exchange: Exchange, owner: Owner, change: AmendOrder, work: Work, place: int
    ) -> None:
        self.exchange = exchange
        self.owner = owner
        self.change = change
        self.work = work
        self.place = place

    def amend(self) -> None:
        """Raise before anything is changed, or do all of it."""
        exchange, change, order = self.exchange, self.change, self._found()
        left = left_after(order, change)
        same_price = change.price == order.price
        if left <= 0:
            take_off(exchange, order, CancelReason.AMENDED)
            return
        self._check_terms(order)
        if same_price and left == order.remaining and not new_terms(order, change):
            raise errors.AmendInvalid(detail="nothing would change")
        if self.work.fault is not None and self.place in self.work.charged_amends:
            raise self.work.fault
        market = exchange.markets[order.market - 1]
        if isinstance(order, Waiting):
            self._rewrite(order)
        elif not same_price or left > order.remaining:
            self._move(order, left)
        else:
            minimum = market.rules.min_notional
            if left < order.remaining and order.price * left < minimum:
                raise errors.NotionalTooSmall(notional=order.price * left, minimum=minimum)
            order.good_till = self._good_till(order)
            if left < order.remaining:
                shrink(exchange, order, left)
            else:
                exchange.events.append(amended(order, order.price, left, left, resting=True))

    def _check_terms(self, order: Open | Waiting) -> None:
        """Only what waits has a trigger price to change, and no new end lies in the past."""
        change, now = self.change, self.exchange.totals.time
        if change.trigger_price and not isinstance(order, Waiting):
            raise errors.AmendInvalid(detail="the order does not wait for a price")
        if change.good_till and change.good_till <= now:
            raise errors.OrderExpired(good_till=change.good_till, now=now)

    def _good_till(self, order: Open | Waiting) -> Millis:
        return self.change.good_till or Millis(order.good_till)

    def _rewrite(self, order: Waiting) -> None:
        """Let an order that waits be another one, which could be placed as it is."""
        change, old = self.change, order.new
        market = self.exchange.markets[order.market - 1]
        new = msgspec.structs.replace(
            old, price=change.price, size=change.size, good_till=self._good_till(order)
        )
        if change.trigger_price:
            new = msgspec.structs.replace(new, trigger_price=change.trigger_price)
        check_waiting_size(market, new)
        if new.trigger_price != old.trigger_price:
            check_trigger(self.exchange, market, new)
            reaches = new.price >= new.trigger_price
            if new.side is Side.SELL:
                reaches = new.price <= new.trigger_price
            if new.type is OrderType.MARKET and not reaches:
                detail = "a market order's worst price must go along with its trigger"
                raise errors.AmendInvalid(detail=detail)
        order.new = new
        self.exchange.events.append(amended(order, 0, 0, order.size, resting=True))

    def _found(self) -> Open | Waiting:
        exchange, change = self.exchange, self.change
        order = exchange.open_order(self.owner, change.order_id, change.client_id)
        if order.market != change.market:
            raise errors.AmendInvalid(detail="the order is in another market")
        if isinstance(order, Open) and order.gathered is not None:
            raise errors.AmendInvalid(detail="the order waits for its auction")
        if exchange.is_dead(order):
            raise errors.OrderExpired(good_till=order.good_till, now=exchange.totals.time)
        return order

    def _move(self, order: Open, left: int) -> None:
        new = NewOrder(
            order.market,
            order.side,
            OrderType.POST_ONLY if order.post_only else OrderType.GTC,
            self.change.price,
            Lots(left),
            order.reduce_only,
            ClientOrderId(order.client_id),
            order.self_trade,
            self._good_till(order),
            group=order.group,
        )
        OrderEntry(self.exchange, self.owner, new, self.work, order).move()
