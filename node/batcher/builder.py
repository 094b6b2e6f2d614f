"""Gathers durable blocks until the policy says that they make a batch.

Blocks are kept as their MessagePack bytes: that is what the replica is given, and all that this
process ever does to a command after it has been journaled.
"""

import msgspec

from node.batcher.policy import Load, SealCause, SealPolicy
from node.types.errors import StateDiverged
from node.types.ids import Sequence
from node.types.units import NS_PER_MS


class BlockBytes(msgspec.Struct, frozen=True, gc=False):
    """A durable block: its MessagePack form, how much of it are the commands, and their places."""

    encoded: bytes
    command_bytes: int
    first_sequence: Sequence
    last_sequence: Sequence

    @property
    def load(self) -> Load:
        """Return what the block adds to a batch."""
        commands = self.last_sequence - self.first_sequence + 1
        return Load(commands, self.command_bytes, len(self.encoded))


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """Whole blocks, one after the other, that are to be one batch; ``since_ns``: of the oldest."""

    blocks: tuple[BlockBytes, ...]
    first_sequence: Sequence
    last_sequence: Sequence
    load: Load
    cause: SealCause
    since_ns: int

    @property
    def encoded(self) -> tuple[bytes, ...]:
        """Return the blocks' MessagePack forms."""
        return tuple(block.encoded for block in self.blocks)

    def split(self, last_sequence: Sequence) -> "tuple[Candidate, Candidate | None]":
        """Return the part up to ``last_sequence``, which ends a block, and what is left."""
        if last_sequence == self.last_sequence:
            return self, None
        count = sum(block.last_sequence <= last_sequence for block in self.blocks)
        return self._of(self.blocks[:count]), self._of(self.blocks[count:])

    def _of(self, blocks: tuple[BlockBytes, ...]) -> "Candidate":
        load = Load()
        for block in blocks:
            load = load.plus(block.load)
        return msgspec.structs.replace(
            self,
            blocks=blocks,
            first_sequence=blocks[0].first_sequence,
            last_sequence=blocks[-1].last_sequence,
            load=load,
        )


class BatchBuilder:
    """The batch under way: no more than the policy allows, unless one block alone is more."""

    __slots__ = ("_blocks", "_first", "_policy", "_since_ns", "load", "next_sequence")

    def __init__(self, policy: SealPolicy, next_sequence: Sequence) -> None:
        """Start empty; the next block must begin with ``next_sequence``."""
        self._policy = policy
        self._blocks: list[BlockBytes] = []
        self._first = next_sequence
        self._since_ns = 0
        self.load = Load()
        self.next_sequence = next_sequence

    def add(self, block: BlockBytes, now_ns: int) -> list[Candidate]:
        """Take ``block`` in; return the batches that this closes, at most two.

        If the block would exceed a limit, what was there before is closed without it.
        Raises ``StateDiverged`` (``where``, ``sequence``, ``expected``) when a block is missing.
        """
        if block.first_sequence != self.next_sequence:
            raise StateDiverged(
                where="block order", sequence=block.first_sequence, expected=self.next_sequence
            )
        closed: list[Candidate] = []
        cause = self._policy.overfull(self.load.plus(block.load)) if self._blocks else None
        if cause is not None:
            closed.append(self._close(cause))
        if not self._blocks:
            self._since_ns = now_ns
        self._blocks.append(block)
        self.load = self.load.plus(block.load)
        self.next_sequence = Sequence(block.last_sequence + 1)
        cause = self._policy.full(self.load)
        if cause is not None:
            closed.append(self._close(cause))
        return closed

    def close_if_aged(self, now_ns: int) -> Candidate | None:
        """Close the batch if its oldest command has waited as long as it may."""
        if not self._blocks:
            return None
        cause = self._policy.aged((now_ns - self._since_ns) // NS_PER_MS)
        return None if cause is None else self._close(cause)

    def close(self) -> Candidate | None:
        """Close the batch because somebody asked for it; None where it is empty."""
        return self._close(SealCause.REQUEST) if self._blocks else None

    def wait_ns(self, now_ns: int) -> int | None:
        """Return how long from now the batch will have aged, None where it is empty."""
        if not self._blocks:
            return None
        return max(0, self._since_ns + self._policy.age_ms_max * NS_PER_MS - now_ns)

    def _close(self, cause: SealCause) -> Candidate:
        candidate = Candidate(
            blocks=tuple(self._blocks),
            first_sequence=self._first,
            last_sequence=Sequence(self.next_sequence - 1),
            load=self.load,
            cause=cause,
            since_ns=self._since_ns,
        )
        self._blocks = []
        self._first = self.next_sequence
        self.load = Load()
        return candidate
