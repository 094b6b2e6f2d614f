"""Whether a new order may enter: everything that is checked before anything changes."""

from typing import Final

from node.margin.position import NO_LOTS, NO_MONEY, Position, order_reserve
from node.matching.book import Order
from node.matching.match import first_living
from node.transition.account import Account
from node.transition.client_ids import order_named, with_another
from node.transition.gather import check_gathering, drawn_at_limit
from node.transition.rehearsal import would_fill
from node.transition.state import Market, State
from node.transition.steps import Steps
from node.transition.waiting import Waiting
from node.types.commands import POST_ONLY_TYPES, NewOrder, OrderType, Side
from node.types.errors import (
    DuplicateClientId,
    FillOrKillUnfilled,
    GroupFull,
    InsufficientCollateral,
    NothingToTake,
    NotionalTooSmall,
    OrderExpired,
    PositionTooLarge,
    PostOnlyWouldCross,
    PriceOutsideBand,
    ReduceOnlyNothing,
    SizeInvalid,
    TooManyOpenOrders,
    UnknownMarket,
)
from node.types.ids import ClientOrderId, OrderId
from node.types.rules import Ordering
from node.types.units import Lots, Money, Ticks

# A name of this module is found several times faster than a member of an enum class.
_BUY: Final = Side.BUY
_GTC: Final = OrderType.GTC
_FOK: Final = OrderType.FOK
_POST_ONLY: Final = OrderType.POST_ONLY
_MARKET: Final = OrderType.MARKET
_SLIDE: Final = OrderType.SLIDE
_AUCTION: Final = Ordering.AUCTION


def admit(
    state: State,
    account: Account,
    new: NewOrder,
    per_fill: Money,
    steps: Steps,
    own: Order | Waiting | None = None,
) -> tuple[Order, bool]:
    """Return the order that ``new`` enters as, and whether it will cross. Changes nothing.

    Raises the first rule that it breaks. The order's price and size are the effective ones, its
    reserve is what it holds back if it rests as it is, its id the next one.

    A market order's price is held to the price band, a reduce-only order's size to what there is to
    reduce. ``per_fill`` is what each fill costs in work, ``steps`` what trying it out may take.

    ``own``: the open order whose id and names ``new`` takes over, and which is gone already or will
    be. What it reserves is free for ``new``.
    """
    if not 1 <= new.market <= len(state.markets):
        raise UnknownMarket(market=new.market)
    if new.good_till and new.good_till <= state.time:
        raise OrderExpired(good_till=new.good_till, now=state.time)
    market = state.markets[new.market - 1]
    position = account.positions.get(new.market)
    size = _check_size(market, position, new)
    if not new.reduce_only:
        market.require_fresh(state.time, state.lag)
    price = _check_price(market, state.time, new)
    buying = new.side is _BUY
    level = (market.book.asks if buying else market.book.bids).best
    first = None if level is None else level.first
    best = None if first is None else first.price
    crosses = meets = best is not None and (price >= best if buying else price <= best)
    if first is not None and first.good_till:
        best, meets = _meets_living(market, new.side, price, state.time, steps.most)
    if meets and new.type is _SLIDE and best is not None and first is not None:
        price, meets = _slide(market, new, best), False
        crosses = price >= first.price if buying else price <= first.price
    _check_notional(market, position, new, price, size)
    if own is None:
        check_open_orders(state, account, market, new)
    if new.type is not _GTC or market.ordering is _AUCTION:
        _check_type(state, account, market, new, best, meets)
    reserve = NO_MONEY
    if not new.reduce_only:
        reserve = _check_collateral(market, account, position, new, price, size, own)
    if new.type is _FOK and not would_fill(state, account, new, price, size, per_fill, steps):
        raise FillOrKillUnfilled(size=size)
    order_id = OrderId(state.next_order_id) if own is None else own.order_id
    order = Order(
        order_id, order_id, new.client_id, account.address, new.market, new.side, price, size, size,
        new.reduce_only, reserve, new.type is not _GTC and new.type in POST_ONLY_TYPES,
        new.self_trade, new.good_till, new.group,
    )  # fmt: skip
    return order, crosses


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
        raise market.stale(now)
    price = new.price
    if low <= price <= high:
        return price
    if new.type is _MARKET and (price > high) == (new.side is _BUY):
        return high if price > high else low
    raise PriceOutsideBand(price=price, low=low, high=high)


def _check_notional(
    market: Market, position: Position | None, new: NewOrder, price: Ticks, size: Lots
) -> None:
    """Raise ``NotionalTooSmall`` unless ``size`` lots are worth the minimum, or close all there is.

    A reduce-only order that closes less is held to the minimum as well: reducing lot by lot, it
    would reserve nothing and make a wall of dust.

    A market sell's price is only the least that it takes, so that the mark stands for it, or the
    price that it waited for. That makes no dust: it never rests, and in an auction there may be as
    small ones anyway, with a limit at the mark. A buy's price is the most that it pays.
    """
    worth = int(price)
    if new.type is _MARKET and new.side is not _BUY:
        worth = max(worth, market.mark, new.trigger_price)
    if worth * size >= market.rules.min_notional:
        return
    if not new.reduce_only or position is None or size != position.reducible(new.side):
        raise NotionalTooSmall(notional=worth * size, minimum=market.rules.min_notional)


def check_client_id(account: Account, client_id: ClientOrderId) -> None:
    """Raise ``DuplicateClientId`` if an order was given ``client_id``: open, or one of the last."""
    open_order = account.clients.get(client_id)
    first = (
        order_named(account.client_ids, client_id) if open_order is None else open_order.order_id
    )
    if first is not None:
        raise DuplicateClientId(client_id=client_id, order_id=first)


def note_client_id(state: State, account: Account, new: NewOrder, order_id: OrderId) -> None:
    """Keep in mind that ``new`` entered as ``order_id``, if it has a client id."""
    if new.client_id:
        kept = state.rules.limits.client_ids_kept
        account.client_ids = with_another(account.client_ids, new.client_id, order_id, kept)


def check_open_orders(state: State, account: Account, market: Market, new: NewOrder) -> None:
    """Raise unless there is room for ``new`` among the open orders, and in its group.

    What neither waits, nor is gathered, nor rests is never one of them: however many there are,
    their account can get out of its positions.
    """
    limit = state.rules.limits.open_orders_per_account
    if len(account.orders) + len(account.waiting) >= limit:
        may_rest = new.type is _GTC or new.type in POST_ONLY_TYPES
        if may_rest or new.trigger or market.ordering is _AUCTION:
            raise TooManyOpenOrders(limit=limit)
    if new.group and len(account.groups.get(new.group, ())) > 1:
        raise GroupFull(group=new.group)


def _slide(market: Market, new: NewOrder, best: Ticks) -> Ticks:
    """Return the price one tick before ``best``. Raises ``PostOnlyWouldCross`` past the band."""
    price = Ticks(best - 1 if new.side is _BUY else best + 1)
    low, high = market.band
    if not low <= price <= high:
        raise PostOnlyWouldCross(price=new.price, best=best)
    return price


def _meets_living(
    market: Market, side: Side, price: int, now: int, most: int
) -> tuple[Ticks | None, bool]:
    """Return the best opposing price that is not of a dead order, and whether ``price`` meets it.

    The dead are cleared away when the order arrives, each for a step of the ``most`` that it has.
    """
    living = first_living(market.book, side.opposite, now, most)
    if living is None:
        return None, False
    return living.price, price >= living.price if side is _BUY else price <= living.price


def _check_type(
    state: State,
    account: Account,
    market: Market,
    new: NewOrder,
    best: Ticks | None,
    crosses: bool,
) -> None:
    if market.ordering is _AUCTION:
        check_gathering(state, account, market, new.type)
    if new.type is _POST_ONLY:
        if crosses:
            raise PostOnlyWouldCross(price=new.price, best=best)
    elif new.type is _GTC or new.type is _SLIDE or crosses:
        return
    elif market.ordering is not _AUCTION:
        raise NothingToTake(price=new.price, best=best)


def _check_collateral(
    market: Market,
    account: Account,
    position: Position | None,
    new: NewOrder,
    price: int,
    size: int,
    own: Order | Waiting | None,
) -> Money:
    """Return what the order reserves; raise unless free collateral covers what it may open."""
    held = position.size if position is not None else 0
    exposure = abs(held + (-size if new.side else size))
    if exposure > market.max_size and exposure > abs(held):
        raise PositionTooLarge(size=exposure, limit=market.max_size)
    replaced, free = 0, account.free
    if own is not None and isinstance(own, Order):
        replaced, free = own.remaining, free + own.reserve
    required = reserve_of(market, position, new.side, price, size, replaced)
    if market.ordering is _AUCTION and new.type not in POST_ONLY_TYPES:
        required = max(required, drawn_at_limit(market, position, new.side, price, size))
    if required > free:
        raise InsufficientCollateral(required=required, free=free, buffer=market.buffer)
    return required


def reserve_of(
    market: Market, position: Position | None, side: int, price: int, size: int, replaced: int = 0
) -> Money:
    """Return what an order of ``size`` lots holds back for what it opens, the buffer included.

    It opens what is beyond the lots left to close; those that resting orders on the same side will
    close are not there to be closed again, but for ``replaced`` lots of the one that it replaces.
    """
    rules, buffer = market.rules, market.buffer
    if position is None:
        return order_reserve(rules, price, size, size, buffer)
    closable = position.reducible(side) - position.resting[side] + replaced
    opening = size - closable if closable > 0 else size
    return order_reserve(rules, price, opening, abs(position.size) + size, buffer)
