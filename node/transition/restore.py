"""The way back from leaves: a state is rebuilt from them, queues and books included."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.matching.book import Order
from node.transition.leaves import (
    GLOBALS,
    MARKET,
    ORDER,
    ORDER_KEY,
    SWITCH_AND_NAMES,
    WAITING,
    WAITING_KEY,
)
from node.transition.nonces import NonceWindow
from node.transition.waiting import Waiting
from node.types.commands import NewOrder, OrderType, SelfTrade, Side, Trigger
from node.types.errors import StateDiverged
from node.types.ids import Address, ClientOrderId, MarketId, OrderId, Sequence
from node.types.units import UINT64_MAX, Lots, Millis, Money, Ticks

if TYPE_CHECKING:
    from node.transition.state import State


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def restore(state: "State", items: Iterable[tuple[bytes, bytes]]) -> None:
    """Fill an empty ``state`` from its leaves.

    Raises ``StateDiverged`` where a leaf is of no known kind, or was made under other rules.
    """
    orders: list[Order] = []
    for key, value in sorted(items):
        match key[0]:
            case 0:
                _restore_globals(state, value)
            case 1:
                _restore_account(state, key, value)
            case 2:
                _restore_position(state, key, value)
            case 3:
                orders.append(_order_from(state, key, value))
            case 4:
                _restore_market(state, key, value)
            case 5 if value == state.rules.digest():
                pass
            case 6:
                owner, amount = Address(value[:20]), Money(int.from_bytes(value[20:], "big"))
                state.withdrawals[int.from_bytes(key[1:9], "big")] = (owner, amount)
            case 7:
                waiting = _waiting_from(key, value)
                state.accounts[waiting.account].keep(waiting)
            case _:
                raise StateDiverged(where="leaf", key=key)
    for order in orders:
        _rest(state, order)


def _restore_globals(state: "State", value: bytes) -> None:
    (
        state.time,
        state.block,
        sequence,
        state.next_order_id,
        state.next_withdrawal_id,
        state.inbox_cursor,
        state.oracle_time,
        fee,
        anchor,
        lag,
        insurance,
        fees,
        deposited,
        withdrawn,
    ) = GLOBALS.unpack(value)
    state.sequence, state.lag = Sequence(sequence), Millis(lag)
    state.fee, state.fee_anchor = Money(fee), Money(anchor)
    state.insurance, state.fees = _number(insurance), _number(fees)
    state.deposited, state.withdrawn = _number(deposited), _number(withdrawn)


def _nonces_from(value: bytes) -> NonceWindow:
    return NonceWindow(int.from_bytes(value[:8], "big"), int.from_bytes(value[8:], "big"))


def _restore_account(state: "State", key: bytes, value: bytes) -> None:
    width = 8 + (state.rules.limits.nonce_window + 7) // 8
    account = state.open_account(Address(key[1:21]))
    account.free = _number(value[:16])
    account.nonces = _nonces_from(value[16 : 16 + width])
    names = 16 + width + SWITCH_AND_NAMES.size
    at, on_disconnect, used = SWITCH_AND_NAMES.unpack(value[16 + width : names])
    account.switch_at, account.switch_on_disconnect = Millis(at), bool(on_disconnect)
    account.client_ids = value[names : names + used]
    for start in range(names + used, len(value), 28 + width):
        until = Millis(int.from_bytes(value[start + 20 : start + 28], "big"))
        nonces = _nonces_from(value[start + 28 : start + 28 + width])
        account.add_agent(Address(value[start : start + 20]), until, nonces)


def _restore_position(state: "State", key: bytes, value: bytes) -> None:
    market = state.market(MarketId(int.from_bytes(key[1:3], "big")))
    position = state.accounts[Address(key[3:23])].position(market.market_id)
    position.size = int.from_bytes(value[:8], "big", signed=True)
    position.entry = _number(value[8:24])
    position.margin = _number(value[24:40])
    position.funding = _number(value[40:56])
    market.rank(position)


def _order_from(state: "State", key: bytes, value: bytes) -> Order:
    _, market, side, priority, rank = ORDER_KEY.unpack(key)
    (account, order_id, client_id, remaining, size, flags, reserve, good_till, group, batch) = (
        ORDER.unpack(value)
    )
    # What is equal is one object, with the owner's address and the level's price (see ``_rest``):
    # each number of its own takes 32 bytes.
    if rank == order_id:
        rank = order_id
    if remaining == size:
        remaining = size
    return Order(
        OrderId(order_id),
        rank,
        ClientOrderId(client_id),
        state.accounts[Address(account)].address,
        MarketId(market),
        Side(side),
        Ticks(priority if side else UINT64_MAX - priority),
        Lots(size),
        Lots(remaining),
        reduce_only=bool(flags & 1),
        reserve=Money(int.from_bytes(reserve, "big")),
        post_only=bool(flags & 2),
        self_trade=SelfTrade(flags >> 2),
        good_till=Millis(good_till),
        group=group,
        batch=batch,
    )


def _waiting_from(key: bytes, value: bytes) -> Waiting:
    _, market, order_id = WAITING_KEY.unpack(key)
    (
        account, client_id, side, kind, reduce_only, self_trade, trigger, price, size, good_till,
        trigger_price, group, max_fee,
    ) = WAITING.unpack(value)  # fmt: skip
    new = NewOrder(
        MarketId(market),
        Side(side),
        OrderType(kind),
        Ticks(price),
        Lots(size),
        bool(reduce_only),
        ClientOrderId(client_id),
        SelfTrade(self_trade),
        Millis(good_till),
        Trigger(trigger),
        Ticks(trigger_price),
        group,
    )
    max_fee = Money(int.from_bytes(max_fee, "big"))
    return Waiting(OrderId(order_id), Address(account), new, max_fee)


def _rest(state: "State", order: Order) -> None:
    account = state.accounts[order.account]
    state.market(order.market).book.add(order)
    assert order.level is not None
    order.price = order.level.price
    account.hold(order)


def _restore_market(state: "State", key: bytes, value: bytes) -> None:
    market = state.market(MarketId(int.from_bytes(key[1:3], "big")))
    (
        mark,
        mark_time,
        market.funding_time,
        market.premium_samples,
        market.anchor,
        market.anchor_time,
        market.variance,
        index,
        premium_sum,
        carry,
    ) = MARKET.unpack(value)
    market.move_mark(mark, mark_time)
    market.funding_index = _number(index)
    market.premium_sum, market.carry = _number(premium_sum), _number(carry)
