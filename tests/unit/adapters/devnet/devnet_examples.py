"""A devnet in this very process, and transactions for it."""

from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount

from node.adapters.devnet.devnet import Devnet
from node.adapters.devnet.methods import call_method
from node.adapters.devnet.settings import DERIVATION_PATH, GWEI, MNEMONIC, DevnetSettings

START_S: Final = 1_700_000_000


def dev_account(index: int) -> LocalAccount:
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(
        MNEMONIC, account_path=f"{DERIVATION_PATH}/{index}"
    )
    return account


ALICE: Final = dev_account(0)
BOB: Final = dev_account(1)


def address_of(account: LocalAccount) -> bytes:
    return bytes.fromhex(account.address[2:])


def new_devnet(**settings: Any) -> Devnet:
    """A chain at genesis whose clock stands still."""
    return Devnet(DevnetSettings(**settings), lambda: START_S)


def signed(account: LocalAccount, nonce: int, **fields: Any) -> bytes:
    """A raw transaction of type 2 unless ``fields`` say otherwise."""
    transaction: dict[str, Any] = {
        "chainId": 31337,
        "nonce": nonce,
        "to": BOB.address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        **fields,
    }
    return bytes(account.sign_transaction(transaction).raw_transaction)


def legacy(account: LocalAccount, nonce: int, **fields: Any) -> bytes:
    """A raw transaction of type 0, or 1 where ``fields`` hold an access list."""
    transaction: dict[str, Any] = {
        "chainId": 31337,
        "nonce": nonce,
        "to": BOB.address,
        "value": 1,
        "gas": 30_000,
        "gasPrice": 10 * GWEI,
        **fields,
    }
    return bytes(account.sign_transaction(transaction).raw_transaction)


def ask(devnet: Devnet, method: str, *params: Any) -> Any:
    """The result of a request, without HTTP."""
    return call_method(devnet, method, list(params))


def send(devnet: Devnet, raw: bytes) -> str:
    """The hash of the transaction, as JSON-RPC gives it."""
    sent: str = ask(devnet, "eth_sendRawTransaction", "0x" + raw.hex())
    return sent
