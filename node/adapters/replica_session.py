"""What the replica's process does: it owns the sealed batches and the snapshots behind them.

A batch is on disk before it is handed out, and sealing is idempotent: asked again for a batch that
it has (because the asker, or it, died in between), it answers with the very same one.
"""

from pathlib import Path

import msgspec

from node.adapters.batch_store import BatchFolder
from node.adapters.identity import Identity
from node.adapters.snapshots import SnapshotFolder
from node.codec.commands import decode_block
from node.ports.snapshots import Snapshot
from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from node.transition.tree.proofs import Proof
from node.types.blocks import GENESIS_PARENT, Batch, Domain
from node.types.errors import StateDiverged
from node.types.ids import Sequence
from node.types.rules import Rules


class ReplicaSetup(msgspec.Struct, frozen=True):
    """All that the replica's process is told when it starts.

    ``batches`` and ``snapshots`` are folders of its own, which exist. ``trees_kept`` bounds the
    batch ends that proofs can be made for. A snapshot is written each time ``snapshot_every`` more
    batches are final (0: never); ``final_batches_kept`` stay on disk beyond what a restart needs.
    A batch of several blocks has at most ``bytes_max`` bytes of data and intermediate roots.
    """

    rules: Rules
    domain: Domain
    batches: Path
    snapshots: Path
    trees_kept: int = 4_096
    snapshot_every: int = 50
    final_batches_kept: int = 0
    bytes_max: int | None = None


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where the batches end: the next one's index and first command, and the root before it."""

    next_index: int
    next_sequence: Sequence
    root: bytes


class ReplicaSession:
    """The replica with its files. Starting is restoring the newest snapshot and replaying."""

    def __init__(self, setup: ReplicaSetup) -> None:
        """Restore. Raises ``WrongChain``, ``JournalCorrupt`` or ``StateDiverged``."""
        self._setup = setup
        identity = Identity.of(setup.domain, setup.rules)
        self._store = BatchFolder(setup.batches, identity)
        self._store.clean()
        self._snapshots = SnapshotFolder(setup.snapshots, identity)
        self._newest: Batch | None = None
        self._replica = self._restore()
        self._snapshot_index = self._replica.next_index - 1
        for batch in self._store.read(self._replica.next_index):
            self._replica.replay(batch)
            self._newest = batch

    def position(self) -> Position:
        """Return where the batches end."""
        replica = self._replica
        return Position(replica.next_index, replica.next_sequence, replica.root)

    def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the next batch, once durable; the newest one again if that is what is asked for.

        It may hold only the first of ``blocks``; see ``BatchReplica.seal``.
        Raises ``StateDiverged``.
        """
        decoded = [decode_block(block) for block in blocks]
        newest = self._newest
        if newest is not None and newest.header.first_sequence == first_sequence:
            if all(block.hash != newest.last_hash for block in decoded):
                raise StateDiverged(where="batch asked for again", index=newest.header.index)
            return newest
        batch = self._replica.seal(decoded, cause, self._setup.bytes_max)
        self._store.save(batch)
        self._newest = batch
        return batch

    def pin(self, index: int) -> int:
        """Keep what proves by batch ``index``, which is final and the newest such; see ``prove``.

        Returns the batch that is kept for that: an older one where a restart came between.
        """
        return self._replica.shelf.pin(index)

    def prove(self, final: int, key: bytes) -> tuple[int, Proof]:
        """Return the proof that the state after a final batch holds ``key``, and which batch it is.

        It is ``final``, the newest final one, or the one that is kept instead; see ``pin``. Raises
        ``NotFound``.
        """
        # Again: this process may have been started anew since it was told.
        index = self.pin(final)
        return index, self._replica.shelf.prove(index, key)

    def finalize(self, index: int) -> Sequence:
        """Let go of what only batches before ``index``, which is final, needed.

        The batch that is pinned stays provable. Returns the last command of the older of two
        snapshots, 0 while there are not two: a restart may need every batch after it.
        """
        every = self._setup.snapshot_every
        due = every and index - self._snapshot_index >= every
        if due and index in self._replica.shelf:
            self._save_snapshot(index)
        self._replica.shelf.forget_below(index)
        oldest = self._snapshots.oldest_sequence()
        self._store.prune(index - self._setup.final_batches_kept, oldest)
        return oldest

    def _save_snapshot(self, index: int) -> None:
        end = self._replica.shelf.end(index)
        self._snapshots.save(
            Snapshot(
                domain=self._setup.domain,
                rules=self._setup.rules.digest(),
                sequence=end.sequence,
                block=end.block,
                hash=end.hash,
                leaves=tuple(end.tree.items()),
            )
        )
        self._snapshot_index = index

    def _restore(self) -> BatchReplica:
        rules, domain = self._setup.rules, self._setup.domain
        snapshot = self._snapshots.latest()
        if snapshot is None:
            replica = BatchReplica(Replica.genesis(rules, domain), 0, self._setup.trees_kept)
            replica.keep_start(0, GENESIS_PARENT)
            return replica
        # A snapshot does not know its batch: the one that ends with it is kept on disk for that.
        self._newest = next(
            (
                batch
                for batch in self._store.read()
                if batch.header.last_sequence == snapshot.sequence
            ),
            None,
        )
        if self._newest is None:
            raise StateDiverged(where="snapshot", sequence=snapshot.sequence)
        header = self._newest.header
        restored = Replica.from_leaves(rules, domain, snapshot.leaves)
        if restored.root != header.new_root:
            raise StateDiverged(
                where="snapshot",
                sequence=snapshot.sequence,
                expected=header.new_root,
                found=restored.root,
            )
        replica = BatchReplica(restored, header.index + 1, self._setup.trees_kept)
        replica.keep_start(snapshot.block, snapshot.hash)
        return replica
