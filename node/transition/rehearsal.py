"""Fill-or-kill: the crossing is rehearsed on a copy of just those orders that it could reach.

The same code decides the rehearsal and the real thing, so a yes cannot differ from what then
happens, whatever margin says of each maker on the way. A no may, by the orders behind those that
were copied, where orders with nothing to reduce, or too little behind them, leave several in one
step: such an order is refused, though it might just have been filled.
"""

from itertools import islice, takewhile
from typing import Final

import msgspec

from node.margin.position import Position
from node.matching.book import Order
from node.matching.match import Stop
from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.state import Market, State
from node.transition.steps import Steps
from node.transition.trade import Trade
from node.types.commands import NewOrder, SelfTrade, Side
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Money, Ticks

_STAGED: Final = MarketId(1)
"""The market of a rehearsal, whichever it is a copy of."""


def would_fill(
    state: State,
    account: Account,
    new: NewOrder,
    price: Ticks,
    size: Lots,
    per_fill: Money,
    steps: Steps,
) -> bool:
    """Return whether ``size`` lots would be filled at ``price`` or better, at once and in full.

    Each maker that is tried out is one of the action's ``steps``, whatever comes of it.
    """
    limit = steps.most_tried
    market = state.market(new.market)
    makers = _within_reach(market, new.side, price, limit)
    if new.self_trade is not SelfTrade.CANCEL_MAKER:
        makers = _before_own(makers, account, state.time)
    # Most noes are this simple, and a no is free: it must not cost us a rehearsal.
    living = (maker for maker in makers if not 0 < maker.good_till <= state.time)
    if sum(maker.remaining for maker in living if maker.account != account.address) < size:
        return False
    steps.take(len(makers))
    # A state has all markets of its rules, and there may be a thousand of them.
    alone = msgspec.structs.replace(state.rules, markets=(market.rules,))
    stage = State(alone, state.domain)
    copy = stage.market(_STAGED)
    stage.time, stage.lag = state.time, state.lag
    copy.variance = market.variance
    copy.move_mark(market.mark, market.mark_time)
    copy.funding_index = market.funding_index
    taker = _copy_account(stage, account, new.market)
    for maker in makers:
        owner = stage.accounts.get(maker.account)
        if owner is None:
            owner = _copy_account(stage, state.accounts[maker.account], new.market)
        _copy_order(stage, owner, maker)
    order = Order(
        OrderId(0), 0, new.client_id, account.address, _STAGED, new.side, price, size, size,
        reduce_only=new.reduce_only, self_trade=new.self_trade,
    )  # fmt: skip
    return Trade(Effects(stage), copy, taker, order, per_fill).run(limit) is Stop.FILLED


def _within_reach(market: Market, side: Side, price: Ticks, limit: int) -> list[Order]:
    """Return the first ``limit`` orders that one on ``side`` meets at ``price`` or better."""
    makers = islice(market.book.orders(side.opposite), limit)
    if side == Side.BUY:
        return list(takewhile(lambda maker: maker.price <= price, makers))
    return list(takewhile(lambda maker: maker.price >= price, makers))


def _before_own(makers: list[Order], account: Account, now: int) -> list[Order]:
    """Return the makers before the first living one of the account's own.

    Whatever an order that does not simply cancel it would do there, it would not be filled.
    """
    return list(
        takewhile(
            lambda maker: maker.account != account.address or 0 < maker.good_till <= now, makers
        )
    )


def _copy_account(stage: State, account: Account, market: MarketId) -> Account:
    copy = stage.open_account(account.address)
    copy.free = account.free
    held = account.positions.get(market)
    if held is not None:
        position = copy.positions[_STAGED] = Position(account.address, _STAGED)
        position.size, position.entry = held.size, held.entry
        position.margin, position.funding = held.margin, held.funding
    return copy


def _copy_order(stage: State, owner: Account, order: Order) -> None:
    copy = Order(
        order.order_id, order.rank, order.client_id, order.account, _STAGED, order.side,
        order.price, order.size, order.remaining, reduce_only=order.reduce_only,
        reserve=order.reserve, good_till=order.good_till, group=order.group,
    )  # fmt: skip
    stage.market(_STAGED).book.add(copy)
    owner.hold(copy)
