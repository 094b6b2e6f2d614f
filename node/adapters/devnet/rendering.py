"""The chain's objects as JSON-RPC shows them: camelCase names, hex values."""

from typing import Any, Final

import rlp
from eth.vm.forks.berlin.transactions import TypedTransaction
from eth_utils.address import to_checksum_address

from node.adapters.devnet.chain import MinedBlock
from node.adapters.devnet.transactions import DYNAMIC_FEE_TYPE, SignedTransaction
from node.types.hashing import keccak256

LEGACY_TYPE: Final = 0
BLOOM_BYTES: Final = 256


def hex_quantity(value: int) -> str:
    """The shortest hex form."""
    return hex(value)


def hex_data(value: bytes) -> str:
    """Every byte."""
    return "0x" + bytes(value).hex()


def hex_address(value: bytes) -> str:
    """With the capitals of EIP-55."""
    return str(to_checksum_address(value))


def render_block(mined: MinedBlock, *, full: bool) -> dict[str, Any]:
    """A block with whole transactions, or with their hashes."""
    header = mined.header
    transactions: list[Any] = [
        render_transaction(transaction, mined, index) if full else hex_data(transaction.hash)
        for index, transaction in enumerate(mined.transactions)
    ]
    return {
        **_render_header(header),
        "hash": hex_data(mined.hash),
        "nonce": hex_data(header.nonce),
        "miner": hex_address(header.coinbase),
        "logsBloom": hex_data(header.bloom.to_bytes(BLOOM_BYTES, "big")),
        "size": hex_quantity(len(rlp.encode(mined.block))),
        "transactions": transactions,
    }


def render_pending_block(
    header: Any, waiting: list[SignedTransaction], *, full: bool
) -> dict[str, Any]:
    """The block to come: what is not known before it is mined is null."""
    transactions: list[Any] = [
        render_transaction(transaction) if full else hex_data(transaction.hash)
        for transaction in waiting
    ]
    return {
        **_render_header(header),
        "hash": None,
        "nonce": None,
        "miner": None,
        "logsBloom": None,
        "size": hex_quantity(0),
        "transactions": transactions,
    }


def _render_header(header: Any) -> dict[str, Any]:
    return {
        "number": hex_quantity(header.block_number),
        "parentHash": hex_data(header.parent_hash),
        "sha3Uncles": hex_data(header.uncles_hash),
        "transactionsRoot": hex_data(header.transaction_root),
        "stateRoot": hex_data(header.state_root),
        "receiptsRoot": hex_data(header.receipt_root),
        "difficulty": hex_quantity(header.difficulty),
        "totalDifficulty": hex_quantity(0),
        "mixHash": hex_data(header.mix_hash),
        "extraData": hex_data(header.extra_data),
        "gasLimit": hex_quantity(header.gas_limit),
        "gasUsed": hex_quantity(header.gas_used),
        "timestamp": hex_quantity(header.timestamp),
        "baseFeePerGas": hex_quantity(header.base_fee_per_gas),
        "withdrawalsRoot": hex_data(header.withdrawals_root),
        "withdrawals": [],
        "blobGasUsed": hex_quantity(header.blob_gas_used),
        "excessBlobGas": hex_quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": hex_data(header.parent_beacon_block_root),
        "requestsHash": hex_data(header.requests_hash),
        "uncles": [],
    }


def render_transaction(
    transaction: SignedTransaction, mined: MinedBlock | None = None, index: int = 0
) -> dict[str, Any]:
    """A mined transaction, or one that waits: then block and place are null."""
    evm = transaction.evm
    kind = _transaction_type(evm)
    return {
        "hash": hex_data(transaction.hash),
        "type": hex_quantity(kind),
        "chainId": hex_quantity(evm.chain_id),
        "nonce": hex_quantity(transaction.nonce),
        "from": hex_address(transaction.sender),
        "to": hex_address(evm.to) if evm.to else None,
        "value": hex_quantity(transaction.value),
        "gas": hex_quantity(transaction.gas),
        "gasPrice": hex_quantity(_price_paid(transaction, mined)),
        "input": hex_data(evm.data),
        "r": hex_quantity(evm.r),
        "s": hex_quantity(evm.s),
        **_type_fields(transaction, kind),
        "blockHash": hex_data(mined.hash) if mined else None,
        "blockNumber": hex_quantity(mined.number) if mined else None,
        "transactionIndex": hex_quantity(index) if mined else None,
    }


def _type_fields(transaction: SignedTransaction, kind: int) -> dict[str, Any]:
    evm = transaction.evm
    if kind == LEGACY_TYPE:
        return {"v": hex_quantity(evm.v)}
    fields: dict[str, Any] = {
        "v": hex_quantity(evm.y_parity),
        "yParity": hex_quantity(evm.y_parity),
        "accessList": [
            {
                "address": hex_address(account),
                "storageKeys": [hex_data(key.to_bytes(32, "big")) for key in keys],
            }
            for account, keys in evm.access_list
        ],
    }
    if kind == DYNAMIC_FEE_TYPE:
        fields["maxFeePerGas"] = hex_quantity(transaction.max_fee)
        fields["maxPriorityFeePerGas"] = hex_quantity(transaction.max_tip)
    return fields


def render_receipt(mined: MinedBlock, index: int) -> dict[str, Any]:
    """The receipt of transaction ``index`` of a block."""
    transaction, receipt = mined.transactions[index], mined.receipts[index]
    created = None if transaction.evm.to else hex_address(_created_address(transaction))
    return {
        "transactionHash": hex_data(transaction.hash),
        "transactionIndex": hex_quantity(index),
        "blockHash": hex_data(mined.hash),
        "blockNumber": hex_quantity(mined.number),
        "from": hex_address(transaction.sender),
        "to": hex_address(transaction.evm.to) if transaction.evm.to else None,
        "contractAddress": created,
        "cumulativeGasUsed": hex_quantity(receipt.gas_used),
        "gasUsed": hex_quantity(mined.gas_used(index)),
        "effectiveGasPrice": hex_quantity(_price_paid(transaction, mined)),
        "status": hex_quantity(int.from_bytes(receipt.state_root, "big")),
        "type": hex_quantity(_transaction_type(transaction.evm)),
        "logsBloom": hex_data(receipt.bloom.to_bytes(BLOOM_BYTES, "big")),
        "logs": render_logs(mined, index),
    }


def render_logs(mined: MinedBlock, index: int) -> list[dict[str, Any]]:
    """The logs of transaction ``index``; ``logIndex`` counts through the whole block."""
    before = sum(len(receipt.logs) for receipt in mined.receipts[:index])
    return [
        {
            "address": hex_address(log.address),
            "topics": [hex_data(topic.to_bytes(32, "big")) for topic in log.topics],
            "data": hex_data(log.data),
            "blockHash": hex_data(mined.hash),
            "blockNumber": hex_quantity(mined.number),
            "transactionHash": hex_data(mined.transactions[index].hash),
            "transactionIndex": hex_quantity(index),
            "logIndex": hex_quantity(before + position),
            "removed": False,
        }
        for position, log in enumerate(mined.receipts[index].logs)
    ]


def _price_paid(transaction: SignedTransaction, mined: MinedBlock | None) -> int:
    """Wei per gas; before the transaction is mined, the most that it may become."""
    if mined is None:
        return transaction.max_fee
    base_fee = int(mined.header.base_fee_per_gas)
    return base_fee + transaction.tip_at(base_fee)


def _transaction_type(evm: Any) -> int:
    kind: int | None = evm.type_id if isinstance(evm, TypedTransaction) else None
    return LEGACY_TYPE if kind is None else kind


def _created_address(transaction: SignedTransaction) -> bytes:
    return keccak256(rlp.encode([transaction.sender, transaction.nonce]))[12:]
