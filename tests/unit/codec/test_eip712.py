"""Digests, the wallet's JSON and signatures against vectors that eth_account signed."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account

from node.codec.action_types import (
    ORDER_TYPE_NAMES,
    PRIMARY_TYPES,
    SELF_TRADE_NAMES,
    SIDE_NAMES,
    STRUCTS,
    TRIGGER_NAMES,
    encode_type,
)
from node.codec.eip712 import Signing
from node.codec.json_actions import ActionReader, action_to_json
from node.codec.signatures import recover, sign
from node.codec.typed_data import typed_data, typed_report
from node.types.blocks import Domain
from node.types.commands import (
    AmendOrder,
    CancelAll,
    OrderType,
    PlaceOrders,
    SelfTrade,
    Side,
    Trigger,
)
from node.types.errors import UnknownMarket
from node.types.ids import MarketId, OrderId, hex_from_address
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.codec.example_actions import (
    ACTIONS,
    BUY,
    DOMAIN,
    HEAD,
    NOON,
    RULES,
    SIGNING,
    STOP,
    signed,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "eip712"
NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_every_signed_type_has_a_vector() -> None:
    primaries = {vector(name)["typed_data"]["primaryType"] for name in NAMES}
    assert primaries == {*PRIMARY_TYPES.values(), "Prices"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "prices"])
def test_an_action_signs_as_its_vector_says(name: str) -> None:
    case = vector(name)
    action = ActionReader(RULES).read(json.dumps(case["body"]).encode())
    digest = SIGNING.digest(action)
    assert digest.hex() == case["digest"][2:]
    assert typed_data(action, DOMAIN, RULES) == case["typed_data"]
    assert hex_from_address(recover(digest, action.signature)) == case["signer"]
    assert sign(bytes.fromhex(case["private_key"][2:]), digest) == action.signature
    assert action_to_json(action, RULES) == case["body"]


def test_a_report_signs_as_its_vector_says() -> None:
    case = vector("prices")
    prices = (Ticks(600_000), Ticks(300_000))
    digest = SIGNING.report_digest(NOON, prices)
    assert digest.hex() == case["digest"][2:]
    assert typed_report(NOON, prices, DOMAIN) == case["typed_data"]
    signature = sign(bytes.fromhex(case["private_key"][2:]), digest)
    assert signature[:64].hex() == case["signature"][2:-2]


@pytest.mark.parametrize("name", NAMES)
def test_eth_account_signs_as_its_vector_says(name: str) -> None:
    case = vector(name)
    made = Account.sign_typed_data(case["private_key"], full_message=case["typed_data"])
    assert made.message_hash.hex().removeprefix("0x") == case["digest"][2:]
    assert made.signature.hex().removeprefix("0x") == case["signature"][2:]


def test_the_type_of_an_action_names_the_structs_it_holds() -> None:
    assert encode_type("PlaceOrders") == (
        "PlaceOrders(address account,uint64 nonce,uint64 expires,Cancel[] cancels,Amend[] amends,"
        "Order[] orders,uint64 maxFee)"
        "Amend(string market,uint64 orderId,uint64 clientId,uint64 priceTicks,uint64 sizeLots,"
        "uint64 triggerPrice,uint64 goodTill)"
        "Cancel(uint64 orderId,uint64 clientId)"
        "Order(string market,string side,string orderType,uint64 priceTicks,uint64 sizeLots,"
        "bool reduceOnly,uint64 clientId,string selfTrade,uint64 goodTill,string trigger,"
        "uint64 triggerPrice,uint64 group)"
    )
    assert encode_type("Prices") == "Prices(uint64 time,uint64[] priceTicks)"
    assert STRUCTS.keys() >= {*PRIMARY_TYPES.values()}


@pytest.mark.parametrize("name", ACTIONS)
def test_neither_signer_nor_signature_enters_the_digest(name: str) -> None:
    action = ACTIONS[name]
    assert SIGNING.digest(signed(action)) == SIGNING.digest(action)


@pytest.mark.parametrize(
    "domain",
    [
        msgspec.structs.replace(DOMAIN, chain_id=1),
        msgspec.structs.replace(DOMAIN, rollup=bytes(20)),
        Domain(chain_id=2**255, rollup=DOMAIN.rollup),
    ],
)
def test_a_digest_belongs_to_one_chain_and_one_rollup(domain: Domain) -> None:
    action = ACTIONS["withdraw"]
    assert Signing(domain, RULES).digest(action) != SIGNING.digest(action)


@pytest.mark.parametrize("market", [0, 3, -1])
def test_an_item_in_an_unknown_market_has_no_digest(market: int) -> None:
    order = msgspec.structs.replace(BUY, market=MarketId(market))
    amend = AmendOrder(MarketId(market), Ticks(1), Lots(1), OrderId(1))
    for action in (
        PlaceOrders(*HEAD, (), (order,)),
        PlaceOrders(*HEAD, (), (), Money(0), (amend,)),
    ):
        with pytest.raises(UnknownMarket):
            SIGNING.digest(action)
        with pytest.raises(UnknownMarket):
            action_to_json(action, RULES)


@pytest.mark.parametrize(
    "change",
    [
        {"self_trade": SelfTrade.DECREMENT},
        {"good_till": Millis(0)},
        {"trigger": Trigger.TAKE_PROFIT},
        {"trigger_price": Ticks(580_001)},
        {"group": 10},
    ],
)
def test_whatever_an_order_says_is_signed(change: dict[str, Any]) -> None:
    changed = PlaceOrders(*HEAD, (), (msgspec.structs.replace(STOP, **change),))
    assert SIGNING.digest(changed) != SIGNING.digest(PlaceOrders(*HEAD, (), (STOP,)))


def test_every_word_of_an_enum_is_shown_and_read() -> None:
    for names, values in (
        (SIDE_NAMES, Side),
        (ORDER_TYPE_NAMES, OrderType),
        (SELF_TRADE_NAMES, SelfTrade),
        (TRIGGER_NAMES, Trigger),
    ):
        assert len(names) == len(set(names)) == len(values)
    for name, order in (
        *(("type", msgspec.structs.replace(BUY, type=value)) for value in OrderType),
        *(("self_trade", msgspec.structs.replace(BUY, self_trade=value)) for value in SelfTrade),
        *(("trigger", msgspec.structs.replace(BUY, trigger=value)) for value in Trigger),
    ):
        body = action_to_json(PlaceOrders(*HEAD, (), (order,)), RULES)
        action = ActionReader(RULES).read(json.dumps(body).encode())
        assert isinstance(action, PlaceOrders)
        (read,) = action.orders
        assert getattr(read, name) is getattr(order, name)


def test_a_cancel_all_in_an_unknown_market_has_no_digest() -> None:
    with pytest.raises(UnknownMarket):
        SIGNING.digest(CancelAll(*HEAD, MarketId(3)))
    with pytest.raises(UnknownMarket):
        typed_data(CancelAll(*HEAD, MarketId(3)), DOMAIN, RULES)
