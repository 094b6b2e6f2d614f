"""What is encoded comes back as it was; what is no encoding is refused, in the typed way only."""

import json
import zlib
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest
from eth_account.messages import SignableMessage, encode_typed_data
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.codec.batch import VERSION, BatchLimits, decode_batch, encode_batch
from node.codec.commands import decode_command, encode_command
from node.codec.json_actions import ActionReader, action_to_json
from node.codec.typed_data import typed_data, typed_report
from node.codec.varint import decode_varints, deltas, encode_varints, undeltas, unzigzag, zigzag
from node.types.commands import Command, SignedAction
from node.types.errors import BatchMalformed, CommandRejected
from node.types.hashing import keccak256
from node.types.ids import NO_ADDRESS
from node.types.units import UINT64_MAX, Millis, Ticks
from tests.property.command_strategies import actions, commands, uint64s
from tests.unit.codec.example_actions import DOMAIN, LOG, RULES, SIGNING

MARKETS = len(RULES.markets)
READER = ActionReader(RULES)
codes = st.integers(0, 2**70 - 1)


def eth_account_digest(document: dict[str, Any]) -> bytes:
    message: SignableMessage = encode_typed_data(full_message=document)
    return keccak256(b"\x19" + message.version + message.header + message.body)


@given(actions(MARKETS))
def test_the_digest_is_that_of_eth_account(action: SignedAction) -> None:
    assert SIGNING.digest(action) == eth_account_digest(typed_data(action, DOMAIN, RULES))


@given(uint64s, st.lists(uint64s, max_size=5))
def test_the_digest_of_a_report_is_that_of_eth_account(time: int, prices: list[int]) -> None:
    ticks = [Ticks(price) for price in prices]
    document = typed_report(Millis(time), ticks, DOMAIN)
    assert SIGNING.report_digest(Millis(time), ticks) == eth_account_digest(document)


@given(actions(MARKETS, well_formed=True))
def test_a_body_brings_its_action_back(action: SignedAction) -> None:
    raw = json.dumps(action_to_json(action, RULES)).encode()
    assert READER.read(raw) == msgspec.structs.replace(action, signer=NO_ADDRESS)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_other_body_is_refused(raw: bytes) -> None:
    with pytest.raises(CommandRejected):
        READER.read(raw)


@given(commands)
def test_a_command_comes_back_from_message_pack(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


@given(st.binary(max_size=200))
def test_other_message_pack_is_refused_as_a_rejection(data: bytes) -> None:
    try:
        command = decode_command(data)
    except CommandRejected:
        return
    assert decode_command(encode_command(command)) == command


@given(st.lists(commands, max_size=20))
@example([])
@example(list(LOG))
@settings(max_examples=300)
def test_a_batch_comes_back(log: list[Command]) -> None:
    assert decode_batch(encode_batch(log)) == tuple(log)


@given(st.binary(max_size=300), st.sampled_from([bytes([VERSION, 0]), bytes([VERSION, 1])]))
def test_random_bytes_are_no_batch(data: bytes, head: bytes) -> None:
    assert_decodes_or_is_malformed(data)
    assert_decodes_or_is_malformed(head + data)


@given(st.binary(max_size=300))
def test_random_columns_are_no_batch(columns: bytes) -> None:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflater.compress(columns) + deflater.flush()
    for codec, body in ((0, columns), (1, packed)):
        data = bytes([VERSION, codec]) + encode_varints([len(body)]) + body + b"\x00"
        assert_decodes_or_is_malformed(data)


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_batch_decodes_or_is_malformed(seed: int) -> None:
    random = Random(seed)
    stored = as_stored(encode_batch(LOG))
    for original in (encode_batch(LOG), stored):
        for _ in range(1_500):
            data = bytearray(original)
            for _ in range(random.randint(1, 3)):
                # Mutations of the head and the columns are the ones that the decoder must stand.
                place = min(random.randrange(len(data)), random.randrange(len(data)))
                match random.randrange(3):
                    case 0:
                        data[place] = random.randrange(256)
                    case 1:
                        del data[place : place + random.randint(1, 4)]
                    case _:
                        data[place:place] = random.randbytes(random.randint(1, 4))
            assert_decodes_or_is_malformed(bytes(data), seed)


def test_every_cut_of_a_batch_is_malformed() -> None:
    for data in (encode_batch(LOG), as_stored(encode_batch(LOG))):
        for length in range(len(data)):
            with pytest.raises(BatchMalformed):
                decode_batch(data[:length])
        with pytest.raises(BatchMalformed):
            decode_batch(data + b"\x00")


@given(st.lists(codes, max_size=50))
def test_varints_come_back(values: list[int]) -> None:
    assert decode_varints(encode_varints(values)) == values


@given(st.binary(max_size=50))
def test_a_varint_has_one_form(data: bytes) -> None:
    try:
        values = decode_varints(data)
    except BatchMalformed:
        return
    assert encode_varints(values) == data


@given(st.lists(st.tuples(st.integers(0, 3), uint64s), max_size=30), st.integers(0, 1))
def test_deltas_come_back(rows: list[tuple[int, int]], step: int) -> None:
    keys = [key for key, _ in rows]
    values = [value for _, value in rows]
    assert undeltas(keys, deltas(keys, values, step), step) == values


@given(st.integers(-(2**69), 2**69 - 1))
def test_zigzag_comes_back(value: int) -> None:
    assert unzigzag(zigzag(value)) == value


def test_zigzag_counts_up_by_distance() -> None:
    nearest_first = sorted(range(-50, 50), key=lambda value: (abs(value), value))
    assert all(zigzag(near) < zigzag(far) for near, far in pairwise(nearest_first))
    assert zigzag(-UINT64_MAX - 1) < 2**70


def as_stored(batch: bytes) -> bytes:
    """Return the batch with its columns inflated: mutations then reach every column."""
    assert batch[1] == 1
    place = next(place for place in range(2, len(batch)) if batch[place] < 0x80) + 1
    length = decode_varints(batch[2:place])[0]
    columns = zlib.decompress(batch[place : place + length], -15)
    return bytes([VERSION, 0]) + encode_varints([len(columns)]) + columns + batch[place + length :]


def assert_decodes_or_is_malformed(data: bytes, seed: int = 0) -> None:
    try:
        decoded = decode_batch(data, BatchLimits(column_bytes=1 << 16, commands=1_000))
        # What was let through is a log that the codec can carry.
        assert decode_batch(encode_batch(decoded)) == decoded
    except BatchMalformed:
        pass
    except Exception:
        print(f"seed {seed}, data {data.hex()}")
        raise
