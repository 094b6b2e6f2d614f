"""Whether a new order may enter: everything that is checked before anything changes."""

from node.margin.liquidation import price_band
from node.margin.position import order_reserve
from node.transition.rehearsal import would_fill
from node.transition.state import Account, Market, State
from node.types.commands import NewOrder, OrderType
from node.types.errors import (
    DuplicateClientId,
    FillOrKillUnfilled,
    InsufficientCollateral,
    MarkStale,
    NothingToTake,
    NotionalTooSmall,
    PositionTooLarge,
    PostOnlyWouldCross,
    PriceOutsideBand,
    ReduceOnlyNothing,
    SizeInvalid,
    TooManyOpenOrders,
    UnknownMarket,
)
from node.types.ids import MarketId
from node.types.units import Lots, Ticks


class Admitted:
    """An order that may enter: its effective limit price and size, and whether it will cross."""

    __slots__ = ("crosses", "price", "size")

    def __init__(self, price: Ticks, size: Lots, crosses: bool) -> None:
        self.price = price
        self.size = size
        self.crosses = crosses


def admit(state: State, account: Account, new: NewOrder) -> Admitted:
    """Return how ``new`` enters the market; raise the first rule that it breaks. Changes nothing.

    A market order's price is pulled into the price band, a reduce-only order's size down to what
    there is to reduce.
    """
    if not 1 <= new.market <= len(state.markets):
        raise UnknownMarket(market=new.market)
    market = state.markets[new.market - 1]
    size = _check_size(market, account, new)
    price = _check_price(market, state.time, new)
    _check_ids(state, account, new)
    best = market.book.best_price(new.side.opposite)
    crosses = best is not None and (price >= best if new.side == 0 else price <= best)
    _check_type(new, best, crosses)
    if not new.reduce_only:
        _check_collateral(market, account, new, price, size)
    if new.type is OrderType.FOK and not would_fill(state, account, new, price, size):
        raise FillOrKillUnfilled(size=size)
    return Admitted(price, size, crosses)


def _check_size(market: Market, account: Account, new: NewOrder) -> Lots:
    rules, size = market.rules, new.size
    if not 0 < size <= rules.max_size:
        raise SizeInvalid(size=size, limit=rules.max_size)
    if not new.reduce_only:
        if new.price * size < rules.min_notional:
            raise NotionalTooSmall(notional=new.price * size, minimum=rules.min_notional)
        return size
    position = account.positions.get(new.market)
    reducible = position.reducible(new.side) if position else Lots(0)
    if not reducible:
        raise ReduceOnlyNothing(market=new.market)
    return min(size, reducible)


def _check_price(market: Market, now: int, new: NewOrder) -> Ticks:
    """Return the effective limit price. Raises ``MarkStale`` or ``PriceOutsideBand``."""
    rules, mark = market.rules, market.mark
    age = market.mark_age(now)
    if not mark or (age > rules.mark_stale_ms and not new.reduce_only):
        raise MarkStale(market=new.market, age_ms=age, limit=rules.mark_stale_ms)
    low, high = price_band(rules, mark)
    if new.type is OrderType.MARKET:
        return Ticks(min(max(new.price, low), high))
    if not low <= new.price <= high:
        raise PriceOutsideBand(price=new.price, low=low, high=high)
    return new.price


def _check_ids(state: State, account: Account, new: NewOrder) -> None:
    limit = state.rules.limits.open_orders_per_account
    if len(account.orders) >= limit:
        raise TooManyOpenOrders(limit=limit)
    if new.client_id:
        open_order = account.clients.get(new.client_id)
        if open_order is not None:
            raise DuplicateClientId(client_id=new.client_id, order_id=open_order.order_id)


def _check_type(new: NewOrder, best: Ticks | None, crosses: bool) -> None:
    if new.type is OrderType.POST_ONLY:
        if crosses:
            raise PostOnlyWouldCross(price=new.price, best=best)
    elif new.type is not OrderType.GTC and not crosses:
        raise NothingToTake(price=new.price, best=best)


def _check_collateral(
    market: Market, account: Account, new: NewOrder, price: int, size: int
) -> None:
    """Raise unless free collateral covers what the order may open."""
    position = account.positions.get(new.market)
    held = position.size if position else 0
    exposure = abs(held + (-size if new.side else size))
    if exposure > market.rules.max_size and exposure > abs(held):
        raise PositionTooLarge(size=exposure, limit=market.rules.max_size)
    opening = opening_lots(account, new.market, new.side, size)
    required = order_reserve(market.rules, price, opening, abs(held) + size)
    if required > account.free:
        raise InsufficientCollateral(required=required, free=account.free)


def opening_lots(account: Account, market: MarketId, side: int, size: int) -> int:
    """Return how many lots of an order open something: those beyond what is left to close.

    What resting orders on the same side will close is not there to be closed again.
    """
    position = account.positions.get(market)
    if position is None:
        return size
    closable = position.reducible(side) - position.resting[side]
    return size - min(size, max(0, closable))
