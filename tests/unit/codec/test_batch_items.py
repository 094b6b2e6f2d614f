"""What few items of a batch have: it comes back, costs the others nothing, and must add up."""

import msgspec
import pytest

from node.codec.batch import decode_batch, encode_batch
from node.codec.columns import COLUMNS, RARE_COLUMNS, Columns, Kind, columns_to_bytes
from node.types.commands import (
    AmendOrder,
    CancelAll,
    NewOrder,
    OrderType,
    PlaceOrders,
    SelfTrade,
    SetSwitch,
    Trigger,
)
from node.types.errors import BatchMalformed
from node.types.ids import Address, ClientOrderId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.unit.codec.example_actions import BTC, BUY, NOON, OWNER, STOP
from tests.unit.codec.example_batches import ACTION, ONE_PARTY, ORDER, SIGNED, framed


def test_what_other_orders_have_besides_costs_a_plain_one_nothing() -> None:
    def size(order: NewOrder) -> int:
        placing = [
            PlaceOrders(OWNER, OWNER, nonce, NOON, bytes(65), (), (order,))
            for nonce in range(1, 1_001)
        ]
        assert decode_batch(encode_batch(placing)) == tuple(placing)
        return len(encode_batch(placing))

    plain = size(BUY)
    # Where all are alike the compressor swallows the rows; what is left are a few of its own bytes.
    assert plain < size(msgspec.structs.replace(BUY, self_trade=SelfTrade.DECREMENT)) < plain + 32
    everything = msgspec.structs.replace(STOP, side=BUY.side, reduce_only=False)
    assert size(everything) < plain + 100


def test_amends_name_their_action_and_the_others_say_nothing() -> None:
    def amending(nonce: int, *amends: AmendOrder) -> PlaceOrders:
        return PlaceOrders(OWNER, OWNER, nonce, NOON, bytes(65), (), (BUY,), Money(5), amends)

    first = AmendOrder(BTC, Ticks(600_000), Lots(5), OrderId(7))
    second = AmendOrder(BTC, Ticks(600_001), Lots(6), client_id=ClientOrderId(8))
    log = (
        amending(1),
        amending(2, first, second),
        amending(3),
        amending(4, second),
        PlaceOrders(OWNER, OWNER, 5, NOON, bytes(65), (), (), Money(5), (first,)),
    )
    assert decode_batch(encode_batch(log)) == log


def test_what_an_amend_keeps_costs_nothing_and_what_it_moves_few_bytes() -> None:
    def size(*amends: AmendOrder) -> int:
        log = [
            PlaceOrders(OWNER, OWNER, nonce, NOON, bytes(65), (), (), Money(5), (amend,))
            for nonce, amend in enumerate(amends, start=1)
        ]
        assert decode_batch(encode_batch(log)) == tuple(log)
        return len(encode_batch(log))

    plain = [AmendOrder(BTC, Ticks(600_000), Lots(5), OrderId(7 + n)) for n in range(1_000)]
    moved = [
        msgspec.structs.replace(
            amend, trigger_price=Ticks(599_000), good_till=Millis(NOON + 60_000 * place)
        )
        for place, amend in enumerate(plain)
    ]
    assert size(*plain) < size(*moved) < size(*plain) + 64


def test_the_bytes_of_a_batch_without_moved_terms_name_no_rare_column() -> None:
    names = (*COLUMNS, *RARE_COLUMNS)
    plain = columns_to_bytes({name: AMENDING.get(name, []) for name in names})
    assert len(plain) == len(COLUMNS) + 1
    moved = columns_to_bytes({name: MOVING.get(name, []) for name in names})
    assert len(moved) == len(plain) + 1 + len(RARE_COLUMNS)


def test_a_switch_set_again_and_again_costs_two_bytes_and_its_expiry() -> None:
    log = [
        SetSwitch(OWNER, OWNER, nonce, Millis(time + 60_000), bytes(65), Millis(time + 5_000), True)
        for nonce, time in enumerate(range(NOON, NOON + 1_000_000, 1_000), start=1)
    ]
    assert decode_batch(encode_batch(log)) == tuple(log)
    plain = [CancelAll(*(*action_head(action), BTC)) for action in log]
    assert len(encode_batch(log)) < len(encode_batch(plain)) + 100


def action_head(action: SetSwitch) -> tuple[Address, Address, int, Millis, bytes]:
    return action.account, action.signer, action.nonce, action.expires, action.signature


EXTRAS: Columns = {
    **ORDER,
    "order.form": [64],
    "order.extras": [2 | 1 << 2 | 7 << 4],
    "order.good_till": [10],
    "order.trigger_price": [4],
    "order.group": [18],
}


def test_a_hand_made_order_with_all_that_few_have_is_read() -> None:
    (action,) = decode_batch(framed(EXTRAS, SIGNED))
    assert isinstance(action, PlaceOrders)
    (order,) = action.orders
    assert order == NewOrder(
        BTC,
        BUY.side,
        OrderType.GTC,
        Ticks(1),
        Lots(1),
        self_trade=SelfTrade.CANCEL_BOTH,
        good_till=Millis(5),
        trigger=Trigger.STOP,
        trigger_price=Ticks(3),
        group=9,
    )


@pytest.mark.parametrize(
    "columns",
    [
        {"order.form": [0]},
        {"order.extras": []},
        # An order with nothing besides has no row: it is what the plain form is for.
        {
            "order.extras": [0],
            "order.good_till": [],
            "order.trigger_price": [],
            "order.group": [],
        },
        {"order.extras": [128]},
        {"order.extras": [2 | 3 << 2 | 7 << 4]},
        {"order.extras": [2]},
        {"order.extras": [2, 2]},
        {"order.good_till": [0]},
        {"order.good_till": [1]},
        {"order.good_till": []},
        {"order.good_till": [10, 10]},
        {"order.trigger_price": [1]},
        {"order.trigger_price": [3]},
        {"order.trigger_price": []},
        {"order.trigger_price": [2**65]},
        {"order.group": [0]},
        {"order.group": []},
        {"amend.action": [0]},
        {"amend.market": [1]},
        {"switch.form": [0]},
        {"expire.account": [0]},
        {"trigger.order_id": [0]},
        {"disconnected.account": [0]},
        {"uncross.market": [1]},
    ],
    ids=lambda columns: f"{columns}",
)
def test_what_few_orders_have_must_be_there_as_often_as_it_is_said(columns: Columns) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed({**EXTRAS, **columns}, SIGNED))


AMENDING: Columns = {
    "kind": [Kind.PLACE_ORDERS],
    **ONE_PARTY,
    **ACTION,
    "place.cancels": [0],
    "place.orders": [0],
    "place.max_fee": [0],
    "amend.action": [0],
    "amend.form": [1],
    "amend.order_id": [12],
    "amend.market": [1],
    "amend.price": [2],
    "amend.size": [1],
}


def test_a_hand_made_amend_is_read() -> None:
    (action,) = decode_batch(framed(AMENDING, SIGNED))
    assert isinstance(action, PlaceOrders)
    assert action.amends == (AmendOrder(BTC, Ticks(1), Lots(1), OrderId(7)),)


MOVING: Columns = {
    **AMENDING,
    "amend.form": [1 | 4 | 8],
    "amend.trigger_price": [4],
    "amend.good_till": [10],
}


def test_a_hand_made_amend_of_a_trigger_price_and_an_end_is_read() -> None:
    (action,) = decode_batch(framed(MOVING, SIGNED))
    assert isinstance(action, PlaceOrders)
    amend = AmendOrder(BTC, Ticks(1), Lots(1), OrderId(7), ClientOrderId(0), Ticks(3), Millis(5))
    assert action.amends == (amend,)


@pytest.mark.parametrize(
    "columns",
    [
        {"amend.form": [1]},
        {"amend.form": [1 | 4]},
        {"amend.form": [1 | 8]},
        {"amend.trigger_price": []},
        {"amend.trigger_price": [4, 4]},
        {"amend.trigger_price": [1]},
        {"amend.trigger_price": [3]},
        {"amend.trigger_price": [2**65]},
        {"amend.good_till": []},
        {"amend.good_till": [10, 10]},
        {"amend.good_till": [0]},
        {"amend.good_till": [1]},
        {"amend.good_till": [2**65 + 2]},
    ],
    ids=lambda columns: f"{columns}",
)
def test_what_an_amend_moves_must_be_there_as_often_as_it_is_said(columns: Columns) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed({**MOVING, **columns}, SIGNED))


@pytest.mark.parametrize(
    "columns",
    [
        {"amend.action": []},
        {"amend.action": [1]},
        {"amend.action": [2**70 - 1]},
        {"amend.action": [0, 0]},
        {"amend.form": [16]},
        {"amend.form": [5]},
        {"amend.form": [9]},
        {"amend.trigger_price": [2]},
        {"amend.good_till": [2]},
        {"amend.form": [2]},
        {"amend.order_id": [1]},
        {"amend.order_id": [0, 0]},
        {"amend.client_id": [0]},
        {"amend.market": [1_001]},
        {"amend.market": []},
        {"amend.price": [1]},
        {"amend.size": [2**64]},
    ],
    ids=lambda columns: f"{columns}",
)
def test_amends_that_contradict_themselves_are_malformed(columns: Columns) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed({**AMENDING, **columns}, SIGNED))


SWITCH: Columns = {
    "kind": [Kind.SET_SWITCH],
    **ONE_PARTY,
    **ACTION,
    "action.expires_seconds": [2],
    "switch.form": [3],
    "switch.cancel_at": [1],
}


def test_a_hand_made_switch_is_read() -> None:
    (action,) = decode_batch(framed(SWITCH, SIGNED))
    signature = bytes(64) + b"\x01"
    assert action == SetSwitch(OWNER, OWNER, 1, Millis(1_000), signature, Millis(999), True)


@pytest.mark.parametrize(
    "columns",
    [
        {"switch.form": [4]},
        {"switch.form": []},
        {"switch.form": [1]},
        {"switch.cancel_at": []},
        {"switch.cancel_at": [1_999]},
        {"switch.cancel_at": [2_001]},
        {"switch.cancel_at": [2**65]},
    ],
    ids=lambda columns: f"{columns}",
)
def test_a_switch_that_contradicts_itself_is_malformed(columns: Columns) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed({**SWITCH, **columns}, SIGNED))


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (Kind.EXPIRE, {}),
        (Kind.EXPIRE, {"expire.account": [1]}),
        (Kind.EXPIRE, {"expire.account": [0, 0]}),
        (Kind.TRIGGER_ORDER, {"trigger.account": [0]}),
        (Kind.TRIGGER_ORDER, {"trigger.account": [1], "trigger.order_id": [0]}),
        (Kind.TRIGGER_ORDER, {"trigger.account": [0], "trigger.order_id": [1]}),
        (Kind.DISCONNECTED, {"expire.account": [0]}),
        (Kind.DISCONNECTED, {"disconnected.account": [1]}),
        (Kind.UNCROSS, {}),
        (Kind.UNCROSS, {"uncross.market": [1_001]}),
    ],
)
def test_a_watchers_command_that_names_nobody_is_malformed(kind: Kind, columns: Columns) -> None:
    tail = b"\x01" + OWNER
    assert decode_batch(framed({"kind": [Kind.EXPIRE], "expire.account": [0]}, tail))
    with pytest.raises(BatchMalformed):
        decode_batch(framed({"kind": [kind], **columns}, tail))
