"""The JSON body of an action, both ways: what clients write and what the gate reads.

    {"type": "place_orders", "account": "0x…", "nonce": 1, "expires": 1760000000000,
     "cancels": [{"order_id": 7}, {"client_id": 3}],
     "amends": [{"order_id": 8, "market": "BTC-PERP", "price": "60000.0", "size": "0.02"}],
     "orders": [{"market": "BTC-PERP", "side": "buy", "type": "gtc", "price": "60000.5",
                 "size": "0.01", "reduce_only": false, "client_id": 4}],
     "max_fee": "0.002", "signature": "0x…"}

Prices, sizes and amounts are decimal strings; points in time are milliseconds. Unknown fields are
refused: a misspelt ``reduce_only`` must not pass as an order without it. The parity of a signature
may stand as 0 or 1, or as wallets write it, 27 or 28. The items are those of ``json_items``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, assert_never

import msgspec

from node.codec.json_items import (
    AmendBody,
    CancelBody,
    ItemReader,
    OrderBody,
    amend_to_json,
    cancel_to_json,
    order_to_json,
    read_cancel,
    read_each,
    symbol_of,
    uint64,
)
from node.codec.ranges import MONEY_MAX, SIGNATURE_BYTES, require_range
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    ApproveAgent,
    CancelAll,
    CancelOrder,
    NewOrder,
    PlaceOrders,
    SetSwitch,
    SignedAction,
    Withdraw,
)
from node.types.errors import MalformedMessage, OversizedMessage, TooManyItems
from node.types.ids import (
    EVERY_MARKET,
    NO_ADDRESS,
    Address,
    MarketId,
    address_from_hex,
    hex_from_address,
)
from node.types.rules import Rules
from node.types.units import (
    MONEY_DECIMALS,
    Millis,
    Money,
    money_text,
    units_from_decimal,
)

MESSAGE_BYTES_MAX: Final = 65_536
"""The longest body that is read: four times the longest sensible one, of a hundred items."""

_WALLET_PARITY: Final = 27

_Head = tuple[Address, Address, int, Millis, bytes]


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What every body carries."""

    account: str
    nonce: int
    expires: int
    signature: str


class PlaceOrdersBody(ActionBody, frozen=True, tag="place_orders"):
    """Cancels, amends and orders under one signature.

    ``max_fee`` is a decimal with up to six digits after the point. It is signed, so its default
    stands for "nothing": right for what only cancels or reduces, refused for what is charged.
    """

    cancels: tuple[CancelBody, ...] = ()
    amends: tuple[AmendBody, ...] = ()
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
    """``agent`` is an address; ``until`` in the past takes its authority away.

    0 does so with what reduces risk, so neither load nor a closed gate keeps it waiting.
    """

    agent: str
    until: int


class SetSwitchBody(ActionBody, frozen=True, tag="set_switch"):
    """``cancel_at`` is a time in milliseconds, 0 is never. Without both the switch is off."""

    cancel_at: int = 0
    on_disconnect: bool = False


Body = (
    PlaceOrdersBody
    | CancelAllBody
    | AdjustMarginBody
    | WithdrawBody
    | ApproveAgentBody
    | SetSwitchBody
)

_decoder: Final[msgspec.json.Decoder[Body]] = msgspec.json.Decoder(Body)
_NAMES: Final[Mapping[type[SignedAction], str]] = MappingProxyType(
    {
        PlaceOrders: "place_orders",
        CancelAll: "cancel_all",
        AdjustMargin: "adjust_margin",
        Withdraw: "withdraw",
        ApproveAgent: "approve_agent",
        SetSwitch: "set_switch",
    }
)


class ActionReader:
    """Reads bodies under one set of rules. Immutable; build it once."""

    __slots__ = ("_item_reader", "_items_max")

    def __init__(self, rules: Rules) -> None:
        self._items_max = rules.limits.items_per_action
        self._item_reader = ItemReader(rules)

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
            uint64("nonce", body.nonce),
            Millis(uint64("expires", body.expires)),
            signature_from_hex(body.signature),
        )
        match body:
            case PlaceOrdersBody():
                return self._place(body, head)
            case CancelAllBody():
                market = self._market(body.market) if body.market else EVERY_MARKET
                return CancelAll(*head, market)
            case AdjustMarginBody():
                amount = _money("amount", body.amount, -MONEY_MAX)
                return AdjustMargin(*head, self._market(body.market), amount)
            case WithdrawBody():
                return Withdraw(*head, _money("amount", body.amount, 0))
            case ApproveAgentBody():
                agent = address_from_hex(body.agent)
                return ApproveAgent(*head, agent, Millis(uint64("until", body.until)))
            case SetSwitchBody():
                cancel_at = Millis(uint64("cancel_at", body.cancel_at))
                return SetSwitch(*head, cancel_at, body.on_disconnect)
            case _:
                assert_never(body)

    def _place(self, body: PlaceOrdersBody, head: _Head) -> PlaceOrders:
        items = len(body.cancels) + len(body.amends) + len(body.orders)
        if not 1 <= items <= self._items_max:
            raise TooManyItems(limit=self._items_max, items=items)
        reader, first = self._item_reader, len(body.cancels)
        cancels: tuple[CancelOrder, ...] = ()
        amends: tuple[AmendOrder, ...] = ()
        orders: tuple[NewOrder, ...] = ()
        # Most actions leave two of the three lists empty.
        if body.cancels:
            cancels = read_each(read_cancel, body.cancels, 0)
        if body.amends:
            amends = read_each(reader.amend, body.amends, first)
        if body.orders:
            orders = read_each(reader.order, body.orders, first + len(body.amends))
        return PlaceOrders(*head, cancels, orders, _money("max_fee", body.max_fee, 0), amends)

    def _market(self, symbol: str) -> MarketId:
        return self._item_reader.market(symbol)[0]


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
        signature = bytes.fromhex(text[2:])
    except ValueError:
        signature = b""
    # ``fromhex`` skips blanks, so 132 characters need not be 65 bytes.
    whole = text.startswith("0x") and len(text) == 2 + 2 * SIGNATURE_BYTES
    if not whole or len(signature) != SIGNATURE_BYTES:
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


def preview_to_json(
    account: Address, order: NewOrder, max_fee: Money | None, rules: Rules
) -> dict[str, Any]:
    """Return the body that asks what ``order`` would come to. Raises ``UnknownMarket``."""
    body = {"account": hex_from_address(account), "order": order_to_json(order, rules)}
    if max_fee is not None:
        body["max_fee"] = money_text(max_fee)
    return body


def _fields(action: SignedAction, rules: Rules) -> dict[str, Any]:
    match action:
        case PlaceOrders():
            return {
                "cancels": [cancel_to_json(cancel) for cancel in action.cancels],
                "amends": [amend_to_json(amend, rules) for amend in action.amends],
                "orders": [order_to_json(order, rules) for order in action.orders],
                "max_fee": money_text(action.max_fee),
            }
        case CancelAll():
            return {"market": symbol_of(action.market, rules) if action.market else ""}
        case AdjustMargin():
            amount = money_text(action.amount)
            return {"market": symbol_of(action.market, rules), "amount": amount}
        case Withdraw():
            return {"amount": money_text(action.amount)}
        case ApproveAgent():
            return {"agent": hex_from_address(Address(action.agent)), "until": action.until}
        case SetSwitch():
            return {"cancel_at": action.cancel_at, "on_disconnect": action.on_disconnect}
        case _:
            assert_never(action)
