"""Orders, amends and cancels as clients write them: defaults, and what is refused."""

from typing import Any

import msgspec
import pytest

from node.codec.json_actions import ActionReader, action_to_json
from node.codec.json_items import amend_to_json
from node.types.commands import (
    AmendOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    SelfTrade,
    SetSwitch,
    Trigger,
)
from node.types.errors import (
    CommandRejected,
    MalformedMessage,
    MalformedNumber,
    TooManyItems,
    UnknownMarket,
    ValueOutOfRange,
)
from node.types.ids import NO_ADDRESS, ClientOrderId, OrderId
from node.types.units import UINT64_MAX, Lots, Millis, Ticks
from tests.unit.codec.example_actions import ACTIONS, BTC, BUY, NOON, OWNER, RULES, STOP

PLAIN = {"market": "BTC-PERP", "side": "buy", "type": "gtc", "price": "60000.5", "size": "0.01"}
AMEND = {"order_id": 7, "market": "BTC-PERP", "price": "60000.5", "size": "0.01"}


def read(**fields: Any) -> Any:
    """Return the action that a body with ``fields`` asks for."""
    body = {
        "account": "0x" + OWNER.hex(),
        "nonce": 1,
        "expires": 5,
        "signature": "0x" + "00" * 65,
        **fields,
    }
    return ActionReader(RULES).read(msgspec.json.encode(body))


def order_of(**fields: Any) -> NewOrder:
    (order,) = read(type="place_orders", orders=[{**PLAIN, **fields}]).orders
    assert isinstance(order, NewOrder)
    return order


@pytest.mark.parametrize(
    "signature", ["00" * 65, "00" * 65 + "  ", "0x" + "00" * 64 + "  ", "0X" + "00" * 65, "0x"]
)
def test_a_signature_is_0x_and_its_digits(signature: str) -> None:
    with pytest.raises(MalformedMessage):
        read(type="place_orders", orders=[PLAIN], signature=signature)


def test_an_order_without_the_rest_is_a_plain_one() -> None:
    assert order_of(client_id=4) == BUY
    said = {"self_trade": "cancel_maker", "good_till": 0, "trigger": "none", "group": 0}
    assert order_of(client_id=4, trigger_price="0", **said) == BUY


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"type": "post_only_slide"}, {"type": OrderType.SLIDE}),
        ({"self_trade": "cancel_taker"}, {"self_trade": SelfTrade.CANCEL_TAKER}),
        ({"self_trade": "cancel_both"}, {"self_trade": SelfTrade.CANCEL_BOTH}),
        ({"self_trade": "decrement"}, {"self_trade": SelfTrade.DECREMENT}),
        ({"good_till": UINT64_MAX}, {"good_till": UINT64_MAX}),
        ({"trigger": "stop"}, {"trigger": Trigger.STOP}),
        ({"trigger": "take_profit"}, {"trigger": Trigger.TAKE_PROFIT}),
        ({"trigger_price": "58000.1"}, {"trigger_price": 580_001}),
        ({"group": UINT64_MAX}, {"group": UINT64_MAX}),
    ],
)
def test_each_field_is_read_alone(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    assert order_of(**{"client_id": 4, **fields}) == msgspec.structs.replace(BUY, **changes)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"self_trade": "both"}, MalformedMessage),
        ({"self_trade": None}, MalformedMessage),
        ({"trigger": "stop_loss"}, MalformedMessage),
        ({"trigger": ""}, MalformedMessage),
        ({"trigger_price": 58_000}, MalformedMessage),
        ({"trigger_price": ""}, MalformedNumber),
        ({"trigger_price": "58000.05"}, MalformedNumber),
        ({"trigger_price": "-1"}, ValueOutOfRange),
        ({"good_till": -1}, ValueOutOfRange),
        ({"good_till": "1"}, MalformedMessage),
        ({"group": UINT64_MAX + 1}, ValueOutOfRange),
        ({"stop_price": "1"}, MalformedMessage),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict[str, Any], error: type[CommandRejected]
) -> None:
    with pytest.raises(error):
        order_of(**fields)


def test_a_body_says_only_what_its_order_has() -> None:
    def body_of(order: NewOrder) -> set[str]:
        action = msgspec.structs.replace(ACTIONS["one_order"], orders=(order,))
        return set(action_to_json(action, RULES)["orders"][0])

    extras = {"self_trade", "good_till", "trigger", "trigger_price", "group"}
    assert body_of(BUY) == {*PLAIN, "reduce_only", "client_id"}
    assert body_of(STOP) == {*PLAIN, "reduce_only", "client_id", *extras}


def test_an_amend_names_its_order_by_either_id() -> None:
    by_order = read(type="place_orders", amends=[AMEND])
    assert by_order.amends == (AmendOrder(BTC, Ticks(600_005), Lots(1_000), OrderId(7)),)
    named = {**AMEND, "order_id": 0, "client_id": 3}
    (amend,) = read(type="place_orders", amends=[named]).amends
    assert (amend.order_id, amend.client_id) == (0, ClientOrderId(3))
    assert isinstance(by_order, PlaceOrders)
    assert by_order.signer == NO_ADDRESS


def test_an_amend_may_name_another_trigger_price_and_end() -> None:
    body = {**AMEND, "trigger_price": "59500.1", "good_till": NOON}
    (amend,) = read(type="place_orders", amends=[body]).amends
    assert (amend.trigger_price, amend.good_till) == (595_001, NOON)
    assert amend_to_json(amend, RULES) == body
    kept = msgspec.structs.replace(amend, trigger_price=Ticks(0), good_till=Millis(0))
    assert amend_to_json(kept, RULES) == AMEND


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_id": 3}, MalformedMessage),
        ({"order_id": 0}, MalformedMessage),
        ({"order_id": -1}, ValueOutOfRange),
        ({"market": "DOGE-PERP"}, UnknownMarket),
        ({"price": "1.23"}, MalformedNumber),
        ({"size": "-0.01"}, ValueOutOfRange),
        ({"trigger_price": "1.23"}, MalformedNumber),
        ({"trigger_price": "-1"}, ValueOutOfRange),
        ({"good_till": -1}, ValueOutOfRange),
        ({"good_till": "1"}, MalformedMessage),
        ({"side": "buy"}, MalformedMessage),
    ],
)
def test_a_refused_amend_is_counted_after_the_cancels(
    fields: dict[str, Any], error: type[CommandRejected]
) -> None:
    with pytest.raises(error) as refusal:
        read(type="place_orders", cancels=[{"order_id": 1}], amends=[AMEND, {**AMEND, **fields}])
    # What msgspec refuses has no items yet.
    assert refusal.value.values.get("item", 2) == 2


def test_a_refused_order_is_counted_after_the_amends() -> None:
    with pytest.raises(UnknownMarket) as refusal:
        read(type="place_orders", amends=[AMEND], orders=[PLAIN, {**PLAIN, "market": "?"}])
    assert refusal.value.values["item"] == 2


def test_amends_count_towards_the_items() -> None:
    limit = RULES.limits.items_per_action
    assert len(read(type="place_orders", amends=[AMEND] * limit).amends) == limit
    with pytest.raises(TooManyItems):
        read(type="place_orders", amends=[AMEND] * limit, orders=[PLAIN])
    with pytest.raises(TooManyItems):
        read(type="place_orders", amends=[])


def test_a_switch_without_its_fields_is_off() -> None:
    off = read(type="set_switch")
    assert isinstance(off, SetSwitch)
    assert (off.cancel_at, off.on_disconnect) == (0, False)
    on = read(type="set_switch", cancel_at=9, on_disconnect=True)
    assert (on.cancel_at, on.on_disconnect) == (Millis(9), True)
    with pytest.raises(ValueOutOfRange):
        read(type="set_switch", cancel_at=-1)
