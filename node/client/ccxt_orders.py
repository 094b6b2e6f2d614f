"""From an order as CCXT's methods take it to one that is signed, and back from its result."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from node.client.ccxt_errors import ArgumentsRequired, InvalidOrder, NotSupported
from node.client.ccxt_numbers import Number
from node.client.local_account import Order
from node.codec.action_types import (
    ORDER_TYPE_NAMES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    TRIGGER_NAMES,
)
from node.types.commands import NewOrder, OrderType, SelfTrade, Side, Trigger
from node.types.rules import MarketRules
from node.types.units import UINT64_MAX

Structure = dict[str, Any]

_TIMES: Final = {
    "GTC": OrderType.GTC,
    "IOC": OrderType.IOC,
    "FOK": OrderType.FOK,
    "PO": OrderType.POST_ONLY,
}
_GOOD_TILL: Final = "GTD"
_MARKET: Final = ORDER_TYPE_NAMES[OrderType.MARKET]
_TIME_OF: Final = {ORDER_TYPE_NAMES[kind]: time for time, kind in _TIMES.items()} | {
    _MARKET: "IOC",
    ORDER_TYPE_NAMES[OrderType.SLIDE]: "PO",
}
_STOPS: Final = {
    "triggerPrice": None,
    "stopLossPrice": Trigger.STOP,
    "takeProfitPrice": Trigger.TAKE_PROFIT,
}
"""How a price to wait for is called; with ``triggerPrice`` the direction says which it is."""

_CLOSES: Final = ("stopLossPrice", "takeProfitPrice")
"""What is of a position: as CCXT has it, such an order closes and never opens one."""

_SELF_TRADES: Final = dict(zip(SELF_TRADE_NAMES, SelfTrade, strict=True))
_RISES: Final = {"ascending": True, "above": True, "descending": False, "below": False}
_KNOWN: Final = frozenset(
    {
        "clientOrderId", "goodTillDate", "group", "postOnly", "reduceOnly", "selfTrade",
        "slippage", "timeInForce", "triggerDirection", *_STOPS,
    }
)  # fmt: skip


_DIGITS_MAX: Final = 100
"""More are no number here, and too many are none that ``int`` reads."""

_OPEN: Final = frozenset({"resting", "waiting", "accepted"})


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was asked for; numbers are what the caller gave.

    ``good_till`` 0 is never, ``group`` 0 is none. ``trigger_price`` is None without a ``trigger``.
    """

    symbol: str
    side: Side
    kind: OrderType
    amount: Number
    price: Number | None
    reduce_only: bool
    client_id: int
    slippage: Number | None
    good_till: int
    trigger: Trigger
    trigger_price: Number | None
    group: int
    self_trade: SelfTrade


def wish_in(order: Structure) -> Wish:
    """Return what is asked for by one of ``create_orders``. Raises as ``wish_of``."""
    missing = [name for name in ("symbol", "type", "side", "amount") if order.get(name) is None]
    if missing:
        raise ArgumentsRequired(f"plimsoll: an order needs {', '.join(missing)}")
    return wish_of(
        order["symbol"], order["type"], order["side"], order["amount"], order.get("price"),
        order.get("params") or {},
    )  # fmt: skip


def wish_of(
    symbol: str, kind: str, side: str, amount: Number, price: Number | None, params: Structure
) -> Wish:
    """Return what is asked for.

    Raises ``InvalidOrder``, ``ArgumentsRequired``, and ``NotSupported`` for params that mean
    nothing here: one that is ignored would be another order than the one that was meant.
    """
    strange = sorted(params.keys() - _KNOWN)
    if strange:
        raise NotSupported(f"plimsoll: no such params of an order: {strange}")
    if side not in {"buy", "sell"} or kind not in {"limit", "market"}:
        raise InvalidOrder(f"plimsoll: no such order: {kind} {side}")
    if kind == "limit" and price is None:
        raise ArgumentsRequired("plimsoll: a limit order needs a price")
    wished = Side.BUY if side == "buy" else Side.SELL
    trigger, trigger_price = _trigger(wished, params)
    return Wish(
        symbol=symbol,
        side=wished,
        kind=_kind(kind, params),
        amount=amount,
        price=price,
        reduce_only=_reduces(params),
        client_id=client_id_of(params.get("clientOrderId")),
        slippage=params.get("slippage"),
        good_till=_good_till(params),
        trigger=trigger,
        trigger_price=trigger_price,
        group=_group(params.get("group")),
        self_trade=_self_trade(params.get("selfTrade")),
    )


def _kind(kind: str, params: Structure) -> OrderType:
    time = params.get("timeInForce")
    if time not in {None, _GOOD_TILL, *_TIMES}:
        raise InvalidOrder(f"plimsoll: no such timeInForce: {time}")
    post_only = bool(params.get("postOnly")) or time == "PO"
    if post_only and (kind == "market" or time in {"IOC", "FOK"}):
        raise InvalidOrder("plimsoll: what takes at once cannot be post-only")
    if post_only:
        return OrderType.POST_ONLY
    if kind == "market":
        return OrderType.FOK if time == "FOK" else OrderType.MARKET
    return OrderType.GTC if time in {None, _GOOD_TILL} else _TIMES[str(time)]


def _reduces(params: Structure) -> bool:
    """Return whether the order can only make a position smaller; a stop loss does unless told."""
    told = params.get("reduceOnly")
    if told is None:
        return any(params.get(name) is not None for name in _CLOSES)
    if not isinstance(told, bool):
        raise InvalidOrder("plimsoll: reduceOnly is True or False")
    return told


def _group(told: object) -> int:
    """Return the number that both orders of a pair have; 0 for none."""
    if told is None:
        return 0
    number = _uint64(told)
    if number is None:
        raise InvalidOrder("plimsoll: a group is a number from 1 to 2^64 − 1, that of both orders")
    return number


def _self_trade(told: object) -> SelfTrade:
    if told is None:
        return SelfTrade.CANCEL_MAKER
    name = str(told)
    if name not in _SELF_TRADES:
        raise InvalidOrder(f"plimsoll: selfTrade is one of {', '.join(_SELF_TRADES)}")
    return _SELF_TRADES[name]


def _good_till(params: Structure) -> int:
    """Return the time in milliseconds from which on the order is gone; 0 for never."""
    told, wanted = params.get("goodTillDate"), params.get("timeInForce") == _GOOD_TILL
    return 0 if told is None and not wanted else end_of(told)


def end_of(told: object) -> int:
    """Return a ``goodTillDate`` as the number that it is here."""
    if type(told) is not int or not 0 < told <= UINT64_MAX:
        raise InvalidOrder("plimsoll: GTD needs a goodTillDate, in milliseconds since 1970")
    return told


def _trigger(side: Side, params: Structure) -> tuple[Trigger, Number | None]:
    """Return what the order waits for, and at which mark."""
    named = [name for name in _STOPS if params.get(name) is not None]
    rises = _RISES.get(str(params.get("triggerDirection")))
    if len(named) > 1:
        raise NotSupported(f"plimsoll: an order waits for one price, not for {named}")
    if (rises is None) == (params.get("triggerDirection") is not None) or (
        rises is not None and named != ["triggerPrice"]
    ):
        raise InvalidOrder("plimsoll: a triggerDirection is a triggerPrice's, and ascending or not")
    if not named:
        return Trigger.NONE, None
    kind = _STOPS[named[0]]
    if kind is None:
        follows = rises is None or rises == (side is Side.BUY)
        kind = Trigger.STOP if follows else Trigger.TAKE_PROFIT
    return kind, params[named[0]]


def client_id_of(text: object) -> int:
    """Return a client order id as the number that it is here; 0 for none."""
    if text is None:
        return 0
    number = _uint64(text)
    if number is None:
        raise InvalidOrder("plimsoll: a clientOrderId is a number from 1 to 2^64 − 1, as a text")
    return number


def order_number(text: object) -> int:
    """Return an order's id as the number that it is here."""
    number = _uint64(text)
    if number is None:
        raise InvalidOrder(f"plimsoll: no order's id: {str(text)[:40]}")
    return number


def _uint64(text: object) -> int | None:
    """Return the number from 1 that ``text`` has the digits of, None where it has not."""
    digits = str(text)
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > _DIGITS_MAX:
        return None
    return int(digits) if 0 < int(digits) <= UINT64_MAX else None


def kind_of(name: str) -> Structure:
    """Return how CCXT calls an order's type, which has ``name`` in feeds and history."""
    time = _TIME_OF[name]
    return {
        "type": "market" if name == _MARKET else "limit",
        "timeInForce": time,
        "postOnly": time == "PO",
    }


def order_of_result(item: Structure, new: NewOrder, market: str, decimals: int, time: int) -> Order:
    """Return ``new`` as its action's result tells of it; what its fills cost is not in there.

    A price of ``market`` has ``decimals``.
    """
    filled, remaining = Decimal(item["filled"]), Decimal(item["remaining"])
    status = item["status"]
    ended = None if status in _OPEN else "filled" if status == "filled" else item["reason"]
    return Order(
        item["order_id"], item["client_id"], market, SIDE_NAMES[new.side],
        ORDER_TYPE_NAMES[new.type], Decimal(new.price).scaleb(-decimals), remaining,
        filled + remaining, filled, cost=None if filled else Decimal(0), time=time, changed=time,
        reduce_only=new.reduce_only, ended=ended,
        trigger=TRIGGER_NAMES[new.trigger] if new.trigger else "",
        trigger_price=Decimal(new.trigger_price).scaleb(-decimals), told=item,
    )  # fmt: skip


def refused_order(new: NewOrder, market: str, rules: MarketRules, time: int | None) -> Order:
    """Return ``new``, of which nothing was taken; ``time`` None is that of no block."""
    size, ticks = Decimal(new.size).scaleb(-rules.lot_decimals), rules.tick_decimals
    return Order(
        0, new.client_id, market, SIDE_NAMES[new.side], ORDER_TYPE_NAMES[new.type],
        Decimal(new.price).scaleb(-ticks), size, size, time=time or 0, changed=time or 0,
        reduce_only=new.reduce_only,
        trigger=TRIGGER_NAMES[new.trigger] if new.trigger else "",
        trigger_price=Decimal(new.trigger_price).scaleb(-ticks),
    )  # fmt: skip
