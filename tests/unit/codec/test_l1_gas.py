"""What posting a batch may cost in gas; the integration tests ask the chains themselves."""

from node.codec.l1_gas import HEADER_BYTES, posting_gas, posting_gas_estimated


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
