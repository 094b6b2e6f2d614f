"""Transactions are compared with those of eth-account, byte for byte."""

import random

import pytest
from eth_account import Account

from node.codec.l1_transactions import Fees, L1Transaction, suggested_fees
from node.codec.signatures import sign
from node.types.hashing import keccak256
from node.types.ids import Address

KEY = keccak256(b"a key")


@pytest.mark.parametrize("length", [0, 1, 2, 54, 55, 56, 57, 255, 256, 70_000])
def test_raw_bytes_and_hash_are_those_of_eth_account(length: int) -> None:
    dice = random.Random(length)
    transaction = L1Transaction(
        chain_id=dice.choice([1, 31337, 11155111]),
        nonce=dice.choice([0, 1, 127, 128, 100_000]),
        fees=Fees(max_fee=dice.randrange(10**12), tip=dice.randrange(3)),
        gas=dice.randrange(21_000, 10**7),
        to=Address(dice.randbytes(20)),
        data=dice.randbytes(length),
    )
    expected = Account.from_key(KEY).sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "maxFeePerGas": transaction.fees.max_fee,
            "maxPriorityFeePerGas": transaction.fees.tip,
            "gas": transaction.gas,
            "to": transaction.to,
            "value": 0,
            "data": transaction.data,
        }
    )
    raw = transaction.signed(sign(KEY, transaction.digest()))
    assert raw == bytes(expected.raw_transaction)
    assert keccak256(raw) == bytes(expected.hash)


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
def test_a_single_byte_of_data(byte: int) -> None:
    transaction = L1Transaction(1, 0, Fees(10, 1), 30_000, Address(bytes(20)), bytes([byte]))
    expected = Account.from_key(KEY).sign_transaction(
        {
            "type": 2,
            "chainId": 1,
            "nonce": 0,
            "maxFeePerGas": 10,
            "maxPriorityFeePerGas": 1,
            "gas": 30_000,
            "to": "0x" + "00" * 20,
            "value": 0,
            "data": bytes([byte]),
        }
    )
    assert transaction.signed(sign(KEY, transaction.digest())) == bytes(expected.raw_transaction)


def test_suggested_fees_outlast_six_full_blocks() -> None:
    base_fee = 7_000_000_000
    fees = suggested_fees(base_fee, tip=5)
    for _ in range(5):
        base_fee += base_fee // 8
    assert fees.max_fee >= base_fee + fees.tip
