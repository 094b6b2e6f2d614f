"""Whether a new order may enter: everything that is checked before anything changes."""

from typing import Final

from node.margin.position import NO_LOTS, NO_MONEY, Position, order_reserve
from node.transition.rehearsal import would_fill
from node.transition.state import Account, Market, State
from node.transition.steps import Steps
from node.types.commands import NewOrder, OrderType, Side
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
from node.types.units import Lots, Money, Ticks

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY
_GTC: Final = OrderType.GTC
_FOK: Final = OrderType.FOK
_POST_ONLY: Final = OrderType.POST_ONLY
_MARKET: Final = OrderType.MARKET


class Admitted:
    """An order that may enter: its effective limit price and size, and whether it will cross.

    ``reserve`` is what it holds back if it rests as it is.
    """

    __slots__ = ("crosses", "price", "reserve", "size")

    def __init__(self, price: Ticks, size: Lots, reserve: Money, crosses: bool) -> None:
        self.price = price
        self.size = size
        self.reserve = reserve
        self.crosses = crosses


def admit(state: State, account: Account, new: NewOrder, per_fill: Money, steps: Steps) -> Admitted:
    """Return how ``new`` enters the market; raise the first rule that it breaks. Changes nothing.

    A market order's price is held to the price band, a reduce-only order's size to what there is to
    reduce. One that closes less than all of it is held to the minimum as well: reducing lot by lot,
    it would reserve nothing and make a wall of dust. ``per_fill`` is what each fill costs in work,
    ``steps`` what trying it out may take.
    """
    if not 1 <= new.market <= len(state.markets):
        raise UnknownMarket(market=new.market)
    market = state.markets[new.market - 1]
    position = account.positions.get(new.market)
    size = _check_size(market, position, new)
    if not new.reduce_only:
        market.require_fresh(state.time, state.lag)
    price = _check_price(market, state.time, new)
    closes_all = new.reduce_only and position is not None and size == position.reducible(new.side)
    if price * size < market.rules.min_notional and not closes_all:
        raise NotionalTooSmall(notional=price * size, minimum=market.rules.min_notional)
    _check_ids(state, account, new)
    buying = new.side is _BUY
    level = (market.book.asks if buying else market.book.bids).best
    best = None if level is None else level.price
    crosses = best is not None and (price >= best if buying else price <= best)
    _check_type(new, best, crosses)
    reserve = NO_MONEY
    if not new.reduce_only:
        reserve = _check_collateral(market, account, position, new, price, size)
    if new.type is _FOK and not would_fill(state, account, new, price, size, per_fill, steps):
        raise FillOrKillUnfilled(size=size)
    return Admitted(price, size, reserve, crosses)


def _check_size(market: Market, position: Position | None, new: NewOrder) -> Lots:
    size = new.size
    if not 0 < size <= market.max_size:
        raise SizeInvalid(size=size, limit=market.max_size)
    if not new.reduce_only:
        return size
    reducible = position.reducible(new.side) if position is not None else NO_LOTS
    if not reducible:
        raise ReduceOnlyNothing(market=new.market)
    return min(size, reducible)


def _check_price(market: Market, now: int, new: NewOrder) -> Ticks:
    """Return the effective limit price. Raises ``MarkStale`` without a mark, ``PriceOutsideBand``.

    The band only ever makes a market order's price stricter: what its sender named is never passed.
    """
    low, high = market.band
    if not high:
        age = market.mark_age(now)
        raise MarkStale(market=new.market, age_ms=age, limit=market.rules.mark_stale_ms)
    price = new.price
    if low <= price <= high:
        return price
    if new.type is _MARKET and (price > high) == (new.side is _BUY):
        return high if price > high else low
    raise PriceOutsideBand(price=price, low=low, high=high)


def _check_ids(state: State, account: Account, new: NewOrder) -> None:
    limit = state.rules.limits.open_orders_per_account
    if len(account.orders) >= limit:
        raise TooManyOpenOrders(limit=limit)
    if new.client_id:
        open_order = account.clients.get(new.client_id)
        if open_order is not None:
            raise DuplicateClientId(client_id=new.client_id, order_id=open_order.order_id)


def _check_type(new: NewOrder, best: Ticks | None, crosses: bool) -> None:
    if new.type is _POST_ONLY:
        if crosses:
            raise PostOnlyWouldCross(price=new.price, best=best)
    elif new.type is not _GTC and not crosses:
        raise NothingToTake(price=new.price, best=best)


def _check_collateral(
    market: Market,
    account: Account,
    position: Position | None,
    new: NewOrder,
    price: int,
    size: int,
) -> Money:
    """Return what the order reserves; raise unless free collateral covers what it may open."""
    held = position.size if position is not None else 0
    exposure = abs(held + (-size if new.side else size))
    if exposure > market.max_size and exposure > abs(held):
        raise PositionTooLarge(size=exposure, limit=market.max_size)
    required = reserve_of(market, position, new.side, price, size)
    if required > account.free:
        raise InsufficientCollateral(required=required, free=account.free, buffer=market.buffer)
    return required


def reserve_of(
    market: Market, position: Position | None, side: int, price: int, size: int
) -> Money:
    """Return what an order of ``size`` lots holds back for what it opens, the buffer included.

    It opens what is beyond the lots left to close; those that resting orders on the same side will
    close are not there to be closed again.
    """
    rules, buffer = market.rules, market.buffer
    if position is None:
        return order_reserve(rules, price, size, size, buffer)
    closable = position.reducible(side) - position.resting[side]
    opening = size - closable if closable > 0 else size
    return order_reserve(rules, price, opening, abs(position.size) + size, buffer)
