"""The replica with its files: restart, idempotent sealing, snapshots at final batches, pruning."""

from pathlib import Path

import msgspec
import pytest

from node.adapters import batch_store
from node.adapters.identity import Identity
from node.adapters.replica_session import ReplicaSession, ReplicaSetup
from node.adapters.snapshots import SnapshotFolder
from node.codec.commands import encode_block
from node.transition.leaves import GLOBAL_KEY, withdrawal_key, withdrawal_value
from node.transition.replay import Replica
from node.transition.tree.proofs import verify_first, verify_membership
from node.types.blocks import Batch, Block
from node.types.errors import JournalCorrupt, NotFound, StateDiverged, WrongChain
from node.types.units import Money
from tests.examples import DAVE, DOLLAR, DOMAIN, RULES
from tests.unit.transition.example_log import example_log

LOG = example_log()


@pytest.fixture
def setup(tmp_path: Path) -> ReplicaSetup:
    (tmp_path / "batches").mkdir()
    (tmp_path / "snapshots").mkdir()
    return ReplicaSetup(
        rules=RULES,
        domain=DOMAIN,
        batches=tmp_path / "batches",
        snapshots=tmp_path / "snapshots",
        snapshot_every=2,
    )


def seal(session: ReplicaSession, blocks: list[Block]) -> Batch:
    encoded = tuple(encode_block(block) for block in blocks)
    return session.seal(encoded, blocks[0].first_sequence, "age")


def seal_all(session: ReplicaSession, size: int = 8) -> list[Batch]:
    return [
        seal(session, LOG.blocks[start : start + size]) for start in range(0, len(LOG.blocks), size)
    ]


def kept(setup: ReplicaSetup) -> list[int]:
    return sorted(int(path.stem) for path in setup.batches.iterdir())


def snapshots(setup: ReplicaSetup) -> list[int]:
    return sorted(int(path.stem) for path in setup.snapshots.iterdir())


def test_a_restart_goes_on_where_it_was(setup: ReplicaSetup) -> None:
    first = ReplicaSession(setup)
    start = first.position()
    assert (start.next_index, start.next_sequence) == (0, 1)
    batches = seal_all(first)
    second = ReplicaSession(setup)
    assert second.position() == first.position()
    assert second.position().root == batches[-1].header.new_root
    assert second.position().next_sequence == len(LOG.commands) + 1


def test_a_batch_that_is_missing_behind_the_snapshot_is_named(setup: ReplicaSetup) -> None:
    session = ReplicaSession(setup)
    seal_all(session)
    session.finalize(1)
    session.finalize(3)
    (setup.batches / "000000000004.batch").unlink()
    with pytest.raises(JournalCorrupt) as caught:
        ReplicaSession(setup)
    assert caught.value.file == str(setup.batches / "000000000004.batch")
    assert caught.value.fault == "missing"


def test_the_newest_batch_is_sealed_once_however_often_it_is_asked_for(setup: ReplicaSetup) -> None:
    first = ReplicaSession(setup)
    batch = seal(first, LOG.blocks[:8])
    assert seal(first, LOG.blocks[:8]) == batch
    session = ReplicaSession(setup)
    assert seal(session, LOG.blocks[:8]) == batch
    # It may have been asked for more than went into it.
    assert seal(session, LOG.blocks[:9]) == batch
    assert session.position().next_index == 1
    with pytest.raises(StateDiverged):
        seal(session, LOG.blocks[:7])


def test_a_batch_that_could_not_be_written_is_never_handed_out(
    setup: ReplicaSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    session = ReplicaSession(setup)
    with monkeypatch.context() as patched:
        patched.setattr(batch_store, "write_durably", full)
        with pytest.raises(OSError, match="No space"):
            seal(session, LOG.blocks[:8])
    with pytest.raises(StateDiverged):
        seal(session, LOG.blocks[:8])
    assert kept(setup) == []


def test_a_batch_holds_no_more_blocks_than_it_may_have_bytes(setup: ReplicaSetup) -> None:
    limit = 2_000
    session = ReplicaSession(msgspec.structs.replace(setup, bytes_max=limit))
    blocks, batches = LOG.blocks, []
    while blocks:
        batches.append(seal(session, blocks))
        blocks = [b for b in blocks if b.first_sequence > batches[-1].header.last_sequence]
    assert len(batches) > 2
    assert max(len(batch.data) for batch in batches) <= limit
    assert session.position().next_sequence == len(LOG.commands) + 1
    whole = Replica.genesis(RULES, DOMAIN).execute(LOG.commands)
    assert session.position().root == whole[-1].root


def test_final_batches_leave_snapshots_and_go(setup: ReplicaSetup) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    assert session.finalize(0) == 0
    assert kept(setup) == list(range(8))
    # One snapshot, at batch 2: if it cannot be read, only what led there can be.
    assert session.finalize(2) == 0
    assert kept(setup) == list(range(8))
    # The second one at batch 5: the older one stays, in case that the newer cannot be read.
    assert session.finalize(5) == batches[2].header.last_sequence
    assert kept(setup) == list(range(2, 8))
    assert session.finalize(7) == batches[5].header.last_sequence
    assert kept(setup) == [5, 6, 7]
    assert ReplicaSession(setup).position() == session.position()


def test_a_snapshot_is_written_each_time_so_many_more_batches_are_final(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(msgspec.structs.replace(setup, snapshot_every=3))
    batches = seal_all(session)
    written = []
    for index in range(8):
        session.finalize(index)
        written.append(snapshots(setup)[-1:])
    second, fifth = ([batches[index].header.last_sequence] for index in (2, 5))
    assert written == [[], [], *[second] * 3, *[fifth] * 3]
    assert 4 not in session._replica.shelf


def test_a_final_batch_whose_tree_is_gone_leaves_no_snapshot(setup: ReplicaSetup) -> None:
    session = ReplicaSession(msgspec.structs.replace(setup, trees_kept=3))
    seal_all(session)
    session.finalize(2)
    assert snapshots(setup) == []


def test_a_snapshot_of_another_state_than_its_batch_ends_with_is_refused(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    session.finalize(7)
    store = SnapshotFolder(setup.snapshots, Identity.of(DOMAIN, RULES))
    right = store.latest()
    assert right is not None
    store.save(msgspec.structs.replace(right, leaves=right.leaves[:-1]))
    with pytest.raises(StateDiverged) as caught:
        ReplicaSession(setup)
    assert (caught.value.where, caught.value.expected) == ("snapshot", batches[7].header.new_root)


def test_a_snapshot_without_its_batch_is_refused(setup: ReplicaSetup) -> None:
    session = ReplicaSession(setup)
    seal_all(session)
    session.finalize(7)
    max(setup.batches.iterdir()).unlink()
    with pytest.raises(StateDiverged) as caught:
        ReplicaSession(setup)
    assert caught.value.where == "snapshot"


def test_what_a_crash_left_half_written_is_gone(setup: ReplicaSetup) -> None:
    (setup.batches / f"{0:012d}.batch.tmp").write_bytes(b"half")
    ReplicaSession(setup)
    assert list(setup.batches.iterdir()) == []


def break_newest_snapshot(setup: ReplicaSetup) -> None:
    newest = max(setup.snapshots.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])


@pytest.mark.parametrize("snapshots_at", [(2,), (2, 5), (2, 5, 7)])
def test_a_broken_snapshot_is_passed_over(
    setup: ReplicaSetup, snapshots_at: tuple[int, ...]
) -> None:
    session = ReplicaSession(setup)
    seal_all(session)
    for index in snapshots_at:
        session.finalize(index)
    break_newest_snapshot(setup)
    assert ReplicaSession(setup).position() == session.position()


def test_a_start_from_the_older_snapshot_gives_nothing_back_that_the_next_one_needs(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    session.finalize(2)
    session.finalize(5)
    break_newest_snapshot(setup)
    again = ReplicaSession(setup)
    assert again.finalize(7) == batches[2].header.last_sequence
    break_newest_snapshot(setup)
    assert ReplicaSession(setup).position() == session.position()


def test_final_batches_are_kept_on_request(setup: ReplicaSetup) -> None:
    session = ReplicaSession(msgspec.structs.replace(setup, final_batches_kept=3, snapshot_every=1))
    seal_all(session)
    for index in range(8):
        session.finalize(index)
    assert kept(setup) == [4, 5, 6, 7]


def test_a_withdrawal_stays_provable_after_a_restart(setup: ReplicaSetup) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    session.finalize(7)
    again = ReplicaSession(setup)
    batch, proof = again.prove(7, withdrawal_key(1))
    assert batch == 7
    value = withdrawal_value(DAVE.address, Money(75 * DOLLAR))
    verify_membership(batches[7].header.new_root, withdrawal_key(1), value, proof)
    with pytest.raises(NotFound):
        again.prove(7, withdrawal_key(2))


def require_proof(session: ReplicaSession, final: int, by: Batch) -> None:
    batch, proof = session.prove(final, GLOBAL_KEY)
    assert batch == by.header.index
    assert verify_first(by.header.new_root, GLOBAL_KEY, proof) is not None


def test_the_newest_final_batch_proves_though_nothing_may_be_forgotten_for_it(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(msgspec.structs.replace(setup, trees_kept=3))
    batches = [seal(session, LOG.blocks[:8]), seal(session, LOG.blocks[8:16])]
    session.pin(0)
    session.finalize(0)
    # The history lags: it needs the log from there on, so no later one is finalized.
    session.pin(1)
    for start in range(16, len(LOG.blocks), 8):
        seal(session, LOG.blocks[start : start + 8])
    require_proof(session, 1, by=batches[1])


def test_what_the_newest_snapshot_holds_is_proved_after_a_restart_while_finality_stalls(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    session.pin(2)
    session.finalize(2)
    session.pin(3)
    require_proof(session, 3, by=batches[3])
    again = ReplicaSession(msgspec.structs.replace(setup, trees_kept=3))
    require_proof(again, 3, by=batches[2])
    again.finalize(3)
    require_proof(again, 3, by=batches[2])
    assert again.pin(6) == 6
    again.finalize(6)
    require_proof(again, 6, by=batches[6])


def test_a_replica_that_was_started_anew_proves_by_the_batch_that_it_is_asked_for(
    setup: ReplicaSetup,
) -> None:
    session = ReplicaSession(setup)
    batches = seal_all(session)
    session.finalize(2)
    require_proof(ReplicaSession(setup), 5, by=batches[5])


def test_the_files_of_another_exchange_are_refused(setup: ReplicaSetup) -> None:
    seal_all(ReplicaSession(setup))
    other = msgspec.structs.replace(setup, domain=msgspec.structs.replace(DOMAIN, chain_id=1))
    with pytest.raises(WrongChain):
        ReplicaSession(other)
