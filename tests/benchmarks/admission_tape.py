"""Signed orders in the forms that each path takes in: our JSON bodies, and EIP-712 documents.

For the ordinary way a single order is signed as a flat struct of integers, as most exchanges have
it: eth_account hashes that twice as fast as our readable fields in nested arrays.
"""

from collections.abc import Iterable
from random import Random
from typing import Any, Final

import msgspec
from eth_account import Account

from node.codec.eip712 import Signing
from node.codec.json_actions import action_to_json
from node.codec.typed_data import typed_data
from node.types.commands import NewOrder, OrderType, PlaceOrders, Side
from node.types.ids import ClientOrderId, MarketId
from node.types.units import Lots, Millis, Ticks
from tests.examples import ALICE, DOMAIN, RULES, START_MS, signed

EXPIRES: Final = Millis(START_MS + 60_000)
MIDDLE: Final = 5_000_00
FLAT_ORDER: Final = {
    "account": "address",
    "nonce": "uint64",
    "expires": "uint64",
    "market": "uint32",
    "side": "uint8",
    "orderType": "uint8",
    "priceTicks": "uint64",
    "sizeLots": "uint64",
    "clientId": "uint64",
}


class Document(msgspec.Struct, frozen=True):
    """Typed data that Alice signed, and her signature as a wallet writes it."""

    content: dict[str, Any]
    signature: bytes


def actions(seed: int, count: int, orders: int) -> list[PlaceOrders]:
    """Return ``count`` actions of ``orders`` orders, not yet signed."""
    random = Random(seed)
    account = ALICE.address
    return [
        PlaceOrders(
            account, account, nonce, EXPIRES, b"", (), tuple(_order(random) for _ in range(orders))
        )
        for nonce in range(1, count + 1)
    ]


def bodies(drawn: Iterable[PlaceOrders]) -> list[bytes]:
    """Return the JSON bodies that clients send of these actions."""
    signing = Signing(DOMAIN, RULES)
    return [
        msgspec.json.encode(action_to_json(signed(action, ALICE, signing), RULES))
        for action in drawn
    ]


def flat_documents(drawn: Iterable[PlaceOrders]) -> list[Document]:
    """Return each order of ``drawn`` as a flat struct of integers."""
    return [_document(_flat(action, order)) for action in drawn for order in action.orders]


def readable_documents(drawn: Iterable[PlaceOrders]) -> list[Document]:
    """Return each action as it is signed for our exchange."""
    return [_document(typed_data(action, DOMAIN, RULES)) for action in drawn]


def _document(content: dict[str, Any]) -> Document:
    return Document(content, Account.sign_typed_data(ALICE.key, full_message=content).signature)


def _flat(action: PlaceOrders, order: NewOrder) -> dict[str, Any]:
    readable = typed_data(action, DOMAIN, RULES)
    fields = [{"name": name, "type": kind} for name, kind in FLAT_ORDER.items()]
    values = (
        readable["message"]["account"],
        action.nonce,
        action.expires,
        order.market,
        int(order.side),
        int(order.type),
        order.price,
        order.size,
        order.client_id,
    )
    return {
        "types": {"EIP712Domain": readable["types"]["EIP712Domain"], "Order": fields},
        "primaryType": "Order",
        "domain": readable["domain"],
        "message": dict(zip(FLAT_ORDER, values, strict=True)),
    }


def _order(random: Random) -> NewOrder:
    return NewOrder(
        MarketId(random.choice((1, 2))),
        random.choice((Side.BUY, Side.SELL)),
        random.choice((OrderType.GTC, OrderType.POST_ONLY, OrderType.IOC)),
        Ticks(MIDDLE + random.randint(-5_000, 5_000)),
        Lots(random.randint(1_000, 500_000)),
        client_id=ClientOrderId(random.randint(1, 2**48)),
    )
