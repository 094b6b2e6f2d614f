"""Transactions that wait for a block, and who goes first.

One queue per sender, ordered by nonce. A transaction with the same sender and nonce replaces the
one that waits only if it raises both fees by a tenth, as on public chains: a sequencer that learns
to replace here has learnt it.
"""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from sortedcontainers import SortedDict

from node.adapters.devnet.rpc_errors import refused
from node.adapters.devnet.transactions import SignedTransaction

PRICE_BUMP_PERCENT: Final = 10


class Mempool:
    """Bounded in all and per sender. Knows nothing of the chain: nonces and fees are told to it."""

    def __init__(self, limit: int, limit_per_sender: int) -> None:
        self._limit = limit
        self._limit_per_sender = limit_per_sender
        self._queues: dict[bytes, SortedDict[int, SignedTransaction]] = {}
        self._by_hash: dict[bytes, SignedTransaction] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, transaction_hash: bytes) -> SignedTransaction | None:
        """The waiting transaction of that hash."""
        return self._by_hash.get(transaction_hash)

    def add(self, transaction: SignedTransaction) -> None:
        """Take a transaction in, or raise RpcError and stay as before."""
        if transaction.hash in self._by_hash:
            raise refused("already known")
        queue = self._queues.get(transaction.sender)
        waiting = None if queue is None else queue.get(transaction.nonce)
        if waiting is not None:
            _require_bump(waiting, transaction)
            del self._by_hash[waiting.hash]
        elif len(self._by_hash) >= self._limit:
            raise refused(f"txpool is full: limit {self._limit}")
        elif queue is not None and len(queue) >= self._limit_per_sender:
            raise refused(f"account limit exceeded: limit {self._limit_per_sender}")
        if queue is None:
            queue = self._queues[transaction.sender] = SortedDict()
        queue[transaction.nonce] = transaction
        self._by_hash[transaction.hash] = transaction

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """The first nonce from ``account_nonce`` on that no waiting transaction uses."""
        queue = self._queues.get(sender, SortedDict())
        nonce = account_nonce
        while nonce in queue:
            nonce += 1
        return nonce

    def cost_before(self, sender: bytes, nonce: int) -> int:
        """The most wei that the waiting transactions of ``sender`` before ``nonce`` can cost."""
        queue = self._queues.get(sender, SortedDict())
        return sum(waiting.cost_max for waiting in queue.values() if waiting.nonce < nonce)

    def prune(self, nonce_of: Callable[[bytes], int]) -> None:
        """Forget what can never execute any more: each nonce below its account's."""
        for sender in list(self._queues):
            queue = self._queues[sender]
            account_nonce = nonce_of(sender)
            while queue and queue.peekitem(0)[0] < account_nonce:
                del self._by_hash[queue.popitem(0)[1].hash]
            if not queue:
                del self._queues[sender]

    def executable(
        self, base_fee: int, nonce_of: Callable[[bytes], int]
    ) -> Iterator[SignedTransaction]:
        """Transactions as a block takes them: best tip first, each sender's nonces in sequence.

        A transaction that cannot pay ``base_fee``, or whose nonce leaves a gap, holds up its own
        sender only.
        """
        heads = [
            self._entry(sender, nonce, base_fee)
            for sender, nonce in ((sender, nonce_of(sender)) for sender in self._queues)
            if self._pays(sender, nonce, base_fee)
        ]
        heapify(heads)
        while heads:
            _, sender, nonce = heappop(heads)
            yield self._queues[sender][nonce]
            if self._pays(sender, nonce + 1, base_fee):
                heappush(heads, self._entry(sender, nonce + 1, base_fee))

    def _pays(self, sender: bytes, nonce: int, base_fee: int) -> bool:
        waiting = self._queues[sender].get(nonce)
        return waiting is not None and waiting.tip_at(base_fee) >= 0

    def _entry(self, sender: bytes, nonce: int, base_fee: int) -> tuple[int, bytes, int]:
        """The sender's address breaks ties: the order never depends on the order of arrival."""
        return -self._queues[sender][nonce].tip_at(base_fee), sender, nonce


def _require_bump(waiting: SignedTransaction, offered: SignedTransaction) -> None:
    enough = 100 + PRICE_BUMP_PERCENT
    fee_raised = 100 * offered.max_fee >= enough * waiting.max_fee
    tip_raised = 100 * offered.max_tip >= enough * waiting.max_tip
    if not (fee_raised and tip_raised):
        raise refused("replacement transaction underpriced")
