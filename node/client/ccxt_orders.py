"""From an order as CCXT's methods take it to one that is signed, and back from its result."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from node.client.ccxt_errors import ArgumentsRequired, InvalidOrder, NotSupported
from node.client.ccxt_numbers import Number
from node.client.local_account import Order
from node.codec.action_types import ORDER_TYPE_NAMES, SIDE_NAMES, TRIGGER_NAMES
from node.types.commands import NewOrder, OrderType, Side, Trigger
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

_RISES: Final = {"ascending": True, "above": True, "descending": False, "below": False}
_KNOWN: Final = frozenset(
    {
        "clientOrderId", "goodTillDate", "postOnly", "reduceOnly", "slippage", "timeInForce",
        "triggerDirection", *_STOPS,
    }
)  # fmt: skip


_OPEN: Final = frozenset({"resting", "waiting", "accepted"})


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was asked for; numbers are what the caller gave.

    ``good_till`` 0 is never. ``trigger_price`` is None without a ``trigger``.
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
        reduce_only=bool(params.get("reduceOnly", False)),
        client_id=client_id_of(params.get("clientOrderId")),
        slippage=params.get("slippage"),
        good_till=_good_till(params),
        trigger=trigger,
        trigger_price=trigger_price,
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
    if (rises is None) == ("triggerDirection" in params) or (
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
    digits = str(text)
    if not (digits.isascii() and digits.isdecimal()) or not 0 < int(digits) <= UINT64_MAX:
        raise InvalidOrder("plimsoll: a clientOrderId is a number from 1 to 2^64 − 1, as a text")
    return int(digits)


def order_number(text: object) -> int:
    """Return an order's id as the number that it is here."""
    digits = str(text)
    if not (digits.isascii() and digits.isdecimal()) or not 0 < int(digits) <= UINT64_MAX:
        raise InvalidOrder(f"plimsoll: no order's id: {digits[:40]}")
    return int(digits)


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


def rejected_structure(symbol: str, wish: Wish, item: Structure, time: int | None) -> Structure:
    """Return an order of a list that was refused; ``info`` says why.

    ``time`` is None where none of the list was taken: that is of no block.
    """
    return {
        "id": None, "clientOrderId": str(wish.client_id) if wish.client_id else None,
        "symbol": symbol, "side": wish.side.name.lower(), "status": "rejected",
        "timestamp": time, "info": item,
    }  # fmt: skip
