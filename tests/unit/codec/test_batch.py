"""The batch format: pinned bytes, its size, and each way to be no batch."""

import zlib
from random import Random

import msgspec
import pytest

from node.codec.batch import VERSION, BatchLimits, decode_batch, encode_batch
from node.codec.columns import COLUMNS, RARE_COLUMNS, ColumnReader, Columns, Kind, columns_to_bytes
from node.codec.commands import encode_command
from node.codec.varint import encode_varints
from node.types.commands import (
    CancelOrder,
    Command,
    NewOrder,
    OpenBlock,
    OrderType,
    PlaceOrders,
    SettleFunding,
)
from node.types.errors import BatchMalformed, ValueOutOfRange
from node.types.ids import Address, ClientOrderId, OrderId
from node.types.units import LAG_MAX, UINT64_MAX, Lots, Millis, Money, Ticks
from tests.unit.codec.example_actions import BTC, BUY, LOG, NOON, OWNER
from tests.unit.codec.example_batches import NO_ADDRESSES, ORDER, SIGNED, framed


def test_the_bytes_of_a_small_batch() -> None:
    opening = OpenBlock(1, Millis(5), Money(9), Millis(2))
    batch = encode_batch([opening, SettleFunding()])
    lengths = bytes([2, 1, 1, 1, 1]) + bytes(len(COLUMNS) - 5)
    columns = lengths + bytes([Kind.OPEN_BLOCK, Kind.SETTLE_FUNDING]) + b"\x00\x0a\x12\x06"
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflater.compress(columns) + deflater.flush()
    assert batch == b"\x03\x01" + bytes([len(packed)]) + packed + NO_ADDRESSES
    block = {"block.number": [0], "block.time": [10], "block.fee": [18], "block.since": [6]}
    assert decode_batch(framed({"kind": [10, 13], **block})) == (opening, SettleFunding())


def test_a_standing_price_and_an_old_lag_cost_a_block_nearly_nothing() -> None:
    plain = [OpenBlock(block, Millis(NOON + 7 * block)) for block in range(1_000)]
    lagging = [
        msgspec.structs.replace(block, fee=Money(150), lag=Millis(600_000 + 7 * place))
        for place, block in enumerate(plain)
    ]
    assert decode_batch(encode_batch(lagging)) == tuple(lagging)
    assert len(encode_batch(lagging)) < len(encode_batch(plain)) + 50


def test_a_signer_who_keeps_his_limit_names_it_once() -> None:
    def log(limit: int) -> list[Command]:
        return [
            PlaceOrders(*head(nonce), (), (BUY,), Money(limit))
            if nonce % 2
            else PlaceOrders(*head(nonce), (CancelOrder(OrderId(nonce)),), ())
            for nonce in range(1, 1_001)
        ]

    def head(nonce: int) -> tuple[Address, Address, int, Millis, bytes]:
        return OWNER, OWNER, nonce, NOON, bytes(65)

    assert decode_batch(encode_batch(log(2_500))) == tuple(log(2_500))
    assert len(encode_batch(log(2_500))) < len(encode_batch(log(0))) + 50


@pytest.mark.parametrize(
    ("time", "lag"), [(0, LAG_MAX), (UINT64_MAX, LAG_MAX), (UINT64_MAX, 0), (0, 0)]
)
def test_the_widest_lags_come_back(time: int, lag: int) -> None:
    log = (OpenBlock(1, Millis(time), lag=Millis(lag)), OpenBlock(2, Millis(UINT64_MAX - time)))
    assert decode_batch(encode_batch(log)) == log


@pytest.mark.parametrize("since", [[12], [2 * LAG_MAX + 1]])
def test_a_lag_out_of_its_range_is_malformed(since: list[int]) -> None:
    block = {"block.number": [0], "block.time": [10], "block.fee": [0], "block.since": since}
    with pytest.raises(BatchMalformed):
        decode_batch(framed({"kind": [10], **block}))


def test_the_kinds_are_the_tags_of_the_journal() -> None:
    tags = {command.__struct_config__.tag for command in LOG}
    assert tags == set(Kind)
    assert {msgspec.msgpack.decode(encode_command(command))[0] for command in LOG} == tags


def test_an_empty_batch_holds_nothing() -> None:
    assert decode_batch(encode_batch([])) == ()


def test_the_ordinary_order_costs_few_bytes_besides_its_signature() -> None:
    random = Random(7)
    traders = [Address(random.randbytes(20)) for _ in range(20)]
    log: list[Command] = []
    for block in range(100):
        log.append(OpenBlock(block, Millis(NOON + 7 * block)))
        for _ in range(10):
            nonce = len(log)
            order = NewOrder(
                BTC,
                BUY.side,
                random.choice([OrderType.GTC, OrderType.IOC]),
                Ticks(600_000 + random.randint(-20, 20)),
                Lots(100 * random.randint(1, 9)),
                False,
                ClientOrderId(nonce),
            )
            trader = random.choice(traders)
            signature = random.randbytes(64) + bytes([random.randrange(2)])
            expires = Millis(NOON + 60_000)
            log.append(PlaceOrders(trader, trader, nonce, expires, signature, (), (order,)))
    assert len(encode_batch(log)) < 1_000 * (64 + 6)


def test_a_value_that_cannot_be_carried_is_refused() -> None:
    with pytest.raises(ValueOutOfRange):
        encode_batch([OpenBlock(-1, NOON)])


def test_a_hand_made_batch_is_read() -> None:
    (action,) = decode_batch(framed(ORDER, SIGNED))
    order = NewOrder(BTC, BUY.side, OrderType.GTC, Ticks(1), Lots(1))
    assert action == PlaceOrders(OWNER, OWNER, 1, Millis(0), bytes(64) + b"\x01", (), (order,))


@pytest.mark.parametrize(
    "columns",
    [
        {"order.form": [6 << 1]},
        {"order.form": [64]},
        {"order.form": [128]},
        {"order.market": [1_001]},
        {"order.market": [1, 1]},
        {"order.price": [1]},
        {"order.size": [2**64]},
        {"order.client_id": [0]},
        {"order.form": [32], "order.client_id": [1]},
        {"place.orders": [2]},
        {"place.orders": [2**64 - 1]},
        {"place.cancels": [1]},
        {"action.party": [1]},
        {"action.nonce": [3]},
        {"action.expires_seconds": [1]},
        {"action.expires_millis": [1_000]},
        {"party.account": [1]},
        {"party.signer": [2]},
        {"kind": [Kind.WITHDRAW]},
        {"kind": [7]},
        {"kind": []},
        {"block.number": [0]},
        {"round.reports": [1]},
        {"report.price": [1]},
        {"liquidate.account": [0]},
    ],
    ids=lambda columns: f"{columns}",
)
def test_columns_that_contradict_each_other_are_malformed(columns: Columns) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed({**ORDER, **columns}, SIGNED))


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        SIGNED[:-1],
        SIGNED + b"\x00",
        SIGNED[:-1] + b"\x02",
        b"\x02" + SIGNED[1:],
        b"\x81\x00" + SIGNED[1:],
        b"\xff" * 12,
    ],
)
def test_addresses_and_signatures_must_fill_the_rest(tail: bytes) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed(ORDER, tail))


@pytest.mark.parametrize("head", [b"", b"\x03", b"\x00\x00", b"\x02\x00", b"\x03\x02", b"\x03\x07"])
def test_another_version_or_codec_is_no_batch(head: bytes) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(head + encode_batch(LOG)[2:])


def test_a_round_cannot_claim_more_prices_than_there_are() -> None:
    columns: Columns = {
        "kind": [Kind.ORACLE_ROUND],
        "round.time": [0],
        "round.reports": [1],
        "report.reporter": [0],
        "report.prices": [2**64],
    }
    with pytest.raises(BatchMalformed):
        decode_batch(framed(columns, SIGNED))


def deflated(columns: bytes, *, finish: bool = True, behind: bytes = b"") -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflater.compress(columns) + deflater.flush(
        zlib.Z_FINISH if finish else zlib.Z_SYNC_FLUSH
    )
    packed += behind
    return bytes([VERSION, 1]) + encode_varints([len(packed)]) + packed + NO_ADDRESSES


def test_a_bomb_is_not_unpacked() -> None:
    bomb = deflated(bytes(64 * 1024 * 1024))
    assert len(bomb) < 100_000
    with pytest.raises(BatchMalformed):
        decode_batch(bomb)


def test_a_deflate_stream_without_end_or_with_bytes_behind_it_is_malformed() -> None:
    names = (*COLUMNS, *RARE_COLUMNS)
    columns = b"".join(columns_to_bytes({name: [] for name in names}))
    assert decode_batch(deflated(columns)) == ()
    with pytest.raises(BatchMalformed):
        decode_batch(deflated(columns, finish=False))
    with pytest.raises(BatchMalformed):
        decode_batch(deflated(columns, behind=b"\0"))


@pytest.mark.parametrize(
    "limits", [BatchLimits(commands=len(LOG) - 1), BatchLimits(column_bytes=64)]
)
def test_a_batch_beyond_the_limits_is_refused(limits: BatchLimits) -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(encode_batch(LOG), limits)


def test_a_batch_of_just_as_many_commands_as_allowed_is_read() -> None:
    assert decode_batch(encode_batch(LOG), BatchLimits(commands=len(LOG))) == tuple(LOG)


def test_a_stored_batch_has_the_same_limit() -> None:
    with pytest.raises(BatchMalformed):
        decode_batch(framed(ORDER, SIGNED), BatchLimits(column_bytes=8))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(len(COLUMNS) - 1),
        bytes(len(COLUMNS) + 1),
        # The rare columns: all of them empty, cut off, and with a byte too many behind.
        bytes(len(COLUMNS) + 2),
        bytes(len(COLUMNS)) + b"\x00\x01",
        bytes(len(COLUMNS)) + b"\x00\x01\x01\x00",
    ],
)
def test_the_directory_of_the_columns_is_exact(data: bytes) -> None:
    with pytest.raises(BatchMalformed):
        ColumnReader(data)
