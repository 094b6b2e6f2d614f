"""The JSON that a wallet shows and signs (``eth_signTypedData_v4``), from the table of types.

Integers are written as decimal strings: a wallet in JavaScript loses digits beyond 2**53.
"""

from collections.abc import Sequence
from typing import Any

from node.codec.action_types import (
    DOMAIN_NAME,
    DOMAIN_VERSION,
    ORDER_TYPE_NAMES,
    PRIMARY_TYPES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    STRUCTS,
    TRIGGER_NAMES,
    referenced_structs,
)
from node.types.blocks import Domain
from node.types.commands import AmendOrder, CancelOrder, NewOrder, SignedAction
from node.types.errors import UnknownMarket
from node.types.ids import EVERY_MARKET, Address, MarketId, hex_from_address
from node.types.rules import Rules
from node.types.units import Millis, Ticks

_ATTRIBUTES = {
    "cancelAt": "cancel_at",
    "clientId": "client_id",
    "goodTill": "good_till",
    "maxFee": "max_fee",
    "onDisconnect": "on_disconnect",
    "orderId": "order_id",
    "orderType": "type",
    "priceTicks": "price",
    "reduceOnly": "reduce_only",
    "selfTrade": "self_trade",
    "sizeLots": "size",
    "triggerPrice": "trigger_price",
}
"""Where a field's name in the signed struct differs from its attribute."""

_WORDS = {
    "side": SIDE_NAMES,
    "orderType": ORDER_TYPE_NAMES,
    "selfTrade": SELF_TRADE_NAMES,
    "trigger": TRIGGER_NAMES,
}
"""The words of a field that shows an enum, by their values."""


def typed_data(action: SignedAction, domain: Domain, rules: Rules) -> dict[str, Any]:
    """Return the typed data of ``action``: its digest is ``Signing(domain, rules).digest``.

    Raises ``UnknownMarket``.
    """
    primary = PRIMARY_TYPES[type(action)]
    return _document(primary, _message(primary, action, rules), domain)


def typed_report(time: Millis, prices: Sequence[Ticks], domain: Domain) -> dict[str, Any]:
    """Return the typed data of an oracle report: its digest is ``Signing.report_digest``."""
    message = {"time": str(time), "priceTicks": [str(price) for price in prices]}
    return _document("Prices", message, domain)


def typed_login(account: Address, challenge: bytes, domain: Domain) -> dict[str, Any]:
    """Return the typed data of a login: its digest is ``Signing.login_digest``."""
    message = {"account": hex_from_address(account), "challenge": "0x" + challenge.hex()}
    return _document("Login", message, domain)


def _document(primary: str, message: dict[str, Any], domain: Domain) -> dict[str, Any]:
    structs = ("EIP712Domain", *referenced_structs(primary))
    return {
        "types": {
            struct: [{"name": name, "type": kind} for name, kind in STRUCTS[struct]]
            for struct in structs
        },
        "primaryType": primary,
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.rollup.hex(),
        },
        "message": message,
    }


def _message(
    struct: str, source: SignedAction | NewOrder | AmendOrder | CancelOrder, rules: Rules
) -> dict[str, Any]:
    return {
        name: _shown(name, kind, getattr(source, _ATTRIBUTES.get(name, name)), rules)
        for name, kind in STRUCTS[struct]
    }


def _shown(name: str, kind: str, value: Any, rules: Rules) -> Any:
    if kind.endswith("[]"):
        return [_message(kind.removesuffix("[]"), item, rules) for item in value]
    if kind == "address":
        return "0x" + value.hex()
    if kind == "bool":
        return value
    if kind == "string":
        return _WORDS[name][value] if name in _WORDS else _symbol(MarketId(value), rules)
    return str(int(value))


def _symbol(market: MarketId, rules: Rules) -> str:
    if market == EVERY_MARKET:
        return ""
    if not 1 <= market <= len(rules.markets):
        raise UnknownMarket(market=market)
    return rules.market(market).symbol
