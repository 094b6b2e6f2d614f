"""What posting a batch may cost in gas; the integration tests ask the chains themselves.

And whether L1 takes it at all: a batch that is full to the brim is one transaction of a pool's.
"""

import pytest

from node.codec.l1_calls import post_batch
from node.codec.l1_gas import (
    GAS_MAX,
    HEADER_BYTES,
    POSTABLE_BYTES,
    ROOT_BYTES,
    TRANSACTION_BYTES_MAX,
    data_bytes_within,
    posting_gas,
    posting_gas_estimated,
)
from node.codec.l1_transactions import Fees, L1Transaction
from node.types.blocks import Batch, BatchHeader
from node.types.ids import Address, Sequence


def test_large_calldata_pays_the_floor_and_small_the_execution() -> None:
    assert posting_gas(bytes([1]) * 120_000) == 21_000 + 40 * 120_000
    assert posting_gas(bytes(120_000)) == 21_000 + 10 * 120_000
    assert posting_gas(bytes(512)) > 21_000 + 10 * 512


def test_the_estimate_takes_every_byte_as_not_zero() -> None:
    for data_bytes, roots in ((0, 0), (100, 10), (100_000, 0)):
        calldata = bytes([1]) * (HEADER_BYTES + 32 * roots + data_bytes)
        assert posting_gas_estimated(data_bytes, roots) == posting_gas(calldata)


def test_data_and_roots_both_cost() -> None:
    assert posting_gas_estimated(100_000, 0) >= 21_000 + 100_000 * 40
    assert posting_gas_estimated(100_000, 10) > posting_gas_estimated(100_000, 0)
    assert posting_gas_estimated(100, 10) > posting_gas_estimated(100, 0)


@pytest.mark.parametrize("gas", [250_000, 250_001, 8_000_000, GAS_MAX])
def test_so_many_bytes_are_within_the_gas_and_not_one_more(gas: int) -> None:
    most = data_bytes_within(gas)
    assert posting_gas_estimated(most, 0) <= gas < posting_gas_estimated(most + 1, 0)


@pytest.mark.parametrize("roots", [0, 1, 178, 1_430])
@pytest.mark.parametrize("spare_bytes", [0, 1, 31])
def test_a_full_batch_is_a_transaction_that_pools_take(roots: int, spare_bytes: int) -> None:
    last = Sequence(2**64 - 1)
    header = BatchHeader(
        2**64 - 1, b"r" * 32, b"n" * 32, last, last, 2**64 - 1, (b"i" * 32,) * roots
    )
    data = b"d" * (POSTABLE_BYTES - ROOT_BYTES * roots - spare_bytes)
    calldata = post_batch(Batch(header, data, "bytes", 1))
    highest = 2**64 - 1
    transaction = L1Transaction(
        chain_id=highest,
        nonce=highest,
        fees=Fees(max_fee=2**128 - 1, tip=2**128 - 1),
        gas=GAS_MAX,
        to=Address(b"t" * 20),
        data=calldata,
    )
    assert len(transaction.signed(b"s" * 64 + b"\x01")) <= TRANSACTION_BYTES_MAX
    assert posting_gas(calldata) < GAS_MAX // 3
