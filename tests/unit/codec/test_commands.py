"""The journal's form of commands and blocks, and the ranges that nothing may leave."""

from typing import Any

import msgspec
import pytest

from node.codec.commands import (
    command_bytes,
    command_id,
    decode_block,
    decode_command,
    encode_block,
    encode_command,
)
from node.codec.ranges import MARKET_ID_MAX, MONEY_MAX, check_ranges
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    CancelOrder,
    Command,
    Deposit,
    Disconnected,
    Expire,
    Liquidate,
    OpenBlock,
    OracleRound,
    PlaceOrders,
    PriceReport,
    SetSwitch,
    TriggerOrder,
    Uncross,
    Withdraw,
)
from node.types.errors import MalformedMessage, ValueOutOfRange
from node.types.hashing import keccak256
from node.types.ids import Address, MarketId, OrderId, Sequence
from node.types.units import LAG_MAX, UINT64_MAX, Lots, Millis, Money, Ticks
from tests.unit.codec.example_actions import (
    ACTIONS,
    BTC,
    BUY,
    HEAD,
    LOG,
    NOON,
    OWNER,
    SIGNING,
    SYSTEM,
    UNSIGNED,
    signed,
)


def block_of(commands: tuple[Command, ...]) -> Block:
    return Block(
        number=1,
        time=NOON,
        first_sequence=Sequence(1),
        commands=commands,
        ids=tuple(command_id(command, SIGNING) for command in commands),
        parent=GENESIS_PARENT,
        hash=keccak256(b"block"),
        signature=UNSIGNED,
        changes=keccak256(b"changes"),
    )


def test_a_block_comes_back() -> None:
    block = block_of(LOG)
    assert decode_block(encode_block(block)) == block


@pytest.mark.parametrize("commands", [LOG[:1], LOG[:2], LOG, 20 * LOG], ids=len)
def test_the_commands_part_of_a_block_is_told(commands: tuple[Command, ...]) -> None:
    block = block_of(commands)
    truly = sum(len(encode_command(command)) for command in commands)
    for number in (0, 200, 2**64 - 1):
        block = msgspec.structs.replace(block, number=number, first_sequence=Sequence(number))
        assert abs(command_bytes(block, encode_block(block)) - truly) <= 20


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x91\x01", b"\x92\x63\x01", b"\xff" * 8])
def test_other_bytes_are_no_command_and_no_block(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_command(data)
    with pytest.raises(MalformedMessage):
        decode_block(data)


def test_the_id_of_an_action_is_what_was_signed() -> None:
    action = signed(ACTIONS["one_order"])
    assert command_id(action, SIGNING) == SIGNING.digest(action)


def test_the_id_of_any_other_command_is_the_hash_of_its_encoding() -> None:
    command = SYSTEM["deposit"]
    assert command_id(command, SIGNING) == keccak256(encode_command(command))


def test_the_ids_of_a_log_differ() -> None:
    # The last entry is the one order again, signed by the agent: the same action, the same id.
    assert len({command_id(command, SIGNING) for command in LOG}) == len(LOG) - 1


ORDER = ACTIONS["one_order"]
AMEND = AmendOrder(BTC, Ticks(1), Lots(1), OrderId(1))


def amending(amend: AmendOrder) -> PlaceOrders:
    """Return the action that does just this."""
    return PlaceOrders(*HEAD, (), (), Money(0), (amend,))


OUT_OF_RANGE: list[tuple[str, Command]] = [
    ("nonce", msgspec.structs.replace(ORDER, nonce=-1)),
    ("nonce", msgspec.structs.replace(ORDER, nonce=UINT64_MAX + 1)),
    ("expires", msgspec.structs.replace(ORDER, expires=Millis(UINT64_MAX + 1))),
    ("account", msgspec.structs.replace(ORDER, account=Address(bytes(19)))),
    ("signer", msgspec.structs.replace(ORDER, signer=Address(bytes(21)))),
    ("signature", msgspec.structs.replace(ORDER, signature=bytes(64))),
    ("parity", msgspec.structs.replace(ORDER, signature=bytes(64) + b"\x02")),
    ("order_id", PlaceOrders(*HEAD, (CancelOrder(OrderId(-1)),), ())),
    *(
        (field, PlaceOrders(*HEAD, (), (msgspec.structs.replace(BUY, **{field: value}),)))
        for field in ("price", "size", "client_id", "good_till", "trigger_price", "group")
        for value in (-1, UINT64_MAX + 1)
    ),
    *(
        (field, amending(msgspec.structs.replace(AMEND, **{field: value})))
        for field in (
            "market",
            "price",
            "size",
            "order_id",
            "client_id",
            "trigger_price",
            "good_till",
        )
        for value in (-1, UINT64_MAX + 1)
    ),
    ("cancel_at", SetSwitch(*HEAD, Millis(-1))),
    ("cancel_at", SetSwitch(*HEAD, Millis(UINT64_MAX + 1))),
    ("account", Expire(Address(bytes(19)))),
    ("account", Disconnected(Address(bytes(21)))),
    ("account", TriggerOrder(Address(b""), OrderId(1))),
    ("order_id", TriggerOrder(OWNER, OrderId(UINT64_MAX + 1))),
    ("market", Uncross(MarketId(MARKET_ID_MAX + 1))),
    ("market", PlaceOrders(*HEAD, (), (msgspec.structs.replace(BUY, market=MarketId(-1)),))),
    ("amount", AdjustMargin(*HEAD, BTC, Money(-MONEY_MAX - 1))),
    ("amount", Withdraw(*HEAD, Money(-1))),
    ("agent", msgspec.structs.replace(ACTIONS["approve_agent"], agent=Address(b""))),
    ("until", msgspec.structs.replace(ACTIONS["approve_agent"], until=Millis(-1))),
    ("number", OpenBlock(-1, NOON)),
    ("time", OpenBlock(1, Millis(-1))),
    ("fee", OpenBlock(1, NOON, Money(-1))),
    ("lag", OpenBlock(1, NOON, lag=Millis(-1))),
    ("lag", OpenBlock(1, NOON, lag=Millis(LAG_MAX + 1))),
    ("max_fee", PlaceOrders(*HEAD, (), (BUY,), Money(-1))),
    ("index", Deposit(-1, OWNER, Money(1))),
    ("amount", Deposit(0, OWNER, Money(MONEY_MAX + 1))),
    ("time", OracleRound(Millis(-1), ())),
    ("price", OracleRound(NOON, (PriceReport(OWNER, (Ticks(-1),), UNSIGNED),))),
    ("reporter", OracleRound(NOON, (PriceReport(Address(b""), (), UNSIGNED),))),
    ("market", Liquidate(MarketId(MARKET_ID_MAX + 1), OWNER)),
]


@pytest.mark.parametrize(("field", "command"), OUT_OF_RANGE)
def test_no_value_leaves_its_range(field: str, command: Command) -> None:
    with pytest.raises(ValueOutOfRange) as refusal:
        check_ranges(command)
    assert refusal.value.field == field


def test_what_is_decoded_is_within_range() -> None:
    raw: Any = msgspec.msgpack.decode(encode_command(SYSTEM["deposit"]))
    raw[2] = bytes(3)
    with pytest.raises(ValueOutOfRange):
        decode_command(msgspec.msgpack.encode(raw))


def test_the_ends_of_the_ranges_are_carried() -> None:
    for command in (
        AdjustMargin(*HEAD, BTC, Money(-MONEY_MAX)),
        Deposit(UINT64_MAX, OWNER, Money(MONEY_MAX)),
        Liquidate(MarketId(MARKET_ID_MAX), OWNER),
    ):
        assert decode_command(encode_command(command)) == command
