"""The log read again, for a history that is behind: the events of each block, by execution.

It begins from the newest snapshot that does not lie ahead of where history ends, or from nothing
where the journal reaches back so far.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from node.adapters.identity import Identity
from node.adapters.journal_segment import first_sequence_of, read_blocks, segments_in
from node.adapters.snapshots import stored_snapshots
from node.history.record import recorded
from node.sequencer.recovery import replay
from node.transition.apply import apply
from node.transition.state import State
from node.types.blocks import GENESIS_PARENT, Block
from node.types.errors import HistoryGap
from node.types.history_rows import RecordedBlock
from node.types.ids import Sequence
from node.types.rules import Rules


class LogPlace(msgspec.Struct, frozen=True):
    """Where a node's log lies, and whose it is; the folders are only read."""

    journal: Path
    snapshots: Path
    identity: Identity
    rules: Rules


class LogReplay:
    """Executes the log once more from where history ends."""

    def __init__(self, place: LogPlace, after: Sequence) -> None:
        """Stand at the command ``after``, which ends a block, once blocks are taken.

        Raises ``HistoryGap`` where nothing reaches back so far.
        """
        self._place = place
        self._after = after
        self._blocks: Iterator[Block] = iter(())
        self._state, self._parent = self._start()

    @property
    def sequence(self) -> Sequence:
        """Return the last command that was given out, or the one before the first."""
        return Sequence(max(self._after, self._state.sequence))

    def take(self, commands: int, until: Sequence) -> list[RecordedBlock]:
        """Return the next blocks, of so many commands or a few more, none behind ``until``.

        ``until`` must be durable. Raises ``HistoryGap``, ``JournalCorrupt``, ``StateDiverged``.
        """
        found: list[RecordedBlock] = []
        count = 0
        while count < commands and self._state.sequence < until:
            block = self._next(until)
            durable = replay(self._state, apply, block, self._parent)
            self._parent = block.hash
            count += len(block.commands)
            if block.last_sequence > self._after:
                found.append(recorded(durable))
        return found

    def _next(self, until: Sequence) -> Block:
        """Return the next block; the journal is opened again where it was read to its end."""
        block = next(self._blocks, None)
        if block is None:
            place = self._place
            begin = Sequence(self._state.sequence + 1)
            self._blocks = read_blocks(segments_in(place.journal), place.identity, begin, until)
            block = next(self._blocks)
        return block

    def _start(self) -> tuple[State, bytes]:
        """Return the state to begin from, and the hash of its last block."""
        place = self._place
        domain = place.identity.domain
        segments = segments_in(place.journal)
        oldest = first_sequence_of(segments[0]) if segments else Sequence(1)
        for snapshot in stored_snapshots(place.snapshots, place.identity):
            if oldest - 1 <= snapshot.sequence <= self._after:
                state = State.from_leaves(place.rules, domain, snapshot.leaves)
                # What a restored state reports as changed is no block's doing.
                state.drain_changes()
                return state, snapshot.hash
        if oldest > 1:
            raise HistoryGap(sequence=self._after, oldest=oldest)
        state = State.genesis(place.rules, domain)
        state.drain_changes()
        return state, GENESIS_PARENT
