"""Start-up: the newest snapshot, and then the journal through the same ``apply`` as ever.

A clean start and a start after a crash are this one path. Every block is checked as it is replayed:
that its hash seals its ids and its parent, that the state accepts each of its commands again, and
that the leaves it changes are the very ones it changed the first time.
"""

from collections.abc import Callable

import msgspec

from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.ports.journal import Journal
from node.ports.machine import Apply, State
from node.ports.snapshots import Snapshot, SnapshotStore
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import JournalCorrupt, StateDiverged
from node.types.events import Event, Rejected
from node.types.ids import Sequence


class Recovery(msgspec.Struct, frozen=True):
    """Where a start-up came out: the hash of the last block, and how it got there.

    ``snapshot`` is the sequence that it began from (0: from nothing), ``replayed`` counts commands.
    """

    parent: bytes
    snapshot: Sequence
    replayed: int


def recover(
    restore: Callable[[Snapshot | None], State],
    apply: Apply[State],
    journal: Journal,
    snapshots: SnapshotStore,
    observe: Callable[[DurableBlock], None] | None = None,
) -> tuple[State, Recovery]:
    """Return the state after everything that is durable.

    ``restore`` makes the state of a snapshot (None: the genesis state). ``observe`` is shown each
    block that is replayed, with what it did. Raises ``JournalCorrupt`` or ``StateDiverged``, which
    name block and sequence, when journal, snapshot and transition do not fit together.
    """
    snapshot = snapshots.latest()
    state = restore(snapshot)
    parent = GENESIS_PARENT if snapshot is None else snapshot.hash
    begin = state.sequence
    if snapshot is not None:
        _require_position(state, snapshot)
    if journal.last_sequence < begin:
        raise JournalCorrupt(fault="shorter than the snapshot", sequence=begin)
    # What a restored state reports as changed is no block's doing.
    state.drain_changes()
    for block in journal.read(Sequence(begin + 1)):
        durable = replay(state, apply, block, parent)
        parent = block.hash
        if observe is not None:
            observe(durable)
    return state, Recovery(parent=parent, snapshot=begin, replayed=state.sequence - begin)


def replay(state: State, apply: Apply[State], block: Block, parent: bytes) -> DurableBlock:
    """Apply ``block``, which must go on from ``state`` and ``parent``, and return what it did.

    Raises ``JournalCorrupt`` or ``StateDiverged``.
    """
    links = _checked_links(block, parent, Sequence(state.sequence + 1))
    events: list[tuple[Event, ...]] = []
    for command in block.commands:
        happened = apply(state, command)
        if len(happened) == 1 and isinstance(rejected := happened[0], Rejected):
            raise StateDiverged(
                where="replay",
                block=block.number,
                sequence=state.sequence + 1,
                rejected=rejected.code,
            )
        events.append(happened)
    leaves = state.drain_changes()
    if changes_digest(leaves) != block.changes:
        raise StateDiverged(where="changes", block=block.number, sequence=block.last_sequence)
    return DurableBlock(block=block, events=tuple(events), links=links, leaves=leaves)


def _require_position(state: State, snapshot: Snapshot) -> None:
    if (state.sequence, state.block) != (snapshot.sequence, snapshot.block):
        raise StateDiverged(where="snapshot", block=snapshot.block, sequence=snapshot.sequence)


def _opens(block: Block) -> bool:
    """Return whether the block begins with its own ``OpenBlock``."""
    opening = block.commands[0] if block.commands else None
    return isinstance(opening, OpenBlock) and (opening.number, opening.time) == (
        block.number,
        block.time,
    )


def _checked_links(block: Block, parent: bytes, expected: Sequence) -> tuple[bytes, ...]:
    """Return the block's links. Raises ``JournalCorrupt`` when it is not the sealed, next block."""
    links = chain_ids(block.parent, block.ids)
    count = len(block.commands)
    sealed = block_hash(block.number, block.time, block.first_sequence, count, links[-1])
    faults = {
        "sequence": block.first_sequence != expected,
        "parent": block.parent != parent,
        "ids": len(block.ids) != count,
        "hash": sealed != block.hash,
        "opening": not _opens(block),
    }
    for fault, found in faults.items():
        if found:
            raise JournalCorrupt(fault=fault, block=block.number, sequence=block.first_sequence)
    return tuple(links)
