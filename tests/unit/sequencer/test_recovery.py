"""Recovery: one path for every start, and a named place for whatever does not fit."""

import msgspec
import pytest

from node.codec.changes import changes_digest
from node.codec.links import block_hash, chain_ids
from node.ports.snapshots import Snapshot
from node.sequencer.builder import Builder
from node.sequencer.recovery import Recovery, recover
from node.sequencer.submission import Submission
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import JournalCorrupt, StateDiverged
from node.types.units import Millis
from tests.unit.sequencer.surroundings import MemoryJournal, MemorySnapshots
from tests.unit.sequencer.toy_machine import DOMAIN, REFUSED, Ledger, apply, name_of, pay


def _log(blocks: int) -> tuple[list[Block], Ledger]:
    builder = Builder(Ledger(), apply, name_of, GENESIS_PARENT)
    log = []
    for number in range(blocks):
        commands = [pay(2 * number), pay(2 * number + 1)]
        submissions = [Submission(each, name_of(each), lambda _outcome: None) for each in commands]
        unsigned = builder.build(submissions, Millis(1_000 + number)).unsigned
        assert unsigned is not None
        log.append(unsigned.block)
    return log, builder.state


def _restore(snapshot: Snapshot | None) -> Ledger:
    return Ledger() if snapshot is None else Ledger.of(snapshot.leaves)


def _snapshot(log: list[Block], blocks: int) -> Snapshot:
    state, _ = _recovered(log[:blocks], None)
    last = log[blocks - 1]
    leaves = tuple(state.leaves())
    return Snapshot(DOMAIN, bytes(32), last.last_sequence, last.number, last.hash, leaves)


def _recovered(log: list[Block], snapshot: Snapshot | None) -> tuple[Ledger, Recovery]:
    journal = MemoryJournal()
    journal.blocks = log
    return recover(_restore, apply, journal, MemorySnapshots(snapshot))


def _resealed(block: Block, **changes: object) -> Block:
    """Return ``block`` with other contents under a hash that is right for them."""
    changed = msgspec.structs.replace(block, **changes)
    last = chain_ids(changed.parent, changed.ids)[-1]
    count = len(changed.commands)
    sealed = block_hash(changed.number, changed.time, changed.first_sequence, count, last)
    return msgspec.structs.replace(changed, hash=sealed)


def test_nothing_recovers_to_genesis() -> None:
    state, recovery = _recovered([], None)
    assert list(state.leaves()) == list(Ledger().leaves())
    assert recovery == Recovery(parent=GENESIS_PARENT, snapshot=state.sequence, replayed=0)


@pytest.mark.parametrize("blocks", [None, 1, 2, 3])
def test_every_snapshot_and_the_rest_of_the_log_give_the_same_state(blocks: int | None) -> None:
    log, wanted = _log(3)
    snapshot = None if blocks is None else _snapshot(log, blocks)
    state, recovery = _recovered(log, snapshot)
    assert list(state.leaves()) == list(wanted.leaves())
    assert recovery.parent == log[-1].hash
    assert recovery.replayed == 9 - 3 * (blocks or 0)


def test_what_restoring_changed_is_no_blocks_doing() -> None:
    def restore(snapshot: Snapshot | None) -> Ledger:
        state = _restore(snapshot)
        untouched = b"\x02" * 32
        state.sums[untouched] = 5
        state.changed.add(untouched)
        return state

    log, _ = _log(3)
    journal = MemoryJournal()
    journal.blocks = log
    _, recovery = recover(restore, apply, journal, MemorySnapshots(_snapshot(log, 1)))
    assert recovery.parent == log[-1].hash


def test_who_observes_sees_what_each_block_did() -> None:
    log, _ = _log(2)
    journal = MemoryJournal()
    journal.blocks = log
    seen: list[DurableBlock] = []
    recover(_restore, apply, journal, MemorySnapshots(), seen.append)
    assert [durable.block for durable in seen] == log
    assert [changes_digest(durable.leaves) for durable in seen] == [b.changes for b in log]
    assert [len(durable.events) for durable in seen] == [3, 3]
    assert seen[0].links[-1] == chain_ids(GENESIS_PARENT, log[0].ids)[-1]


def test_other_changes_than_the_first_time_are_named() -> None:
    log, _ = _log(3)
    log[1] = msgspec.structs.replace(log[1], changes=bytes(32))
    with pytest.raises(StateDiverged) as failure:
        _recovered(log, None)
    assert failure.value.values == {"where": "changes", "block": 2, "sequence": 6}


def test_a_command_that_no_longer_applies_is_named() -> None:
    log, _ = _log(3)
    commands = (log[1].commands[0], pay(2), pay(3, REFUSED))
    log[1] = _resealed(log[1], commands=commands)
    with pytest.raises(StateDiverged) as failure:
        _recovered(log, None)
    assert failure.value.values == {"where": "replay", "block": 2, "sequence": 6, "rejected": 1304}


@pytest.mark.parametrize(
    ("fault", "change"),
    [
        ("hash", {"hash": bytes(32)}),
        ("hash", {"ids": (bytes(32),) * 3}),
        ("parent", {"parent": bytes(32)}),
        ("sequence", {"first_sequence": 5}),
        ("ids", {"ids": (bytes(32),) * 2}),
        ("opening", {"commands": (pay(1), pay(2), pay(3))}),
        ("opening", {"commands": (OpenBlock(2, Millis(9_999)), pay(2), pay(3))}),
    ],
)
def test_a_block_that_is_not_the_sealed_next_one_is_corrupt(
    fault: str, change: dict[str, object]
) -> None:
    log, _ = _log(3)
    changed = msgspec.structs.replace(log[1], **change)
    log[1] = changed if fault == "hash" else _resealed(changed)
    with pytest.raises(JournalCorrupt) as failure:
        _recovered(log, None)
    assert failure.value.fault == fault
    assert failure.value.block == 2


def test_a_journal_behind_its_snapshot_is_corrupt() -> None:
    log, _ = _log(3)
    with pytest.raises(JournalCorrupt) as failure:
        _recovered(log[:1], _snapshot(log, 2))
    assert failure.value.sequence == 6


def test_a_snapshot_that_restores_to_elsewhere_is_named() -> None:
    log, _ = _log(3)
    snapshot = msgspec.structs.replace(_snapshot(log, 2), block=1)
    with pytest.raises(StateDiverged) as failure:
        _recovered(log, snapshot)
    assert failure.value.where == "snapshot"
