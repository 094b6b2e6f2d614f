"""The chain and the pool as one node: what each JSON-RPC method is made of.

Owned by one thread, as the chain is.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final

from node.adapters.devnet.chain import EvmChain, MinedBlock
from node.adapters.devnet.mempool import Mempool
from node.adapters.devnet.parameters import BlockSelector
from node.adapters.devnet.rpc_errors import SERVER_ERROR, RpcError, invalid_params, refused
from node.adapters.devnet.settings import DevnetSettings
from node.adapters.devnet.transactions import SignedTransaction, decode

PENDING: Final = "pending"


class Devnet:
    """A node with one miner. Mines when told to; ``automine`` tells it with every transaction.

    ``interval_s`` is for the clock outside: the seconds between blocks, 0 for none. Two that are
    told the same have the same blocks, unless their ``entropy`` (below 2^63) differs.
    """

    def __init__(
        self, settings: DevnetSettings, now_s: Callable[[], float], *, entropy: int = 0
    ) -> None:
        self.settings = settings
        self.chain = EvmChain(settings, int(now_s()), entropy)
        self.pool = Mempool(settings.pool_limit, settings.pool_limit_per_sender)
        self.automine = False
        self.interval_s = settings.block_time_s
        self._now_s = now_s

    def send_raw_transaction(self, raw: bytes) -> bytes:
        """Take a signed transaction into the pool. Returns its hash, or raises RpcError."""
        transaction = decode(raw, self.chain.transaction_builder, self.settings.chain_id)
        self._require_admissible(transaction)
        self.pool.add(transaction)
        if self.automine:
            self.mine()
        return transaction.hash

    def mine(self, most: int | None = None) -> None:
        """Append one block with whatever the pool has that pays and fits, the first ``most``."""
        candidates = self.pool.executable(self.chain.next_base_fee, self.chain.nonce)
        self.chain.mine(islice(candidates, most), int(self._now_s()))
        self.pool.prune(self.chain.nonce)

    def reorg(self, depth: int) -> None:
        """Replace the last ``depth`` blocks by empty ones.

        Their transactions are lost, not pooled again: whoever cares has to send them once more. A
        transaction that still waited in the pool stays there, but is not in the new blocks.
        """
        if not 1 <= depth <= self.chain.head.number:
            raise invalid_params(f"depth {depth} outside of 1 to {self.chain.head.number}")
        self.chain.rewind(depth)
        for _ in range(depth):
            self.chain.mine((), int(self._now_s()))

    def next_nonce(self, account: bytes) -> int:
        """The nonce of the account's next transaction, those that wait included."""
        return self.pool.next_nonce(account, self.chain.nonce(account))

    def waiting(self) -> list[SignedTransaction]:
        """What the next block would try, in its order."""
        return list(self.pool.executable(self.chain.next_base_fee, self.chain.nonce))

    def find_block(self, selector: BlockSelector) -> MinedBlock | None:
        """The block that a number, tag or hash names. The block to come counts as the head."""
        if isinstance(selector, bytes):
            return self.chain.block_by_hash(selector)
        return self.chain.block(self.height(selector))

    def block(self, selector: BlockSelector) -> MinedBlock:
        """The same. Raises RpcError where there is none."""
        found = self.find_block(selector)
        if found is None:
            raise RpcError(SERVER_ERROR, "unknown block")
        return found

    def height(self, selector: BlockSelector) -> int:
        """The number that a selector stands for; a number above the head stays as it is."""
        head = self.chain.head.number
        match selector:
            case int():
                return selector
            case bytes():
                return self.block(selector).number
            case "earliest":
                return 0
            case "safe":
                return max(0, head - self.settings.safe_depth)
            case "finalized":
                return max(0, head - self.settings.finalized_depth)
            case _:
                return head

    def _require_admissible(self, transaction: SignedTransaction) -> None:
        """The checks that need the state. Raises RpcError with the words of go-ethereum."""
        if transaction.gas > self.settings.gas_limit:
            raise refused("exceeds block gas limit")
        account_nonce = self.chain.nonce(transaction.sender)
        if transaction.nonce < account_nonce:
            raise refused(
                f"nonce too low: next nonce {account_nonce}, tx nonce {transaction.nonce}"
            )
        balance = self.chain.balance(transaction.sender)
        cost = transaction.cost_max + self.pool.cost_before(transaction.sender, transaction.nonce)
        if balance < cost:
            raise refused(
                f"insufficient funds for gas * price + value: balance {balance}, tx cost {cost}"
            )
