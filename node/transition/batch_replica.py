"""Batches, executed again before anyone may post them.

Posted data is all that a verifier will ever have. So it is not what the sequencer did that becomes
a batch: its blocks are encoded, the bytes decoded again, and what came out of them is executed and
must change, block by block, exactly what the sequencer said it changed. A batch that could not be
verified is found here, and never reaches the chain.
"""

from bisect import bisect_right
from collections.abc import Sequence as Ordered
from itertools import accumulate, chain

from node.codec.batch import decode_batch, encode_batch
from node.codec.l1_gas import ROOT_BYTES
from node.transition.replay import Replica
from node.transition.tree_shelf import BatchEnd, TreeShelf
from node.types.blocks import Batch, BatchHeader, Block
from node.types.commands import Command
from node.types.errors import BatchMalformed, StateDiverged
from node.types.ids import Sequence


class BatchReplica:
    """A replica that stands at the end of a batch, and the trees at the ends of earlier ones."""

    __slots__ = ("_replica", "next_index", "shelf")

    def __init__(self, replica: Replica, next_index: int, trees_kept: int) -> None:
        """Go on with batch ``next_index`` from where ``replica`` stands."""
        self._replica = replica
        self.next_index = next_index
        self.shelf = TreeShelf(trees_kept)

    @property
    def next_sequence(self) -> Sequence:
        """Return the sequence of the command that the next batch begins with."""
        return Sequence(self._replica.state.sequence + 1)

    @property
    def root(self) -> bytes:
        """Return the root after the last batch."""
        return self._replica.root

    def seal(self, blocks: Ordered[Block], cause: str, bytes_max: int | None = None) -> Batch:
        """Return ``blocks``, which go on from the last batch, as the next one.

        Where data and intermediate roots would exceed ``bytes_max``, it is only the first of them,
        and at least one: what L1 refuses for its size could never be posted, nor anything after it.

        Raises ``StateDiverged`` where the decoded commands differ from the blocks' own, are
        rejected, or change something else than the blocks say; see ``Replica.stretches``.
        """
        self._require_next(blocks)
        interval = self._replica.state.rules.root_interval
        blocks, commands, data, decoded = _fitting(blocks, bytes_max, interval)
        if decoded != commands:
            sequence = self.next_sequence + _first_difference(decoded, commands)
            raise StateDiverged(where="batch data", sequence=sequence)
        changes = {block.number: block.changes for block in blocks}
        batch = Batch(
            header=self._execute(decoded, changes),
            data=data,
            cause=cause,
            last_block=blocks[-1].number,
            last_hash=blocks[-1].hash,
        )
        self._finish(batch)
        return batch

    def replay(self, batch: Batch) -> None:
        """Execute a batch that was sealed before. Raises ``StateDiverged`` where roots differ."""
        header = self._execute(decode_batch(batch.data), None)
        if header != batch.header:
            raise StateDiverged(
                where="batch", index=batch.header.index, expected=batch.header, found=header
            )
        self._finish(batch)

    def keep_start(self, block: int, block_hash: bytes) -> None:
        """Keep the tree that this replica started from: the end of the batch before the next.

        It is pinned, because a snapshot is of a final batch.
        """
        index, replica = self.next_index - 1, self._replica
        self.shelf.put(BatchEnd(index, replica.tree, replica.state.sequence, block, block_hash))
        self.shelf.pin(index)

    def _require_next(self, blocks: Ordered[Block]) -> None:
        expected = self.next_sequence
        for block in blocks:
            if block.first_sequence != expected:
                raise StateDiverged(
                    where="block order", sequence=block.first_sequence, expected=expected
                )
            expected = Sequence(block.last_sequence + 1)

    def _execute(self, commands: Ordered[Command], changes: dict[int, bytes] | None) -> BatchHeader:
        previous_root, first = self.root, self.next_sequence
        stretches = self._replica.execute(commands, changes)
        state = self._replica.state
        return BatchHeader(
            index=self.next_index,
            previous_root=previous_root,
            new_root=self.root,
            first_sequence=first,
            last_sequence=state.sequence,
            inbox_cursor=state.inbox_cursor,
            roots=tuple(stretch.root for stretch in stretches[:-1]),
        )

    def _finish(self, batch: Batch) -> None:
        tree, sequence = self._replica.tree, self._replica.state.sequence
        self.shelf.put(
            BatchEnd(batch.header.index, tree, sequence, batch.last_block, batch.last_hash)
        )
        self.next_index += 1


def _fitting(
    blocks: Ordered[Block], bytes_max: int | None, root_interval: int
) -> tuple[Ordered[Block], tuple[Command, ...], bytes, tuple[Command, ...]]:
    """Return ``blocks``, or the first of them, their commands, their data, and these decoded.

    How far data compress is up to those who send them, so it is only known afterwards whether L1
    takes them, and a decoder what they unpack to. Too many bytes are cut in proportion, with a
    sixteenth to spare as fewer commands pack worse. What is too much even then, since bytes lie
    unevenly, is halved at least; so is what no decoder takes.
    """
    uncut = True
    while True:
        commands = tuple(chain.from_iterable(block.commands for block in blocks))
        data = encode_batch(commands)
        if len(blocks) == 1:
            return blocks, commands, data, decode_batch(data)
        # A root stands at the end of a block, but the last, and after so many commands at least.
        roots = min(len(blocks) - 1, len(commands) // root_interval)
        size = len(data) + ROOT_BYTES * roots
        if bytes_max is not None and size > bytes_max:
            share = len(commands) * bytes_max * 15 // (16 * size)
            blocks = _first(blocks, share if uncut else min(share, len(commands) // 2))
            uncut = False
            continue
        try:
            return blocks, commands, data, decode_batch(data)
        except BatchMalformed:
            # It unpacks to more than any decoder takes on; if not, a single block will tell.
            blocks = blocks[: len(blocks) // 2]


def _first(blocks: Ordered[Block], commands: int) -> Ordered[Block]:
    """Return the first of ``blocks``, at least one, that have no more than ``commands``."""
    ends = list(accumulate(len(block.commands) for block in blocks))
    return blocks[: max(1, bisect_right(ends, commands))]


def _first_difference(decoded: Ordered[Command], commands: Ordered[Command]) -> int:
    for place, (found, expected) in enumerate(zip(decoded, commands, strict=False)):
        if found != expected:
            return place
    return min(len(decoded), len(commands))
