"""A trigger order enters: it waits outside the book, and reserves nothing, until it is met.

What depends on book, collateral or position is looked at when it arrives. The rest is looked at
now, so that what could never arrive does not wait.
"""

from node.transition.account import Account
from node.transition.effects import Effects
from node.transition.gather import check_kind
from node.transition.new_order import check_open_orders, note_client_id
from node.transition.oracle_round import MAX_MARK
from node.transition.state import Market, State
from node.transition.waiting import Waiting, is_met
from node.transition.work_fee import WorkFee, adds_risk
from node.types.commands import NewOrder, OrderType
from node.types.errors import (
    NotionalTooSmall,
    OrderExpired,
    SizeInvalid,
    TriggerInvalid,
    UnknownMarket,
)
from node.types.events import TriggerSet
from node.types.ids import OrderId
from node.types.units import Money


def set_trigger(
    effects: Effects,
    account: Account,
    new: NewOrder,
    item: int,
    work: WorkFee | None,
    max_fee: Money,
) -> None:
    """Let ``new`` wait. Raises before the first change."""
    state = effects.state
    if work and work.fault is not None and adds_risk(account, new):
        raise work.fault
    _check(state, account, new)
    waiting = Waiting(OrderId(state.next_order_id), account.address, new, max_fee)
    state.next_order_id += 1
    note_client_id(state, account, new, waiting.order_id)
    account.keep(waiting)
    state.touched.waiting.add(waiting)
    effects.events.append(
        TriggerSet(
            item,
            waiting.order_id,
            new.client_id,
            account.address,
            new.market,
            new.side,
            new.trigger,
            new.trigger_price,
            new.price,
            new.size,
        )
    )


def _check(state: State, account: Account, new: NewOrder) -> None:
    """Raise the first rule that ``new`` breaks."""
    if not 1 <= new.market <= len(state.markets):
        raise UnknownMarket(market=new.market)
    market = state.market(new.market)
    if 0 < new.good_till <= state.time:
        raise OrderExpired(good_till=new.good_till, now=state.time)
    check_kind(market, new.type)
    check_waiting_size(market, new)
    check_trigger(state, market, new)
    check_open_orders(state, account, market, new)


def check_trigger(state: State, market: Market, new: NewOrder) -> None:
    """Raise ``MarkStale`` without a mark, ``TriggerInvalid`` where nothing is to be waited for."""
    if not market.mark:
        raise market.stale(state.time)
    is_price = 0 < new.trigger_price < MAX_MARK
    if not (new.trigger and is_price) or is_met(new, market.mark):
        raise TriggerInvalid(trigger_price=new.trigger_price, mark=market.mark)


def check_waiting_size(market: Market, new: NewOrder) -> None:
    """Raise ``SizeInvalid`` or ``NotionalTooSmall``.

    A market order's price is only a protection, so that its trigger's stands for it. A reduce-only
    one may be smaller than the minimum: whether it closes all is known when it arrives.
    """
    if not 0 < new.size <= market.max_size:
        raise SizeInvalid(size=new.size, limit=market.max_size)
    price = new.price
    if price and new.type is OrderType.MARKET:
        price = new.trigger_price
    minimum = 1 if new.reduce_only else market.rules.min_notional
    if price * new.size < minimum:
        raise NotionalTooSmall(notional=price * new.size, minimum=minimum)
