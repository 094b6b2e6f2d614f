"""Snapshots on a disk: the newest that checks, the last two kept."""

from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from node.adapters.snapshots import SnapshotFolder, stored_snapshots
from node.ports.snapshots import Snapshot
from node.types.errors import PathUnusable, WrongChain
from node.types.ids import Sequence
from tests.unit.adapters.blocks_for_disk import IDENTITY, OTHER
from tests.unit.adapters.noted_disk import NotedDisk


def _snapshot(sequence: int) -> Snapshot:
    return Snapshot(
        domain=IDENTITY.domain,
        rules=IDENTITY.rules,
        sequence=Sequence(sequence),
        block=sequence // 3,
        hash=bytes([sequence]) * 32,
        leaves=((bytes(32), b"position"), (b"\x01" * 32, b"sum")),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    store = SnapshotFolder(tmp_path, IDENTITY)
    assert store.latest() is None
    assert store.oldest_sequence() == 0


def test_the_newest_is_found_and_two_are_kept(tmp_path: Path) -> None:
    store = SnapshotFolder(tmp_path, IDENTITY)
    for sequence in (3, 90, 9, 120):
        store.save(_snapshot(sequence))
        # With one alone, nothing may go: it may prove unreadable.
        assert store.oldest_sequence() == {3: 0, 90: 3, 9: 9, 120: 90}[sequence]
    assert SnapshotFolder(tmp_path, IDENTITY).latest() == _snapshot(120)
    assert len(_files(tmp_path)) == 2


def _with_a_damaged_newest(folder: Path) -> SnapshotFolder:
    """Return a folder of two that has found the newer one to be cut."""
    written = SnapshotFolder(folder, IDENTITY)
    written.save(_snapshot(3))
    written.save(_snapshot(6))
    newest = _files(folder)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    store = SnapshotFolder(folder, IDENTITY)
    assert store.latest() == _snapshot(3)
    return store


def test_a_damaged_one_counts_for_nothing_and_goes_with_the_next(tmp_path: Path) -> None:
    store = _with_a_damaged_newest(tmp_path)
    newest = _files(tmp_path)[-1]
    assert (store.oldest_sequence(), newest.exists()) == (0, True)
    store.save(_snapshot(9))
    assert (store.oldest_sequence(), newest.exists()) == (3, False)
    store.save(_snapshot(12))
    assert store.oldest_sequence() == 9


def test_a_damaged_one_that_is_written_again_is_sound(tmp_path: Path) -> None:
    store = _with_a_damaged_newest(tmp_path)
    store.save(_snapshot(6))
    assert store.oldest_sequence() == 3
    assert store.latest() == _snapshot(6)


def test_any_flipped_bit_or_cut_byte_makes_the_older_one_the_newest(tmp_path: Path) -> None:
    store = SnapshotFolder(tmp_path, IDENTITY)
    store.save(_snapshot(3))
    store.save(_snapshot(6))
    newest = _files(tmp_path)[-1]
    whole = newest.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        for damaged in (bytes(flipped), whole[:place]):
            newest.write_bytes(damaged)
            with capture_logs() as logs:
                assert store.latest() == _snapshot(3)
            assert [entry["event"] for entry in logs] == ["snapshot_skipped"]


def test_a_payload_of_another_form_is_skipped(tmp_path: Path) -> None:
    store = SnapshotFolder(tmp_path, IDENTITY)
    store.save(_snapshot(3))
    other = msgspec.msgpack.encode([1, 2, 3])
    data = b"PLIMSNP1" + blake2b(other, digest_size=32).digest() + other
    (tmp_path / f"{9:020d}.snapshot").write_bytes(data)
    assert store.latest() == _snapshot(3)


def test_who_only_reads_passes_over_what_its_writer_drops_meanwhile(tmp_path: Path) -> None:
    for sequence in (3, 6):
        SnapshotFolder(tmp_path, IDENTITY).save(_snapshot(sequence))
    reading = stored_snapshots(tmp_path, IDENTITY)
    assert next(reading) == _snapshot(6)
    _files(tmp_path)[0].unlink()
    assert list(reading) == []


def test_half_a_file_is_forgotten(tmp_path: Path) -> None:
    SnapshotFolder(tmp_path, IDENTITY).save(_snapshot(3))
    (tmp_path / f"{6:020d}.snapshot.tmp").write_bytes(b"half")
    assert SnapshotFolder(tmp_path, IDENTITY).latest() == _snapshot(3)
    assert len(_files(tmp_path)) == 1


def test_a_snapshot_of_another_exchange_is_refused(tmp_path: Path) -> None:
    SnapshotFolder(tmp_path, IDENTITY).save(_snapshot(3))
    with pytest.raises(WrongChain) as refusal:
        SnapshotFolder(tmp_path, OTHER).latest()
    assert refusal.value.field == "chain_id"


def test_an_older_one_goes_only_once_the_newer_is_on_the_disk(disk: NotedDisk) -> None:
    store = SnapshotFolder(disk.folder, IDENTITY)
    for sequence in (3, 6):
        store.save(_snapshot(sequence))
    before = disk.names()
    disk.forget()
    store.save(_snapshot(9))
    after = disk.names()
    (unfinished, _), *names = disk.synced
    assert unfinished == f"{after[1]}.tmp"
    assert names == [[*before, after[1]], after]
    assert after[0] == before[1]


def test_what_is_no_snapshot_is_left_alone_and_one_that_cannot_be_opened_is_named(
    tmp_path: Path,
) -> None:
    other = tmp_path / f"old-{9:020d}.snapshot"
    other.write_bytes(b"a copy")
    with capture_logs() as logged:
        store = SnapshotFolder(tmp_path, IDENTITY)
    assert [entry["file"] for entry in logged] == [str(other)]
    for sequence in (3, 6, 9):
        store.save(_snapshot(sequence))
    assert store.latest() == _snapshot(9)
    assert store.oldest_sequence() == 6
    assert other.exists()
    unreadable = tmp_path / f"{12:020d}.snapshot"
    unreadable.mkdir()
    with pytest.raises(PathUnusable) as refusal:
        store.latest()
    assert refusal.value.path == str(unreadable)
