"""What settlement keeps of a batch, and what it wants done with it."""

import msgspec

from node.codec.l1_calls import commitment, post_batch
from node.codec.l1_gas import posting_gas
from node.codec.l1_transactions import Fees
from node.types.blocks import Batch
from node.types.ids import Sequence


class SealedBatch(msgspec.Struct, frozen=True, gc=False):
    """What settlement remembers of a batch; its data stays on disk until it is sent."""

    index: int
    previous_root: bytes
    new_root: bytes
    last_sequence: Sequence
    inbox_cursor: int
    commitment: bytes
    data_bytes: int
    gas: int

    @classmethod
    def of(cls, batch: Batch) -> "SealedBatch":
        """Return what to remember of ``batch``; takes about as long as encoding it."""
        header = batch.header
        return cls(
            index=header.index,
            previous_root=header.previous_root,
            new_root=header.new_root,
            last_sequence=header.last_sequence,
            inbox_cursor=header.inbox_cursor,
            commitment=commitment(batch),
            data_bytes=len(batch.data),
            gas=posting_gas(post_batch(batch)),
        )


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What the batches taken on since the start bring onto L1: bytes of their data, and gas.

    The gas is ``posting_gas`` of each, known as soon as it is sealed: no less than its receipt will
    tell, and nearly as much.
    """

    data_bytes: int
    gas: int

    def plus(self, batch: SealedBatch) -> "Taken":
        """Return the same with one more batch."""
        return Taken(self.data_bytes + batch.data_bytes, self.gas + batch.gas)


class Submission(msgspec.Struct, frozen=True, gc=False):
    """Send ``batch`` with ``nonce``; ``attempt`` counts from 1, the same one again is 0."""

    batch: SealedBatch
    nonce: int
    fees: Fees
    gas: int
    attempt: int

    @property
    def index(self) -> int:
        """Return the index of the batch."""
        return self.batch.index


class Pressure(msgspec.Struct, frozen=True, gc=False):
    """What waits to be posted: batches, bytes of their data, milliseconds since the oldest came.

    ``gas``: what posting all of them will take.
    """

    batches: int
    data_bytes: int
    age_ms: int
    gas: int = 0
