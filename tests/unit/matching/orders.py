"""Orders for the tests of matching, with everything that does not matter left out."""

from node.matching.book import Order
from node.types.commands import SelfTrade, Side
from node.types.ids import NO_CLIENT_ID, Address, MarketId, OrderId
from node.types.units import Lots, Millis, Ticks


def order(
    order_id: int,
    side: Side,
    price: int,
    size: int,
    account: int | None = None,
    mode: SelfTrade = SelfTrade.CANCEL_MAKER,
    good_till: int = 0,
) -> Order:
    """Return an order of ``account`` (by default one of its own)."""
    owner = order_id if account is None else account
    return Order(
        OrderId(order_id),
        order_id,
        NO_CLIENT_ID,
        Address(owner.to_bytes(20, "big")),
        MarketId(1),
        side,
        Ticks(price),
        Lots(size),
        Lots(size),
        self_trade=mode,
        good_till=Millis(good_till),
    )
