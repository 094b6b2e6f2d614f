"""One look at L1: all that a decision rests on, as of one block."""

from collections.abc import Mapping

import msgspec

from node.codec.l1_calls import BatchRecord
from node.ports.chain import FeeSample, L1Block


class Look(msgspec.Struct, frozen=True, gc=False):
    """L1 as one endpoint shows it; contract and account are read in the state after ``head``.

    ``kept``: the head of the look before still stands, so what was read up to it still holds.
    ``batch_count``, ``latest_root``: the rollup's. ``inbox_count``: the deposits made so far, up to
    the last that is known to be what the log took in.
    ``nonce``: of the account's next transaction; ``pending_nonce`` counts those that wait too.
    ``safe_number``, ``final_number``: the blocks up to which L1 is safe and final, -1 for none.
    ``records``: what the rollup keeps of those batches that were asked about.
    """

    head: L1Block
    kept: bool
    batch_count: int
    latest_root: bytes
    inbox_count: int
    nonce: int
    pending_nonce: int
    safe_number: int
    final_number: int
    fees: FeeSample
    records: Mapping[int, BatchRecord]
