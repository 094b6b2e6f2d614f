"""The leaves of the state tree: what each key means, and how each value is laid out.

Keys are 32 bytes, ordered so that what belongs together stands together; numbers are big-endian.

====  ==========================================  ==============================================
0x00  zeros                                       clock, counters and the exchange's money
0x01  account (20)                                free, nonces, switch, client ids, agents
0x02  market (2) account (20)                     size, entry, margin, funding
0x03  market (2) side (1) priority (8) rank (8)   a resting order, its ids and reserve included
0x04  market (2)                                  mark, funding, premium, volatility
0x05  zeros                                       the hash of the rules
0x06  withdrawal id (8)                           account, amount
0x07  market (2) order id (8)                     an order that waits for its trigger
====  ==========================================  ==============================================

An order's priority is its price for asks and ``2**64 - 1 - price`` for bids, and of equal prices
the lower rank came first. So the best order of a book is the *first leaf* under ``0x03 market
side``: that it is the best, that it rests, or that nothing rests there is each one short proof.
"""

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from node.margin.position import Position
from node.matching.book import Order
from node.transition.nonces import NonceWindow
from node.transition.waiting import Waiting
from node.types.commands import Side
from node.types.ids import Address
from node.types.units import UINT64_MAX, Money

if TYPE_CHECKING:
    from node.transition.account import Account
    from node.transition.state import Market, State

GLOBAL_KEY = bytes(32)
RULES_KEY = b"\x05" + bytes(31)

ORDER_KEY = Struct(">BHBQQ12x")
_POSITION_KEY = Struct(">BH20s9x")
GLOBALS = Struct(">10Q16s16s16s16s")
ORDER = Struct(">20sQQQQB16sQQQ")
SWITCH_AND_NAMES = Struct(">QBH")
WAITING_KEY = Struct(">BHQ21x")
WAITING = Struct(">20sQ5BQQQQQ16s")
MARKET = Struct(">7Q16s16s16s")


class Touched:
    """What changed since the leaves were last drained; each thing at most once."""

    __slots__ = ("accounts", "markets", "orders", "positions", "waiting", "withdrawals")

    def __init__(self) -> None:
        self.accounts: set[Account] = set()
        self.positions: set[Position] = set()
        self.orders: set[Order] = set()
        self.waiting: set[Waiting] = set()
        self.markets: set[Market] = set()
        self.withdrawals: set[int] = set()


def order_key(market: int, side: int, price: int, rank: int) -> bytes:
    """Return the key of a resting order: the better the order, the smaller the key."""
    return ORDER_KEY.pack(3, market, side, price if side else UINT64_MAX - price, rank)


def book_prefix(market: int, side: int) -> bytes:
    """Return the prefix under which the orders of one side of one book stand."""
    return b"\x03" + market.to_bytes(2, "big") + side.to_bytes(1, "big")


def account_key(account: Address) -> bytes:
    """Return the key of an account's leaf."""
    return b"\x01" + account + bytes(11)


def position_key(market: int, account: Address) -> bytes:
    """Return the key of a position's leaf."""
    return _POSITION_KEY.pack(2, market, account)


def market_key(market: int) -> bytes:
    """Return the key of a market's leaf."""
    return b"\x04" + market.to_bytes(2, "big") + bytes(29)


def withdrawal_key(withdrawal_id: int) -> bytes:
    """Return the key of a withdrawal's leaf; the Inbox contract builds the same."""
    return b"\x06" + withdrawal_id.to_bytes(8, "big") + bytes(23)


def withdrawal_value(account: Address, amount: Money) -> bytes:
    """Return the value of a withdrawal's leaf; the Inbox contract builds the same."""
    return account + amount.to_bytes(16, "big")


def waiting_key(market: int, order_id: int) -> bytes:
    """Return the key of an order that waits for its trigger."""
    return WAITING_KEY.pack(7, market, order_id)


def changed_leaves(state: "State", touched: Touched) -> dict[bytes, bytes | None]:
    """Return key and new value of every leaf that ``touched`` names, and of the global one."""
    changes: dict[bytes, bytes | None] = {GLOBAL_KEY: _globals_value(state)}
    for account in touched.accounts:
        changes[account_key(account.address)] = _account_value(account, state)
    for position in touched.positions:
        changes[position_key(position.market, position.account)] = _position_value(position)
    for order in touched.orders:
        key = order_key(order.market, order.side, order.price, order.rank)
        changes[key] = _order_value(order) if order.resting else None
    for waiting in touched.waiting:
        kept = state.accounts[waiting.account].waiting.get(waiting.order_id)
        key = waiting_key(waiting.market, waiting.order_id)
        changes[key] = _waiting_value(waiting) if kept is waiting else None
    for market in touched.markets:
        changes[market_key(market.market_id)] = _market_value(market)
    for withdrawal_id in touched.withdrawals:
        changes[withdrawal_key(withdrawal_id)] = withdrawal_value(*state.withdrawals[withdrawal_id])
    return changes


def all_leaves(state: "State") -> Iterator[tuple[bytes, bytes]]:
    """Yield every leaf of the state."""
    yield GLOBAL_KEY, _globals_value(state)
    yield RULES_KEY, state.rules.digest()
    for market in state.markets:
        yield market_key(market.market_id), _market_value(market)
        for side in Side:
            for order in market.book.orders(side):
                key = order_key(order.market, order.side, order.price, order.rank)
                yield key, _order_value(order)
    for account in state.accounts.values():
        yield account_key(account.address), _account_value(account, state)
        for position in account.positions.values():
            value = _position_value(position)
            if value is not None:
                yield position_key(position.market, position.account), value
        for waiting in account.waiting.values():
            yield waiting_key(waiting.market, waiting.order_id), _waiting_value(waiting)
    for withdrawal_id, (owner, amount) in state.withdrawals.items():
        yield withdrawal_key(withdrawal_id), withdrawal_value(owner, amount)


def _signed(number: int) -> bytes:
    return number.to_bytes(16, "big", signed=True)


def _globals_value(state: "State") -> bytes:
    return GLOBALS.pack(
        state.time,
        state.block,
        state.sequence,
        state.next_order_id,
        state.next_withdrawal_id,
        state.inbox_cursor,
        state.oracle_time,
        state.fee,
        state.fee_anchor,
        state.lag,
        _signed(state.insurance),
        _signed(state.fees),
        _signed(state.deposited),
        _signed(state.withdrawn),
    )


def _nonces_value(nonces: NonceWindow, width: int) -> bytes:
    return nonces.top.to_bytes(8, "big") + nonces.bits.to_bytes(width, "big")


def _account_value(account: "Account", state: "State") -> bytes:
    width = (state.rules.limits.nonce_window + 7) // 8
    value = _signed(account.free) + _nonces_value(account.nonces, width)
    used = account.client_ids
    value += (
        SWITCH_AND_NAMES.pack(account.switch_at, account.switch_on_disconnect, len(used)) + used
    )
    for agent, entry in sorted(account.agents.items()):
        value += agent + entry.until.to_bytes(8, "big") + _nonces_value(entry.nonces, width)
    return value


def _position_value(position: Position) -> bytes | None:
    if not position.size:
        return None
    return (
        position.size.to_bytes(8, "big", signed=True)
        + _signed(position.entry)
        + _signed(position.margin)
        + _signed(position.funding)
    )


def _order_value(order: Order) -> bytes:
    return ORDER.pack(
        order.account,
        order.order_id,
        order.client_id,
        order.remaining,
        order.size,
        order.reduce_only | order.post_only << 1 | order.self_trade << 2,
        order.reserve.to_bytes(16, "big"),
        order.good_till,
        order.group,
        order.batch,
    )


def _waiting_value(waiting: Waiting) -> bytes:
    new = waiting.new
    return WAITING.pack(
        waiting.account,
        new.client_id,
        new.side,
        new.type,
        new.reduce_only,
        new.self_trade,
        new.trigger,
        new.price,
        new.size,
        new.good_till,
        new.trigger_price,
        new.group,
        waiting.max_fee.to_bytes(16, "big"),
    )


def _market_value(market: "Market") -> bytes:
    return MARKET.pack(
        market.mark,
        market.mark_time,
        market.funding_time,
        market.premium_samples,
        market.anchor,
        market.anchor_time,
        market.variance,
        _signed(market.funding_index),
        _signed(market.premium_sum),
        _signed(market.carry),
    )
