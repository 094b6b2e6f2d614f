"""The shapes of the contracts, compared with what the compiler says they are."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import abi_to_signature

from node.adapters.artifacts import load_artifact
from node.codec import l1_calls
from node.codec.l1_calls import L1Function
from node.types.blocks import Batch, BatchHeader
from node.types.commands import Deposit
from node.types.errors import ChainDisagrees
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence
from node.types.units import Money

ABI: list[Any] = [
    item for name in ("Rollup", "Inbox", "TestToken") for item in load_artifact(name).abi
]
BATCH = Batch(
    BatchHeader(
        index=3,
        previous_root=keccak256(b"before"),
        new_root=keccak256(b"after"),
        first_sequence=Sequence(11),
        last_sequence=Sequence(20),
        inbox_cursor=2,
        roots=(keccak256(b"between"),),
    ),
    data=b"commands",
    cause="age",
    last_block=7,
)


def signatures(kind: str) -> set[str]:
    return {abi_to_signature(item) for item in ABI if item["type"] == kind}


def outputs_of(signature: str) -> tuple[str, ...]:
    for item in ABI:
        if item["type"] == "function" and abi_to_signature(item) == signature:
            renamed: Any = {**item, "inputs": item["outputs"], "name": "f"}
            described = abi_to_signature(renamed)
            return (described,)
    raise AssertionError(signature)


@pytest.mark.parametrize(
    "function", [value for value in vars(l1_calls).values() if isinstance(value, L1Function)]
)
def test_functions_are_those_of_the_contracts(function: L1Function) -> None:
    assert function.signature in signatures("function")
    if function._outputs:
        assert outputs_of(function.signature) == (f"f({','.join(function._outputs)})",)


def test_events_and_errors_are_those_of_the_contracts() -> None:
    assert {l1_calls.BATCH_POSTED_SIGNATURE, l1_calls.DEPOSITED_SIGNATURE} <= signatures("event")
    named = {f"{name}({','.join(types)})" for name, types in l1_calls.ERRORS.items()}
    assert named == signatures("error")


def test_a_posted_batch_is_read_back() -> None:
    assert l1_calls.posted_batch(l1_calls.post_batch(BATCH)) == (BATCH.header, BATCH.data)


@pytest.mark.parametrize("calldata", [b"", bytes(4), l1_calls.post_batch(BATCH)[:-40]])
def test_calldata_of_something_else_is_no_batch(calldata: bytes) -> None:
    with pytest.raises(ChainDisagrees):
        l1_calls.posted_batch(calldata)


def test_an_empty_answer_is_no_answer() -> None:
    with pytest.raises(ChainDisagrees):
        l1_calls.BATCH_COUNT.answer(b"")


def test_errors_are_named_with_their_arguments() -> None:
    selector = keccak256(b"WrongIndex(uint64,uint64)")[:4]
    data = selector + encode(("uint64", "uint64"), (3, 4))
    assert l1_calls.error_of(data) == ("WrongIndex", (3, 4))
    assert l1_calls.error_of(selector) == ("", ())
    assert l1_calls.error_of(b"") == ("", ())


def test_a_deposit_is_read_from_its_event() -> None:
    account = Address(b"\x11" * 20)
    topics = (l1_calls.DEPOSITED, (9).to_bytes(32, "big"), bytes(12) + account)
    data = (5_000_000).to_bytes(32, "big")
    assert l1_calls.deposit_of(topics, data) == Deposit(9, account, Money(5_000_000))
    with pytest.raises(ChainDisagrees):
        l1_calls.deposit_of((l1_calls.BATCH_POSTED, *topics[1:]), data)
