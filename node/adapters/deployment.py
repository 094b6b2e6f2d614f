"""Putting the contracts on a chain: the rollup with its inbox, and a test dollar if need be."""

from typing import Any

import msgspec
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address
from web3 import AsyncWeb3
from web3.types import TxParams, TxReceipt

from node.adapters.artifacts import load_artifact
from node.types.errors import DeploymentFailed
from node.types.hashing import keccak256
from node.types.ids import address_from_hex

RECEIPT_TIMEOUT_S = 120.0
RECEIPT_POLL_S = 0.1


class Deployment(msgspec.Struct, frozen=True, gc=False):
    """Checksum addresses, and the block of the rollup: the exchange has no L1 data before it."""

    token: str
    rollup: str
    inbox: str
    block_number: int


async def deploy(
    w3: AsyncWeb3[Any],
    deployer: LocalAccount,
    *,
    sequencer: str,
    rules: bytes,
    genesis_root: bytes,
    finality_blocks: int,
    token: str | None = None,
) -> Deployment:
    """Deploy with ``deployer``'s key. Waits until each contract is mined, not until it is final.

    ``sequencer`` is the checksum address that will post batches; without ``token`` a TestToken is
    deployed. Raises DeploymentFailed; web3's own errors pass through.
    """
    if token is None:
        token = str((await _create(w3, deployer, "TestToken"))["contractAddress"])
    receipt = await _create(
        w3, deployer, "Rollup", sequencer, token, finality_blocks, rules, genesis_root
    )
    rollup = str(receipt["contractAddress"])
    return Deployment(
        token=token,
        rollup=rollup,
        inbox=_first_created_by(rollup),
        block_number=int(receipt["blockNumber"]),
    )


def _first_created_by(contract: str) -> str:
    """Return the address of the first contract that ``contract`` creates, here in its constructor.

    keccak256(rlp([address, nonce 1])), as CREATE has it. Asking would fail at an endpoint that has
    not seen the block yet, and what is paid for would be taken for failed.
    """
    created = keccak256(b"\xd6\x94" + address_from_hex(contract) + b"\x01")
    return to_checksum_address(created[12:])


async def _create(
    w3: AsyncWeb3[Any], deployer: LocalAccount, name: str, *arguments: Any
) -> TxReceipt:
    artifact = load_artifact(name)
    constructor = w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(
        *arguments
    )
    fields: TxParams = {
        "from": deployer.address,
        "nonce": await w3.eth.get_transaction_count(deployer.address, "pending"),
    }
    transaction = await constructor.build_transaction(fields)
    signed = deployer.sign_transaction(dict(transaction))
    sent = await w3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = await w3.eth.wait_for_transaction_receipt(sent, RECEIPT_TIMEOUT_S, RECEIPT_POLL_S)
    if receipt["status"] != 1:
        raise DeploymentFailed(contract=name, transaction=sent.to_0x_hex())
    return receipt
