"""Uncross: the auction of a market ends, and all that arrived in the block meets the book at once.

    gather ─▶ collect ─▶ clear ─▶ can all bear their shares? ─▶ fill, pair by pair ─▶ rest
                 ▲                        │ no: who cannot is dropped
                 └────────────────────────┘

1. *Collect.* The arrivals, and of each side of the book the best orders that an arrival reaches, at
   most ``Limits.orders_per_auction`` of them. Where there are more, the price goes no further than
   the last one looked at, so that of the others none with a better limit is passed over; those at
   this very price get nothing, as if they had come later.
2. *Clear.* One price and everyone's share, by ``node.matching.auction``.
3. *Judge.* Each account is tried out on its shares, by the margin rules of every fill. An order
   that cannot bear its own is dropped, and the rest is cleared anew without it: a price must not
   stand that an empty promise has made. At most ``ROUNDS`` times.
4. *Fill.* Buyers and sellers are paired in turn, the book's before the arrivals, each pair judged
   once more as it is filled. Who fails now is dropped, and whom he would have served stays short.
5. *Rest.* What is left of arrivals rests or is cancelled, by their types.

Who rested before the block pays the maker's fee, who arrived in it the taker's. All steps together
are at most a small multiple of the orders collected.
"""

from typing import Final

from node.margin.position import NO_MONEY
from node.matching.book import Order
from node.matching.match import crosses
from node.transition.auction import Auction
from node.transition.effects import Effects
from node.transition.new_order import reserve_of
from node.transition.orders import cancel_others, remove_order, rest_order
from node.transition.state import Market
from node.types.commands import OrderType, Uncross
from node.types.errors import NothingToUncross, UnknownMarket
from node.types.events import CancelReason, Uncrossed

_IMMEDIATE: Final = (OrderType.IOC, OrderType.MARKET)


def uncross(effects: Effects, command: Uncross) -> None:
    """End the auction of the market. Raises ``UnknownMarket`` or ``NothingToUncross``."""
    state = effects.state
    if not 1 <= command.market <= len(state.markets):
        raise UnknownMarket(market=command.market)
    market = state.market(command.market)
    if not market.arrivals:
        raise NothingToUncross(market=command.market)
    market.age(state.time, state.lag)
    auction = Auction(effects, market)
    price, size = auction.run()
    effects.events.insert(0, Uncrossed(market.market_id, price, size))
    cancel_others(effects)
    for order, kind in sorted(market.arrivals.items(), key=lambda entry: entry[0].rank):
        if order in market.arrivals:
            if kind not in _IMMEDIATE:
                auction.clear_dead(order)
            _leave_or_rest(effects, market, order, kind)
    cancel_others(effects)


def _leave_or_rest(effects: Effects, market: Market, order: Order, kind: OrderType) -> None:
    """Let what is left of an arrival rest if it may, and cancel it otherwise."""
    state = effects.state
    account = state.accounts[order.account]
    reason = None
    reserve = NO_MONEY
    if kind in _IMMEDIATE:
        reason = CancelReason.IMMEDIATE_REMAINDER
    elif crosses(market.book, order):
        # What the auction could not look at, or what someone who dropped out was to take.
        reason = CancelReason.REFUSED_ON_ARRIVAL if order.post_only else CancelReason.FILL_LIMIT
    elif not order.reduce_only:
        position = account.position(order.market)
        left = order.remaining
        reserve = reserve_of(market, position, order.side, order.price, left, replaced=left)
        if reserve > account.free + order.reserve:
            reason = CancelReason.MARGIN
    if reason is not None:
        remove_order(effects, order, reason)
        return
    state.leave_auction(order)
    account.let_go(order)
    order.reserve = reserve
    rest_order(effects, account, order)
