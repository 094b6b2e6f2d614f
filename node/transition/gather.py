"""Orders of an auction market are gathered: they may trade when the block ends, all at one price.

Until then an order is open like any other, holds back its reserve and can be cancelled, but stands
in no book. What each type means here:

- GTC       takes part in the auction; what is left of it rests.
- IOC       takes part; what is left is cancelled.
- MARKET    likewise, at the protection that its price and the band are.
- POST_ONLY, SLIDE  never pay as takers. So they sit out the auction of the block they arrive in,
            and rest after it, unless the book that it leaves behind would cross them.
- FOK       is refused: who gets how much is only known when all are in.

An order draws the price towards itself with all of its size, and must be able to bear that. Unless
it is reduce-only, it is admitted only if its account could pay for all of it at its own limit, and
holds back that much.

Nobody meets himself in an auction: of an account's two sides one gives way on arrival, as the
arriving order says for itself (``SelfTrade``), even if a price between the two might have let only
one of them trade.
"""

from operator import attrgetter
from typing import Final

from node.margin.fill import fill_effect
from node.margin.position import NO_MONEY, Position
from node.matching.book import Order
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.orders import amended, cancelled, is_open, remove_order, shrink_order
from node.transition.state import Market, State
from node.types.commands import POST_ONLY_TYPES, OrderType, SelfTrade, Side
from node.types.errors import AuctionFull, InsufficientMargin, OrderTypeRefused
from node.types.events import CancelReason
from node.types.ids import NO_ADDRESS
from node.types.rules import Ordering
from node.types.units import Lots, Money

_PLENTY: Final = 2**160
"""More than any fill can cost: what is left of it tells what one does cost."""

SHARES: Final = 8
"""One account may have an auction's room divided by this, rounded up."""

_rank = attrgetter("rank")


def check_gathering(state: State, account: Account, market: Market, kind: OrderType) -> None:
    """Raise ``OrderTypeRefused`` or ``AuctionFull`` unless one of ``kind`` may be gathered."""
    check_kind(market, kind)
    check_room(state, account, market, kind)


def check_kind(market: Market, kind: OrderType) -> None:
    """Raise ``OrderTypeRefused`` for what the auctions of ``market``, if it has any, never take."""
    if kind is OrderType.FOK and market.ordering is Ordering.AUCTION:
        raise OrderTypeRefused(market=market.market_id, type=kind.name.lower())


def check_room(state: State, account: Account, market: Market, kind: OrderType) -> None:
    """Raise ``AuctionFull`` where no more of ``kind`` fit in: of all, or of the account's own.

    What only rests afterwards takes no room from what may trade, nor the other way round.
    """
    limit = state.rules.limits.orders_per_auction
    share = -(-limit // SHARES)
    quotes = kind in POST_ONLY_TYPES
    if market.arrivals.count(quotes) >= limit:
        raise AuctionFull(limit=limit)
    if market.arrivals.count(quotes, account.address) >= share:
        raise AuctionFull(limit=share)


def drawn_at_limit(
    market: Market, position: Position | None, side: int, price: int, size: int
) -> Money:
    """Return what filling all of an order at its limit would take out of free collateral.

    Raises ``InsufficientMargin`` where the position that it would close could not bear the price.
    """
    if position is None:
        position = Position(NO_ADDRESS, market.market_id)
    rules, index = market.rules, market.funding_index
    effect = fill_effect(
        rules,
        position,
        index,
        market.mark,
        _PLENTY,
        -size if side else size,
        price,
        rules.taker_fee,
        market.buffer,
    )
    if effect is None:
        raise InsufficientMargin(equity=position.equity(price, index), required=NO_MONEY)
    return Money(max(NO_MONEY, _PLENTY - effect.free))


def gather(effects: Effects, account: Account, order: Order, kind: OrderType) -> None:
    """Let an admitted order wait for the auction, unless it meets its own account there."""
    other = account.other(order) if order.group else None
    accepted = order.remaining
    reason = _own_in_the_way(effects, account, order)
    if other is not None and not is_open(account, other):
        reason = CancelReason.ONE_CANCELS_OTHER
    if reason is not None:
        effects.events.append(cancelled(order, reason, resting=False))
        if other is not None:
            effects.others.append(other)
        return
    if order.remaining < accepted:
        effects.events.append(amended(order, 0, 0, order.remaining, resting=True))
    account.free -= order.reserve
    account.hold(order)
    effects.state.join_auction(order, kind)
    effects.account_changed(account)


def _own_in_the_way(effects: Effects, account: Account, order: Order) -> CancelReason | None:
    """Settle with the account's own orders that ``order`` crosses; return why it is out, if so."""
    mode = order.self_trade
    own = [other for other in account.orders.values() if _cross(order, other)]
    for other in sorted(own, key=_rank):
        if 0 < other.good_till <= effects.state.time:
            remove_order(effects, other, CancelReason.EXPIRED)
            continue
        if mode is SelfTrade.CANCEL_TAKER:
            return CancelReason.SELF_TRADE
        decrement, left = mode is SelfTrade.DECREMENT, other.remaining - order.remaining
        least = effects.state.market(order.market).rules.min_notional
        if decrement and left > 0 and other.price * left >= least:
            _shrink(effects, account, other, left)
            return CancelReason.SELF_TRADE
        remove_order(effects, other, CancelReason.SELF_TRADE)
        if decrement and left < 0 and order.price * -left >= least:
            order.size = Lots(order.size - other.remaining)
            order.remaining = Lots(-left)
        elif mode is not SelfTrade.CANCEL_MAKER:
            return CancelReason.SELF_TRADE
    return None


def _cross(order: Order, other: Order) -> bool:
    if other.market != order.market or other.side == order.side:
        return False
    if order.side == Side.BUY:
        return order.price >= other.price
    return order.price <= other.price


def _shrink(effects: Effects, account: Account, order: Order, left: int) -> None:
    """Let an own order keep ``left`` lots."""
    shrink_order(effects, account, order, Lots(left))
    lost = order.remaining - left
    if order.resting:
        effects.state.market(order.market).book.reduce(order, lost)
    else:
        order.remaining = Lots(left)
    order.size = Lots(order.size - lost)
