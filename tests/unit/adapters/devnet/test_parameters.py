"""Parameters that a stranger sends."""

from typing import Any

import pytest

from node.adapters.devnet import parameters
from node.adapters.devnet.rpc_errors import INVALID_PARAMS, RpcError

SENDER = bytes(20)
HASH = "0x" + "ab" * 32


def test_quantities_and_data_are_told_apart() -> None:
    assert parameters.quantity("0x1f") == 31
    assert parameters.quantity(31) == 31
    assert parameters.data("0x") == b""
    assert parameters.data("0x00fF") == b"\x00\xff"
    assert parameters.address("0x" + "Ab" * 20) == b"\xab" * 20


@pytest.mark.parametrize(
    "value",
    ["", "0x", "1f", "0x1g", "0x" + "f" * 65, -1, True, None, 1.0, [], {}, "0x1\n"],
)
def test_a_malformed_quantity_is_invalid(value: Any) -> None:
    with pytest.raises(RpcError) as caught:
        parameters.quantity(value)
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize("value", ["0x0", "00", "0xzz", 5, None, "0x00\n", "0x" + "00" * 21])
def test_a_malformed_address_is_invalid(value: Any) -> None:
    with pytest.raises(RpcError) as caught:
        parameters.address(value)
    assert caught.value.code == INVALID_PARAMS


def test_a_long_value_is_not_echoed_whole() -> None:
    with pytest.raises(RpcError) as caught:
        parameters.data("x" * 100_000)
    assert len(caught.value.message) < 200


def test_blocks_are_selected_by_tag_number_and_hash() -> None:
    assert parameters.block_selector("finalized") == "finalized"
    assert parameters.block_selector("0x10") == 16
    assert parameters.block_selector(HASH) == b"\xab" * 32
    assert parameters.block_selector({"blockHash": HASH}) == b"\xab" * 32
    assert parameters.block_selector({"blockNumber": "0x2"}) == 2
    for malformed in ("newest", {}, {"blockHash": "0x00"}, {"blockNumber": "0x1", "x": 1}, None):
        with pytest.raises(RpcError):
            parameters.block_selector(malformed)


def test_a_call_takes_its_defaults() -> None:
    call = parameters.call_request({"to": "0x" + "11" * 20, "input": "0x01"}, SENDER)
    assert (call.sender, call.to, call.data) == (SENDER, b"\x11" * 20, b"\x01")
    assert (call.value, call.gas) == (0, None)
    assert parameters.call_request({"data": "0x02"}, SENDER).data == b"\x02"
    with pytest.raises(RpcError):
        parameters.call_request("0x", SENDER)


def test_a_log_filter_takes_a_range_or_a_hash() -> None:
    topic = "0x" + "22" * 32
    wanted = parameters.log_filter(
        {
            "fromBlock": "0x1",
            "address": ["0x" + "11" * 20],
            "topics": [None, [topic], topic, []],
        }
    )
    assert (wanted.first, wanted.last) == (1, "latest")
    assert wanted.addresses == {b"\x11" * 20}
    both = frozenset({b"\x22" * 32})
    assert wanted.topics == (None, both, both, None)
    by_hash = parameters.log_filter({"blockHash": HASH})
    assert by_hash.first == by_hash.last == b"\xab" * 32
    with pytest.raises(RpcError):
        parameters.log_filter({"blockHash": HASH, "fromBlock": "0x1"})
    with pytest.raises(RpcError):
        parameters.log_filter({"topics": "0x"})
