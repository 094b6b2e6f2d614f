"""Receipts: what they prove, and that a change to any field is noticed."""

import msgspec
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from node.codec.receipts import BlockSigning, verify_receipt
from node.sequencer.builder import Builder
from node.sequencer.submission import Submission
from node.types.blocks import GENESIS_PARENT, Domain
from node.types.durable import DurableBlock, Executed, Receipt
from node.types.ids import Address
from node.types.units import Millis
from tests.unit.sequencer.surroundings import TestKey
from tests.unit.sequencer.toy_machine import DOMAIN, Ledger, apply, name_of, pay

KEY = TestKey()


@pytest.fixture(scope="module")
def durable() -> DurableBlock:
    submissions = [
        Submission(command, name_of(command), lambda _outcome: None)
        for command in (pay(0), pay(1), pay(2))
    ]
    builder = Builder(Ledger(), apply, name_of, GENESIS_PARENT)
    unsigned = builder.build(submissions, Millis(1_000)).unsigned
    assert unsigned is not None
    block = unsigned.block
    return unsigned.signed(KEY.sign(BlockSigning(DOMAIN).digest(block.number, block.hash)))


def _holds(receipt: Receipt) -> bool:
    return verify_receipt(receipt, KEY.address, DOMAIN)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("following", [True, False])
def test_every_command_of_a_block_has_a_receipt_that_holds(
    durable: DurableBlock, index: int, following: bool
) -> None:
    receipt = durable.receipt(index, following=following)
    assert _holds(receipt)
    assert receipt == Executed(durable, index).receipt(following=following)
    assert receipt.sequence == index + 1
    assert (receipt.following is not None) == following


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 3},
        {"sequence": 0},
        {"number": 2},
        {"time": Millis(1_001)},
        {"first_sequence": 2},
        {"count": 5},
        {"action": bytes(32)},
        {"link": bytes(32)},
        {"following": ()},
        {"following": (bytes(32), bytes(32))},
        {"hash": bytes(32)},
        {"signature": bytes(65)},
        {"signature": b"short"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_field_can_be_changed(durable: DurableBlock, change: dict[str, object]) -> None:
    receipt = durable.receipt(1, following=True)
    assert not _holds(msgspec.structs.replace(receipt, **change))


def test_bytes_cannot_be_shifted_between_the_ids(durable: DurableBlock) -> None:
    receipt = durable.receipt(1, following=True)
    assert receipt.following is not None
    shifted = msgspec.structs.replace(
        receipt, link=receipt.link + receipt.action[:1], action=receipt.action[1:]
    )
    assert not _holds(shifted)


def test_a_receipt_binds_signer_chain_and_rollup(durable: DurableBlock) -> None:
    receipt = durable.receipt(0)
    assert not verify_receipt(receipt, Address(bytes(20)), DOMAIN)
    assert not verify_receipt(receipt, KEY.address, Domain(1, DOMAIN.rollup))
    assert not verify_receipt(receipt, KEY.address, Domain(DOMAIN.chain_id, bytes(20)))


def test_what_is_signed_is_ordinary_typed_data(durable: DurableBlock) -> None:
    block = durable.block
    message = encode_typed_data(
        {"name": "Plimsoll", "version": "1", "chainId": DOMAIN.chain_id,
         "verifyingContract": "0x" + DOMAIN.rollup.hex()},
        {"Block": [{"name": "number", "type": "uint64"}, {"name": "hash", "type": "bytes32"}]},
        {"number": block.number, "hash": block.hash},
    )  # fmt: skip
    recovered = Account.recover_message(message, signature=block.signature)
    assert recovered.lower() == "0x" + KEY.address.hex()
