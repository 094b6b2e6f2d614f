"""The items of a bulk action in JSON, both ways: cancels, amends, orders.

    {"order_id": 7}
    {"client_id": 3, "market": "BTC-PERP", "price": "60000.5", "size": "0.02",
     "trigger_price": "59500", "good_till": 1760000060000}
    {"market": "BTC-PERP", "side": "sell", "type": "market", "price": "57000", "size": "0.01",
     "reduce_only": true, "client_id": 4, "self_trade": "cancel_taker", "good_till": 1760000060000,
     "trigger": "stop", "trigger_price": "58000", "group": 9}

Whatever of an order or an amend stands after ``size`` may be left out.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

import msgspec

from node.codec.action_types import (
    ORDER_TYPE_NAMES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    TRIGGER_NAMES,
)
from node.codec.answers import OrderTypeName, SelfTradeName
from node.codec.ranges import require_range
from node.types.commands import (
    AmendOrder,
    CancelOrder,
    NewOrder,
    OrderType,
    SelfTrade,
    Side,
    Trigger,
)
from node.types.errors import CommandRejected, MalformedMessage, UnknownMarket
from node.types.ids import ClientOrderId, MarketId, OrderId
from node.types.rules import Rules
from node.types.units import (
    UINT64_MAX,
    Lots,
    Millis,
    Ticks,
    decimal_from_units,
    units_from_decimal,
)

B = TypeVar("B")
T = TypeVar("T")

_FIRST_SELF_TRADE: Final = "cancel_maker"
_NO_TRIGGER: Final = "none"
_NO_PRICE: Final = "0"


class CancelBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One cancel: exactly one of the two ids."""

    order_id: int = 0
    client_id: int = 0


class AmendBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One amend: exactly one of the two ids; price and size as they shall be.

    ``trigger_price`` and ``good_till`` of 0, or left out, stay as they are.
    """

    market: str
    price: str
    size: str
    order_id: int = 0
    client_id: int = 0
    trigger_price: str = _NO_PRICE
    good_till: int = 0


class OrderBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One order, as a client writes it."""

    market: str
    side: Literal["buy", "sell"]
    type: OrderTypeName
    price: str
    size: str
    reduce_only: bool = False
    client_id: int = 0
    self_trade: SelfTradeName = _FIRST_SELF_TRADE
    good_till: int = 0
    trigger: Literal["none", "stop", "take_profit"] = _NO_TRIGGER
    trigger_price: str = _NO_PRICE
    group: int = 0


_SIDES: Final = MappingProxyType(dict(zip(SIDE_NAMES, Side, strict=True)))
_ORDER_TYPES: Final = MappingProxyType(dict(zip(ORDER_TYPE_NAMES, OrderType, strict=True)))
_SELF_TRADES: Final = MappingProxyType(dict(zip(SELF_TRADE_NAMES, SelfTrade, strict=True)))
_TRIGGERS: Final = MappingProxyType(dict(zip(TRIGGER_NAMES, Trigger, strict=True)))


class ItemReader:
    """Reads the items of bodies under one set of rules. Immutable; build it once."""

    __slots__ = ("_markets",)

    def __init__(self, rules: Rules) -> None:
        self._markets = {
            market.symbol: (MarketId(place), market.tick_decimals, market.lot_decimals)
            for place, market in enumerate(rules.markets, start=1)
        }

    def market(self, symbol: str) -> tuple[MarketId, int, int]:
        """Return id, tick decimals and lot decimals. Raises ``UnknownMarket``."""
        found = self._markets.get(symbol)
        if found is None:
            raise UnknownMarket(market=symbol[:64])
        return found

    def amend(self, body: AmendBody) -> AmendOrder:
        """Return the amend in ``body``. Raises what an item can be refused with."""
        market, tick_decimals, lot_decimals = self.market(body.market)
        order_id, client_id = _named("an amend", body)
        return AmendOrder(
            market,
            Ticks(uint64("price", units_from_decimal(body.price, tick_decimals))),
            Lots(uint64("size", units_from_decimal(body.size, lot_decimals))),
            order_id,
            client_id,
            Ticks(uint64("trigger_price", units_from_decimal(body.trigger_price, tick_decimals))),
            Millis(uint64("good_till", body.good_till)),
        )

    def order(self, body: OrderBody) -> NewOrder:
        """Return the order in ``body``. Raises what an item can be refused with."""
        found = self._markets.get(body.market)
        if found is None:
            raise UnknownMarket(market=body.market[:64])
        market, tick_decimals, lot_decimals = found
        order = NewOrder(
            market,
            _SIDES[body.side],
            _ORDER_TYPES[body.type],
            Ticks(uint64("price", units_from_decimal(body.price, tick_decimals))),
            Lots(uint64("size", units_from_decimal(body.size, lot_decimals))),
            body.reduce_only,
            ClientOrderId(uint64("client_id", body.client_id)),
        )
        if (
            body.self_trade == _FIRST_SELF_TRADE
            and body.trigger == _NO_TRIGGER
            and body.trigger_price == _NO_PRICE
            and not body.good_till
            and not body.group
        ):
            return order
        return _with_extras(order, body, tick_decimals)


def _with_extras(order: NewOrder, body: OrderBody, tick_decimals: int) -> NewOrder:
    return msgspec.structs.replace(
        order,
        self_trade=_SELF_TRADES[body.self_trade],
        good_till=uint64("good_till", body.good_till),
        trigger=_TRIGGERS[body.trigger],
        trigger_price=uint64(
            "trigger_price", units_from_decimal(body.trigger_price, tick_decimals)
        ),
        group=uint64("group", body.group),
    )


def read_each(read: Callable[[B], T], bodies: Sequence[B], first: int) -> tuple[T, ...]:
    """Return every item read. A refusal says which one it was, counted from ``first``."""
    items: list[T] = []
    for body in bodies:
        try:
            items.append(read(body))
        except CommandRejected as error:
            raise type(error)(**error.values, item=first + len(items)) from None
    return tuple(items)


def read_cancel(body: CancelBody) -> CancelOrder:
    """Return the cancel in ``body``. Raises ``MalformedMessage`` or ``ValueOutOfRange``."""
    return CancelOrder(*_named("a cancel", body))


def _named(what: str, body: CancelBody | AmendBody) -> tuple[OrderId, ClientOrderId]:
    """Return the ids by which ``body`` names an order: one of them is 0."""
    order_id = uint64("order_id", body.order_id)
    client_id = uint64("client_id", body.client_id)
    if (order_id == 0) == (client_id == 0):
        raise MalformedMessage(detail=f"{what} names exactly one of order_id and client_id")
    return OrderId(order_id), ClientOrderId(client_id)


def uint64(field: str, value: int) -> int:
    """Return ``value``. Raises ``ValueOutOfRange`` with ``field`` if it has more than 64 bits."""
    if not 0 <= value <= UINT64_MAX:
        require_range(field, value, 0, UINT64_MAX)
    return value


def cancel_to_json(cancel: CancelOrder) -> dict[str, int]:
    """Return the body of ``cancel``."""
    return _name_to_json(cancel)


def amend_to_json(amend: AmendOrder, rules: Rules) -> dict[str, Any]:
    """Return the body of ``amend``, without what it keeps. Raises ``UnknownMarket``."""
    symbol = symbol_of(amend.market, rules)
    market = rules.market(amend.market)
    body: dict[str, Any] = {
        **_name_to_json(amend),
        "market": symbol,
        "price": decimal_from_units(amend.price, market.tick_decimals),
        "size": decimal_from_units(amend.size, market.lot_decimals),
    }
    if amend.trigger_price:
        body["trigger_price"] = decimal_from_units(amend.trigger_price, market.tick_decimals)
    if amend.good_till:
        body["good_till"] = amend.good_till
    return body


def order_to_json(order: NewOrder, rules: Rules) -> dict[str, Any]:
    """Return the body of ``order``; what few orders have stands there only if it says something.

    Raises ``UnknownMarket``.
    """
    symbol = symbol_of(order.market, rules)
    market = rules.market(order.market)
    body: dict[str, Any] = {
        "market": symbol,
        "side": SIDE_NAMES[order.side],
        "type": ORDER_TYPE_NAMES[order.type],
        "price": decimal_from_units(order.price, market.tick_decimals),
        "size": decimal_from_units(order.size, market.lot_decimals),
        "reduce_only": order.reduce_only,
        "client_id": order.client_id,
    }
    if order.self_trade:
        body["self_trade"] = SELF_TRADE_NAMES[order.self_trade]
    if order.good_till:
        body["good_till"] = order.good_till
    if order.trigger:
        body["trigger"] = TRIGGER_NAMES[order.trigger]
    if order.trigger_price:
        body["trigger_price"] = decimal_from_units(order.trigger_price, market.tick_decimals)
    if order.group:
        body["group"] = order.group
    return body


def symbol_of(market: MarketId, rules: Rules) -> str:
    """Return the symbol of ``market``. Raises ``UnknownMarket``."""
    if not 1 <= market <= len(rules.markets):
        raise UnknownMarket(market=market)
    return rules.market(market).symbol


def _name_to_json(item: CancelOrder | AmendOrder) -> dict[str, int]:
    if item.order_id:
        return {"order_id": item.order_id}
    return {"client_id": item.client_id}
