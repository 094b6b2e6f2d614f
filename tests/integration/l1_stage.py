"""A chain with our contracts on it, as the tests of contracts and chains use it."""

from typing import Any, Final

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.abi import function_abi_to_4byte_selector
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.contract import AsyncContract
from web3.exceptions import ContractCustomError
from web3.types import RPCEndpoint, TxParams, TxReceipt

from node.adapters.artifacts import load_artifact
from node.adapters.deployment import Deployment, deploy
from node.adapters.devnet.settings import DERIVATION_PATH, GWEI, MNEMONIC
from node.types.hashing import keccak256

GENESIS_ROOT: Final = keccak256(b"genesis")
RULES: Final = b'{"markets": []}'
FINALITY_BLOCKS: Final = 3
DOLLAR: Final = 1_000_000

ERRORS: Final = {
    item["name"]: item
    for name in ("TestToken", "Rollup", "Inbox")
    for item in load_artifact(name).abi
    if item["type"] == "error"
}


def dev_account(index: int) -> LocalAccount:
    """One of the funded accounts that every devnet and every anvil knows."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(
        MNEMONIC, account_path=f"{DERIVATION_PATH}/{index}"
    )
    return account


class Stage:
    """One chain that mines each transaction at once, and three people on it."""

    def __init__(self, url: str) -> None:
        self.w3: AsyncWeb3[Any] = AsyncWeb3(AsyncHTTPProvider(url))
        self.sequencer = dev_account(1)
        self.alice = dev_account(2)
        self.bob = dev_account(3)

    async def close(self) -> None:
        """Close the HTTP connections."""
        assert isinstance(self.w3.provider, AsyncHTTPProvider)
        await self.w3.provider.disconnect()

    async def rpc(self, method: str, *params: Any) -> Any:
        """The result of a request that web3 has no function for; an error fails the test."""
        response = await self.w3.provider.make_request(RPCEndpoint(method), params)
        assert "error" not in response, response
        return response["result"]

    async def rpc_error(self, method: str, *params: Any) -> dict[str, Any]:
        """The error that a request is answered with."""
        response = await self.w3.provider.make_request(RPCEndpoint(method), params)
        assert "error" in response, response
        error: dict[str, Any] = dict(response["error"])
        return error

    async def open_exchange(self, sequencer: ChecksumAddress | None = None) -> "Exchange":
        """A new rollup with its own token and inbox."""
        deployment = await deploy(
            self.w3,
            self.alice,
            sequencer=sequencer or self.sequencer.address,
            rules=RULES,
            genesis_root=GENESIS_ROOT,
            finality_blocks=FINALITY_BLOCKS,
        )
        return Exchange(self, deployment)

    async def raw(self, account: LocalAccount, **fields: Any) -> bytes:
        """A signed transfer of nothing, with ``fields`` over the defaults."""
        transaction = {
            "chainId": 31337,
            "nonce": await self.w3.eth.get_transaction_count(account.address, "pending"),
            "to": account.address,
            "value": 0,
            "gas": 21_000,
            "maxFeePerGas": 20 * GWEI,
            "maxPriorityFeePerGas": GWEI,
            **fields,
        }
        return bytes(account.sign_transaction(transaction).raw_transaction)

    async def sign(self, account: LocalAccount, function: Any) -> bytes:
        """A signed transaction that calls a contract, with gas estimated and fees suggested."""
        fields: TxParams = {
            "from": account.address,
            "nonce": await self.w3.eth.get_transaction_count(account.address, "pending"),
        }
        transaction = await function.build_transaction(fields)
        return bytes(account.sign_transaction(transaction).raw_transaction)

    async def deliver(self, raw: bytes) -> TxReceipt:
        """Send a raw transaction and wait until it is mined; it must succeed."""
        sent = await self.w3.eth.send_raw_transaction(raw)
        receipt = await self.w3.eth.wait_for_transaction_receipt(sent, 20, 0.01)
        assert receipt["status"] == 1
        return receipt

    async def send(self, account: LocalAccount, function: Any) -> TxReceipt:
        """Sign and deliver a contract call."""
        return await self.deliver(await self.sign(account, function))


class Exchange:
    """The three contracts of one deployment."""

    def __init__(self, stage: Stage, deployment: Deployment) -> None:
        self.stage = stage
        self.deployment = deployment
        self.token = self._contract("TestToken", deployment.token)
        self.rollup = self._contract("Rollup", deployment.rollup)
        self.inbox = self._contract("Inbox", deployment.inbox)

    def _contract(self, name: str, address: str) -> AsyncContract:
        checked = self.stage.w3.to_checksum_address(address)
        return self.stage.w3.eth.contract(address=checked, abi=load_artifact(name).abi)

    def header(self, **fields: Any) -> tuple[Any, ...]:
        """The header of a first batch of ten commands, with ``fields`` over it, in ABI order."""
        header = {
            "index": 0,
            "previous_root": GENESIS_ROOT,
            "new_root": keccak256(b"first"),
            "first_sequence": 1,
            "last_sequence": 10,
            "inbox_cursor": 0,
            "intermediate_roots": [],
            **fields,
        }
        return tuple(header.values())

    async def post(self, data: bytes = b"commands", **fields: Any) -> TxReceipt:
        """Post a batch with the sequencer's key."""
        call = self.rollup.functions.postBatch(self.header(**fields), data)
        return await self.stage.send(self.stage.sequencer, call)

    async def fund_inbox(self, amount: int) -> None:
        """Give the inbox money to pay out, as a deposit of Alice's."""
        functions = self.token.functions
        alice = self.stage.alice
        await self.stage.send(alice, functions.faucet(alice.address, amount))
        await self.stage.send(alice, functions.approve(self.inbox.address, amount))
        await self.stage.send(alice, self.inbox.functions.deposit(alice.address, amount))


async def revert_data(function: Any, sender: ChecksumAddress) -> str:
    """The revert data of a call that must revert."""
    try:
        answer = await function.call({"from": sender})
    except ContractCustomError as error:
        return str(error.data)
    message = f"the call went through and returned {answer!r}"
    raise AssertionError(message)


def error_data(name: str, *arguments: Any) -> str:
    """What a contract reverts with: the selector of the custom error and its encoded values."""
    abi: Any = ERRORS[name]
    types = [item["type"] for item in abi["inputs"]]
    return "0x" + (function_abi_to_4byte_selector(abi) + encode(types, arguments)).hex()
