"""An L1 without a network: blocks, a pool, one account, one rollup; and every way to misbehave."""

from collections.abc import Callable, Iterable

import msgspec

from node.codec.l1_calls import BatchRecord
from node.codec.l1_transactions import Fees
from node.ports.chain import FeeSample, L1Block, Sending
from node.settlement.look import Look
from node.settlement.sealed import SealedBatch, Submission
from node.settlement.tracker import Tracker
from node.types.hashing import keccak256
from node.types.ids import Sequence

GENESIS_ROOT = keccak256(b"genesis")
SAFE_DEPTH = 2
FINAL_DEPTH = 6


def sealed(index: int, *, salt: bytes = b"", inbox_cursor: int = 0) -> SealedBatch:
    """The one batch of this index that this node ever sealed."""
    return SealedBatch(
        index=index,
        previous_root=root_before(index),
        new_root=root_before(index + 1),
        last_sequence=Sequence(10 * (index + 1)),
        inbox_cursor=inbox_cursor,
        commitment=keccak256(b"batch %d" % index + salt),
        data_bytes=1_000,
        gas=100_000,
    )


def root_before(index: int) -> bytes:
    return GENESIS_ROOT if index == 0 else keccak256(b"root %d" % index)


class Waiting(msgspec.Struct, frozen=True):
    """A transaction, in the pool or in a block."""

    nonce: int
    index: int
    commitment: bytes
    fees: Fees
    gas: int

    @property
    def hash(self) -> bytes:
        return keccak256(repr((self.nonce, self.index, self.fees, self.gas)).encode())


class ModelBlock(msgspec.Struct, frozen=True):
    """``batches``: of the whole chain up to here, as (commitment, block number)."""

    number: int
    hash: bytes
    nonce: int
    batches: tuple[tuple[bytes, int], ...]
    mined: tuple[tuple[Waiting, bool], ...] = ()


class ModelChain:
    """Takes submissions as a pool does; mines, reorganises and forgets as it is told."""

    def __init__(self) -> None:
        self.blocks = [ModelBlock(0, keccak256(b"block"), 0, ())]
        self.pool: dict[int, Waiting] = {}
        self.base_fee = 1_000_000_000
        self.inbox_count = 0
        self.funded = True
        self.gas_needed = 100_000
        self.taken = 0
        self.failed_in_all = 0
        self.receipts_late = 0
        self._salt = 0

    @property
    def head(self) -> ModelBlock:
        return self.blocks[-1]

    def send(self, submission: Submission, batch: SealedBatch) -> tuple[bytes, Sending]:
        """Return the hash, and what the pool thinks of it."""
        offered = Waiting(
            submission.nonce, batch.index, batch.commitment, submission.fees, submission.gas
        )
        waiting = self.pool.get(offered.nonce)
        fresh = waiting is None or (
            10 * offered.fees.max_fee >= 11 * waiting.fees.max_fee
            and 10 * offered.fees.tip >= 11 * waiting.fees.tip
        )
        if offered.nonce < self.head.nonce:
            return offered.hash, Sending.SPENT
        if offered == waiting:
            return offered.hash, Sending.KNOWN
        if not self.funded:
            return offered.hash, Sending.UNFUNDED
        if not fresh:
            return offered.hash, Sending.UNDERPRICED
        self.pool[offered.nonce] = offered
        self.taken += 1
        return offered.hash, Sending.TAKEN

    def mine(self, room: int = 4) -> None:
        """Append a block with up to ``room`` transactions that pay the base fee."""
        nonce, batches = self.head.nonce, self.head.batches
        number = len(self.blocks)
        mined: list[tuple[Waiting, bool]] = []
        while len(mined) < room and nonce in self.pool:
            waiting = self.pool[nonce]
            if waiting.fees.max_fee < self.base_fee:
                break
            accepted = waiting.index == len(batches) and waiting.gas >= self.gas_needed
            if accepted:
                batches = (*batches, (waiting.commitment, number))
            else:
                self.failed_in_all += 1
            mined.append((waiting, accepted))
            nonce += 1
        self._append(nonce, batches, tuple(mined))
        self.forget(lambda spent: spent.nonce < nonce)

    def reorg(self, depth: int, *, back_to_pool: bool) -> None:
        """Replace the last ``depth`` blocks by empty ones."""
        dropped = self.blocks[-depth:]
        del self.blocks[-depth:]
        if back_to_pool:
            for block in dropped:
                for waiting, _ in block.mined:
                    self.pool.setdefault(waiting.nonce, waiting)
        for _ in range(depth):
            self._append(self.head.nonce, self.head.batches, ())

    def spend_nonce(self) -> None:
        """Another transaction of the same account gets in between."""
        nonce = self.head.nonce + 1
        self._append(nonce, self.head.batches, ())
        self.forget(lambda spent: spent.nonce < nonce)

    def forget(self, unwanted: Callable[[Waiting], bool] = lambda _: True) -> None:
        """Drop from the pool what ``unwanted`` says, or everything."""
        self.pool = {
            nonce: waiting for nonce, waiting in self.pool.items() if not unwanted(waiting)
        }

    def look(self, tracker: Tracker) -> Look:
        """What a node reads that follows the protocol of ``Tracker``."""
        anchor, head = tracker.anchor, self.head
        kept = anchor is None or (
            anchor.number < len(self.blocks) and self.blocks[anchor.number].hash == anchor.hash
        )
        count = len(head.batches)
        pending = head.nonce
        while pending in self.pool:
            pending += 1
        asked = tracker.unchecked(count, kept=kept)
        return Look(
            head=L1Block(head.number, head.hash, head.number * 12, self.base_fee),
            kept=kept,
            batch_count=count,
            latest_root=root_before(count),
            inbox_count=self.inbox_count,
            nonce=head.nonce,
            pending_nonce=pending,
            safe_number=head.number - SAFE_DEPTH,
            final_number=head.number - FINAL_DEPTH,
            fees=FeeSample(self.base_fee, (1_000_000_000,)),
            records={index: self._record(index) for index in asked},
        )

    def failed(self, transactions: Iterable[bytes]) -> dict[bytes, bool]:
        """Whether those of ``transactions`` reverted whose blocks already have receipts."""
        told = self.blocks[: len(self.blocks) - self.receipts_late]
        mined = {waiting.hash: accepted for block in told for waiting, accepted in block.mined}
        return {sent: not mined[sent] for sent in transactions if sent in mined}

    def _record(self, index: int) -> BatchRecord:
        committed, block = self.head.batches[index]
        return BatchRecord(root_before(index + 1), committed, block, Sequence(10 * (index + 1)), 0)

    def _append(
        self,
        nonce: int,
        batches: tuple[tuple[bytes, int], ...],
        mined: tuple[tuple[Waiting, bool], ...],
    ) -> None:
        self._salt += 1
        number = len(self.blocks)
        block_hash = keccak256(b"block %d %d" % (number, self._salt))
        self.blocks.append(ModelBlock(number, block_hash, nonce, batches, mined))
