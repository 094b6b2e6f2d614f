"""An open order of the naive engine is changed, and keeps its ids."""

import msgspec

from node.types import errors
from node.types.commands import (
    AmendOrder,
    NewOrder,
    OrderType,
)
from node.types.events import (
    CancelReason,
)
from node.types.ids import ClientOrderId
from node.types.units import Lots, Millis
from tests.property.naive_exchange import Exchange, Open, Owner, Waiting
from tests.property.naive_orders import OrderEntry, check_waiting_size
from tests.property.naive_trade import (
    amended,
    shrink,
    take_off,
)
from tests.property.naive_work import Work, is_charged, left_after


class Amending:
    """``amend`` changes one open order."""

    def __init__(self, exchange: Exchange, owner: Owner, change: AmendOrder, work: Work) -> None:
        self.exchange = exchange
        self.owner = owner
        self.change = change
        self.work = work

    def amend(self) -> None:
        """Raise before anything is changed, or do all of it."""
        exchange, change, order = self.exchange, self.change, self._found()
        left = left_after(order, change)
        same_price = change.price == order.price
        if left <= 0:
            take_off(exchange, order, CancelReason.AMENDED)
            return
        if same_price and left == order.remaining:
            raise errors.AmendInvalid(detail="nothing would change")
        if self.work.fault is not None and is_charged(order, change):
            raise self.work.fault
        market = exchange.markets[order.market - 1]
        if isinstance(order, Waiting):
            new = msgspec.structs.replace(order.new, price=change.price, size=change.size)
            check_waiting_size(market, new)
            order.new = new
            exchange.events.append(amended(order, 0, 0, order.size, resting=True))
        elif same_price and left < order.remaining:
            minimum = market.rules.min_notional
            if order.price * left < minimum:
                raise errors.NotionalTooSmall(notional=order.price * left, minimum=minimum)
            shrink(exchange, order, left)
        else:
            self._move(order, left)

    def _found(self) -> Open | Waiting:
        exchange, change = self.exchange, self.change
        order = exchange.named(self.owner.address, change.order_id, change.client_id)
        if order is None:
            raise errors.UnknownOrder(order_id=change.order_id, client_id=change.client_id)
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
            Millis(order.good_till),
            group=order.group,
        )
        OrderEntry(self.exchange, self.owner, new, self.work, order).move()
