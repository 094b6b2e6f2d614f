"""The JSON body of an action, both ways: what clients write and what the gate reads.

    {"type": "place_orders", "account": "0x…", "nonce": 1, "expires": 1760000000000,
     "cancels": [{"order_id": 7}, {"client_id": 3}],
     "orders": [{"market": "BTC-PERP", "side": "buy", "type": "gtc", "price": "60000.5",
                 "size": "0.01", "reduce_only": false, "client_id": 4}],
     "max_fee": "0.002", "signature": "0x…"}

Prices, sizes and amounts are decimal strings; points in time are milliseconds. Unknown fields are
refused: a misspelt ``reduce_only`` must not pass as an order without it. The parity of a signature
may stand as 0 or 1, or as wallets write it, 27 or 28.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, assert_never

import msgspec

from node.codec.action_types import ORDER_TYPE_NAMES, SIDE_NAMES
from node.codec.ranges import MONEY_MAX, SIGNATURE_BYTES, require_range
from node.types.commands import (
    AdjustMargin,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    Side,
    SignedAction,
    Withdraw,
)
from node.types.errors import (
    CommandRejected,
    MalformedMessage,
    OversizedMessage,
    TooManyItems,
    UnknownMarket,
)
from node.types.ids import (
    EVERY_MARKET,
    NO_ADDRESS,
    Address,
    ClientOrderId,
    MarketId,
    OrderId,
    address_from_hex,
    hex_from_address,
)
from node.types.rules import Rules
from node.types.units import (
    MONEY_DECIMALS,
    UINT64_MAX,
    Lots,
    Millis,
    Money,
    Ticks,
    decimal_from_units,
    units_from_decimal,
)

MESSAGE_BYTES_MAX: Final = 65_536
"""The longest body that is read: four times the longest sensible one, of a hundred items."""

_WALLET_PARITY: Final = 27

B = TypeVar("B")
T = TypeVar("T")


class OrderBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One order, as a client writes it."""

    market: str
    side: Literal["buy", "sell"]
    type: Literal["gtc", "ioc", "fok", "post_only", "market"]
    price: str
    size: str
    reduce_only: bool = False
    client_id: int = 0


class CancelBody(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One cancel: exactly one of the two ids."""

    order_id: int = 0
    client_id: int = 0


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What every body carries."""

    account: str
    nonce: int
    expires: int
    signature: str


class PlaceOrdersBody(ActionBody, frozen=True, tag="place_orders"):
    """Cancels and orders under one signature.

    ``max_fee`` is a decimal with up to six digits after the point. It is signed, so its default
    stands for "nothing": right for what only cancels or reduces, refused for what is charged.
    """

    cancels: tuple[CancelBody, ...] = ()
    orders: tuple[OrderBody, ...] = ()
    max_fee: str = "0"


class CancelAllBody(ActionBody, frozen=True, tag="cancel_all"):
    """``market`` is a symbol, or empty for every market."""

    market: str = ""


class AdjustMarginBody(ActionBody, frozen=True, tag="adjust_margin"):
    """``amount`` is a decimal with up to six digits after the point; negative takes out."""

    market: str
    amount: str


class WithdrawBody(ActionBody, frozen=True, tag="withdraw"):
    """``amount`` is a decimal with up to six digits after the point."""

    amount: str


class ApproveAgentBody(ActionBody, frozen=True, tag="approve_agent"):
    """``agent`` is an address; ``until`` in the past takes its authority away."""

    agent: str
    until: int


Body = PlaceOrdersBody | CancelAllBody | AdjustMarginBody | WithdrawBody | ApproveAgentBody

_decoder: Final[msgspec.json.Decoder[Body]] = msgspec.json.Decoder(Body)
_SIDES: Final = MappingProxyType(dict(zip(SIDE_NAMES, Side, strict=True)))
_ORDER_TYPES: Final = MappingProxyType(dict(zip(ORDER_TYPE_NAMES, OrderType, strict=True)))
_NAMES: Final[Mapping[type[SignedAction], str]] = MappingProxyType(
    {
        PlaceOrders: "place_orders",
        CancelAll: "cancel_all",
        AdjustMargin: "adjust_margin",
        Withdraw: "withdraw",
        ApproveAgent: "approve_agent",
    }
)


class ActionReader:
    """Reads bodies under one set of rules. Immutable; build it once."""

    __slots__ = ("_items_max", "_markets")

    def __init__(self, rules: Rules) -> None:
        self._items_max = rules.limits.items_per_action
        self._markets = {
            market.symbol: (MarketId(place), market.tick_decimals, market.lot_decimals)
            for place, market in enumerate(rules.markets, start=1)
        }

    def read(self, raw: bytes) -> SignedAction:
        """Return the action in ``raw``; its ``signer`` is still ``NO_ADDRESS``.

        Nothing is rounded. Whether the sizes, prices and markets *fit* is the transition's
        question. Raises ``OversizedMessage``, ``MalformedMessage``, ``MalformedNumber``,
        ``MalformedAddress``, ``ValueOutOfRange``, ``TooManyItems`` or ``UnknownMarket``; of a bulk
        action with the place of the ``item`` at fault.
        """
        if len(raw) > MESSAGE_BYTES_MAX:
            raise OversizedMessage(limit=MESSAGE_BYTES_MAX, length=len(raw))
        try:
            body = _decoder.decode(raw)
        # Bytes that are no UTF-8 raise a plain ValueError, an endless nesting RecursionError.
        except (ValueError, RecursionError) as error:
            raise MalformedMessage(detail=str(error)) from None
        return self._action(body)

    def _action(self, body: Body) -> SignedAction:
        account = address_from_hex(body.account)
        head = (
            account,
            NO_ADDRESS,
            _uint64("nonce", body.nonce),
            Millis(_uint64("expires", body.expires)),
            signature_from_hex(body.signature),
        )
        match body:
            case PlaceOrdersBody():
                return PlaceOrders(*head, *self._items(body), _money("max_fee", body.max_fee, 0))
            case CancelAllBody():
                market = self._market(body.market)[0] if body.market else EVERY_MARKET
                return CancelAll(*head, market)
            case AdjustMarginBody():
                amount = _money("amount", body.amount, -MONEY_MAX)
                return AdjustMargin(*head, self._market(body.market)[0], amount)
            case WithdrawBody():
                return Withdraw(*head, _money("amount", body.amount, 0))
            case ApproveAgentBody():
                agent = address_from_hex(body.agent)
                return ApproveAgent(*head, agent, Millis(_uint64("until", body.until)))
            case _:
                assert_never(body)

    def _items(self, body: PlaceOrdersBody) -> tuple[tuple[CancelOrder, ...], tuple[NewOrder, ...]]:
        items = len(body.cancels) + len(body.orders)
        if not 1 <= items <= self._items_max:
            raise TooManyItems(limit=self._items_max, items=items)
        cancels = _each(_cancel, body.cancels, 0)
        return cancels, _each(self._order, body.orders, len(cancels))

    def _order(self, body: OrderBody) -> NewOrder:
        market, tick_decimals, lot_decimals = self._market(body.market)
        return NewOrder(
            market,
            _SIDES[body.side],
            _ORDER_TYPES[body.type],
            Ticks(_uint64("price", units_from_decimal(body.price, tick_decimals))),
            Lots(_uint64("size", units_from_decimal(body.size, lot_decimals))),
            body.reduce_only,
            ClientOrderId(_uint64("client_id", body.client_id)),
        )

    def _market(self, symbol: str) -> tuple[MarketId, int, int]:
        try:
            return self._markets[symbol]
        except KeyError:
            raise UnknownMarket(market=symbol[:64]) from None


def _each(read: Callable[[B], T], bodies: Sequence[B], first: int) -> tuple[T, ...]:
    """Return every item read. A refusal says which one it was: cancels count first, then orders."""
    items: list[T] = []
    for body in bodies:
        try:
            items.append(read(body))
        except CommandRejected as error:
            raise type(error)(**error.values, item=first + len(items)) from None
    return tuple(items)


def _cancel(body: CancelBody) -> CancelOrder:
    order_id = _uint64("order_id", body.order_id)
    client_id = _uint64("client_id", body.client_id)
    if (order_id == 0) == (client_id == 0):
        raise MalformedMessage(detail="a cancel names exactly one of order_id and client_id")
    return CancelOrder(OrderId(order_id), ClientOrderId(client_id))


def _uint64(field: str, value: int) -> int:
    if not 0 <= value <= UINT64_MAX:
        require_range(field, value, 0, UINT64_MAX)
    return value


def _money(field: str, text: str, low: int) -> Money:
    amount = units_from_decimal(text, MONEY_DECIMALS)
    require_range(field, amount, low, MONEY_MAX)
    return Money(amount)


def signature_from_hex(text: str) -> bytes:
    """Return the 65 bytes of a signature in hex, its parity as 0 or 1.

    Raises ``MalformedMessage`` if it is not ``0x`` and 130 hexadecimal digits. A parity that is
    neither 0, 1, 27 nor 28 stays as it is: recovering refuses it, with the digest.
    """
    try:
        signature = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        signature = b""
    if len(signature) != SIGNATURE_BYTES or len(text) != 2 + 2 * SIGNATURE_BYTES:
        raise MalformedMessage(detail="a signature is 0x and 130 hexadecimal digits")
    if signature[64] >= _WALLET_PARITY:
        return signature[:64] + bytes([signature[64] - _WALLET_PARITY])
    return signature


def action_to_json(action: SignedAction, rules: Rules) -> dict[str, Any]:
    """Return the body of ``action``, ready to be written as JSON; its parity as 27 or 28.

    ``ActionReader.read`` brings the same action back, its signer apart. Raises ``UnknownMarket``.
    """
    head = {
        "type": _NAMES[type(action)],
        "account": hex_from_address(action.account),
        "nonce": action.nonce,
        "expires": action.expires,
    }
    signature = action.signature[:64] + bytes([action.signature[64] + _WALLET_PARITY])
    return {**head, **_fields(action, rules), "signature": "0x" + signature.hex()}


def _fields(action: SignedAction, rules: Rules) -> dict[str, Any]:
    match action:
        case PlaceOrders():
            return {
                "cancels": [_cancel_to_json(cancel) for cancel in action.cancels],
                "orders": [_order_to_json(order, rules) for order in action.orders],
                "max_fee": decimal_from_units(action.max_fee, MONEY_DECIMALS),
            }
        case CancelAll():
            return {"market": _symbol(action.market, rules) if action.market else ""}
        case AdjustMargin():
            amount = decimal_from_units(action.amount, MONEY_DECIMALS)
            return {"market": _symbol(action.market, rules), "amount": amount}
        case Withdraw():
            return {"amount": decimal_from_units(action.amount, MONEY_DECIMALS)}
        case ApproveAgent():
            return {"agent": hex_from_address(Address(action.agent)), "until": action.until}
        case _:
            assert_never(action)


def _cancel_to_json(cancel: CancelOrder) -> dict[str, int]:
    if cancel.order_id:
        return {"order_id": cancel.order_id}
    return {"client_id": cancel.client_id}


def _order_to_json(order: NewOrder, rules: Rules) -> dict[str, Any]:
    symbol = _symbol(order.market, rules)
    market = rules.market(order.market)
    return {
        "market": symbol,
        "side": SIDE_NAMES[order.side],
        "type": ORDER_TYPE_NAMES[order.type],
        "price": decimal_from_units(order.price, market.tick_decimals),
        "size": decimal_from_units(order.size, market.lot_decimals),
        "reduce_only": order.reduce_only,
        "client_id": order.client_id,
    }


def _symbol(market: MarketId, rules: Rules) -> str:
    if not 1 <= market <= len(rules.markets):
        raise UnknownMarket(market=market)
    return rules.market(market).symbol
