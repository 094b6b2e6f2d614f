"""What the orderings of a market add to the naive engine: two phases, and what auctions gather."""

from node.types import errors
from node.types.commands import CancelAll, OrderType, PlaceOrders, SelfTrade, Side, Trigger
from node.types.events import CancelReason
from node.types.ids import Address
from node.types.rules import Ordering
from tests.property import naive_rules as rules_of
from tests.property.naive_exchange import Exchange, Listed, Open, Waiting
from tests.property.naive_rules import Fill, Holding
from tests.property.naive_trade import amended, gone, shrink, take_off

NEVER_TAKES = {OrderType.POST_ONLY, OrderType.SLIDE}
PLENTY = 2**160


def meets(order: Open, price: int) -> bool:
    """Return whether ``order`` would trade at ``price``, or better."""
    return order.price >= price if order.side is Side.BUY else order.price <= price


# --- cancels first ------------------------------------------------------------------------------


def require_first_phase(
    exchange: Exchange, order: Open | Waiting, action: PlaceOrders | CancelAll
) -> None:
    """Refuse to cancel what somebody may have taken who saw it before the block."""
    if isinstance(action, PlaceOrders) and _may_take(exchange, action):
        return
    now = exchange.totals
    for leaving in (order, exchange.other(order)):
        if not isinstance(leaving, Open):
            continue
        began = exchange.markets[leaving.market - 1].taking_block == now.block
        if began and leaving.rank < now.first_order:
            raise errors.OutOfPhase(market=leaving.market)


def _may_take(exchange: Exchange, action: PlaceOrders) -> bool:
    """Return whether some item may trade on arrival where cancels go first."""
    ordered = exchange.rules.ordered(Ordering.CANCELS_FIRST)
    if any(change.market in ordered for change in action.amends):
        return True
    return any(
        new.market in ordered and new.type not in NEVER_TAKES and new.trigger is Trigger.NONE
        for new in action.orders
    )


# --- auctions -----------------------------------------------------------------------------------


def check_gathering(exchange: Exchange, account: Address, market: Listed, kind: OrderType) -> None:
    """Refuse what no auction takes in, and more than one may hold."""
    check_type(market, kind)
    check_room(exchange, account, market, kind)


def check_type(market: Listed, kind: OrderType) -> None:
    """Refuse a fill-or-kill order where all are to wait for an auction."""
    if market.rules.ordering is Ordering.AUCTION and kind is OrderType.FOK:
        raise errors.OrderTypeRefused(market=market.market_id, type="fok")


def check_room(exchange: Exchange, account: Address, market: Listed, kind: OrderType) -> None:
    """Refuse an order where those that are to trade, or those that are not, have no room left.

    An eighth of the room is one account's.
    """
    limit = exchange.rules.limits.orders_per_auction
    gathered = exchange.gathered(market.market_id)
    same = [one for one in gathered if (one.gathered in NEVER_TAKES) == (kind in NEVER_TAKES)]
    if len(same) >= limit:
        raise errors.AuctionFull(limit=limit)
    eighth = rules_of.up(limit, 8)
    if sum(one.account == account for one in same) >= eighth:
        raise errors.AuctionFull(limit=eighth)


def drawn_at_limit(exchange: Exchange, market: Listed, order: Open) -> int:
    """Return what all of ``order`` would cost at its own limit, as a taker."""
    held = exchange.position(order.account, order.market)
    lots = order.remaining if order.side is Side.BUY else -order.remaining
    settled = exchange.settled(held)
    before = Holding(held.size, held.entry, settled, PLENTY)
    fill = Fill(lots, order.price, market.rules.taker_fee)
    buffer = exchange.buffer(market)
    effect = rules_of.after_fill(market.rules, before, market.mark, fill, buffer)
    if effect is None:
        equity = settled + held.size * order.price - held.entry
        raise errors.InsufficientMargin(equity=equity, required=0)
    return max(0, PLENTY - effect[0].free)


def gather(exchange: Exchange, order: Open, kind: OrderType) -> None:
    """Let ``order`` wait for its auction, unless it would meet its own account there."""
    other, accepted = exchange.other(order), order.remaining
    reason = _own_in_the_way(exchange, order)
    if other is not None and not exchange.is_open(other):
        reason = CancelReason.ONE_CANCELS_OTHER
    if reason is not None:
        exchange.events.append(gone(order, reason, resting=False))
        if other is not None:
            exchange.others.append(other)
        return
    if order.remaining < accepted:
        exchange.events.append(amended(order, 0, 0, order.remaining, resting=True))
    exchange.owners[order.account].free -= order.reserve
    order.gathered = kind
    exchange.orders.append(order)
    exchange.balance_changed(order.account)


def _own_in_the_way(exchange: Exchange, order: Open) -> CancelReason | None:
    """Do with the account's own orders what ``order`` asks for; return why it is out, if it is."""
    mode = order.self_trade
    least = exchange.markets[order.market - 1].rules.min_notional
    own = [
        one
        for one in exchange.orders_of(order.account, order.market)
        if one.side is not order.side and meets(order, one.price)
    ]
    for one in sorted(own, key=lambda each: each.rank):
        if exchange.is_dead(one):
            take_off(exchange, one, CancelReason.EXPIRED)
            continue
        if mode is SelfTrade.CANCEL_TAKER:
            return CancelReason.SELF_TRADE
        left = one.remaining - order.remaining
        if mode is SelfTrade.DECREMENT and left > 0 and one.price * left >= least:
            shrink(exchange, one, left)
            return CancelReason.SELF_TRADE
        take_off(exchange, one, CancelReason.SELF_TRADE)
        if mode is SelfTrade.DECREMENT and left < 0 and order.price * -left >= least:
            order.remaining -= one.remaining
            order.size -= one.remaining
        elif mode is not SelfTrade.CANCEL_MAKER:
            return CancelReason.SELF_TRADE
    return None
