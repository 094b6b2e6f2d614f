"""An open order changes its price, its size, its end or what it waits for, and keeps its ids.

The size counts what is filled already, so a fill on the way cannot make the order larger than its
owner meant; where nothing is left of it the order is cancelled, whatever else it should have been.
One that only loses size, or ends at another time, keeps its place in the queue. Any other has to
pass all that an arriving order has to, with what it reserves itself counted as free; then it leaves
its place and arrives anew, behind all others of its price.
"""

import msgspec

from node.margin.position import NO_MONEY
from node.matching.book import Order
from node.transition.account import Account
from node.transition.arrival import arrive
from node.transition.effects import Effects
from node.transition.new_order import admit
from node.transition.orders import amended, cancel_order, open_order, shrink_order
from node.transition.set_trigger import check_trigger, check_waiting_size
from node.transition.state import State
from node.transition.steps import Steps
from node.transition.waiting import Waiting
from node.transition.work_fee import WorkFee, has_new_terms, left_after
from node.types.commands import AmendOrder, NewOrder, OrderType, Side
from node.types.errors import AmendInvalid, CommandRejected, NotionalTooSmall, OrderExpired
from node.types.events import CancelReason
from node.types.units import Lots, Millis, Money


def amend(
    effects: Effects,
    account: Account,
    change: AmendOrder,
    work: WorkFee | None,
    steps: Steps,
    fault: CommandRejected | None,
) -> int:
    """Amend the order; return its fills, if they are charged. Raises before the first change.

    ``fault`` is why it cannot be paid for. An amend that leaves nothing of its order is a cancel,
    and goes through all the same.
    """
    order = _find(effects.state, account, change)
    left = left_after(order, change)
    if left <= 0:
        cancel_order(effects, order, CancelReason.AMENDED)
        return 0
    _check(effects.state, order, change, left)
    if fault is not None:
        raise fault
    if isinstance(order, Waiting):
        _rewrite(effects, order, change)
        return 0
    if change.price == order.price and left <= order.remaining:
        _stay(effects, account, order, Lots(left), change.good_till or order.good_till)
        return 0
    per_fill = work.per_fill if work and not order.reduce_only else NO_MONEY
    return _move(effects, account, order, change, Lots(left), per_fill, steps)


def _find(state: State, account: Account, change: AmendOrder) -> Order | Waiting:
    order = open_order(account, change)
    if order.market != change.market:
        raise AmendInvalid(detail="the order is in another market")
    if isinstance(order, Order) and not order.resting:
        raise AmendInvalid(detail="the order waits for its auction")
    if 0 < order.good_till <= state.time:
        raise OrderExpired(good_till=order.good_till, now=state.time)
    return order


def _check(state: State, order: Order | Waiting, change: AmendOrder, left: int) -> None:
    """Raise unless ``change`` asks for something that ``order`` can have."""
    if change.trigger_price and not isinstance(order, Waiting):
        raise AmendInvalid(detail="the order does not wait for a price")
    if 0 < change.good_till <= state.time:
        raise OrderExpired(good_till=change.good_till, now=state.time)
    same_lots = change.price == order.price and left == order.remaining
    if same_lots and not has_new_terms(order, change):
        raise AmendInvalid(detail="nothing would change")


def _rewrite(effects: Effects, waiting: Waiting, change: AmendOrder) -> None:
    """Amend an order that waits: the rules of its entry, and no place to lose.

    Only another price to wait for is held to the mark: the one that it has may be met already, a
    moment before it arrives.
    """
    state = effects.state
    market = state.market(waiting.market)
    new = msgspec.structs.replace(
        waiting.new,
        price=change.price,
        size=change.size,
        trigger_price=change.trigger_price or waiting.trigger_price,
        good_till=change.good_till or waiting.good_till,
    )
    check_waiting_size(market, new)
    if new.trigger_price != waiting.trigger_price:
        check_trigger(state, market, new)
        _check_reach(new)
    waiting.new = new
    state.touched.waiting.add(waiting)
    effects.events.append(amended(waiting, 0, 0, change.size, resting=True))


def _check_reach(new: NewOrder) -> None:
    """Raise ``AmendInvalid`` for a market order whose worst price its new trigger price is past.

    It would be used up on arrival. Who placed it so may have meant it; who moved it so has not.
    """
    past = new.trigger_price - new.price
    if new.type is OrderType.MARKET and (past > 0 if new.side is Side.BUY else past < 0):
        raise AmendInvalid(detail="a market order's worst price must go along with its trigger")


def _stay(effects: Effects, account: Account, order: Order, left: Lots, good_till: Millis) -> None:
    """Take lots off an order that keeps its place, or move its end.

    What stays must be worth its minimum, unless fills alone have left so little.
    """
    market = effects.state.market(order.market)
    taken = order.remaining - left
    if taken and order.price * left < market.rules.min_notional:
        raise NotionalTooSmall(notional=order.price * left, minimum=market.rules.min_notional)
    order.good_till = good_till
    if not taken:
        effects.state.touched.orders.add(order)
        effects.events.append(amended(order, order.price, left, left, resting=True))
        return
    shrink_order(effects, account, order, left)
    market.book.reduce(order, taken)
    order.size = Lots(order.size - taken)


def _move(
    effects: Effects,
    account: Account,
    order: Order,
    change: AmendOrder,
    left: Lots,
    per_fill: Money,
    steps: Steps,
) -> int:
    """Let the order leave its place, and one with its ids and what is filled arrive instead."""
    state = effects.state
    kind = OrderType.POST_ONLY if order.post_only else OrderType.GTC
    new = NewOrder(
        order.market,
        order.side,
        kind,
        change.price,
        left,
        order.reduce_only,
        order.client_id,
        order.self_trade,
        change.good_till or order.good_till,
        group=order.group,
    )
    moved, crosses = admit(state, account, new, per_fill, steps, order)
    state.market(order.market).book.remove(order)
    account.let_go(order)
    state.touched.orders.add(order)
    effects.account_changed(account)
    moved.size = Lots(moved.size + order.size - order.remaining)
    moved.rank = state.next_order_id
    state.next_order_id += 1
    effects.events.append(
        amended(moved, order.price, order.remaining, moved.remaining, resting=False)
    )
    return arrive(effects, account, moved, crosses, kind, per_fill, steps)
