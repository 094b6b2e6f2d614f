"""Sealed batches on disk: whole or absent, in order, whose they are."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from node.adapters.batch_store import BatchFolder
from node.adapters.identity import Identity
from node.types.blocks import Batch, BatchHeader
from node.types.errors import JournalCorrupt, PathUnusable, StateDiverged, WrongChain
from node.types.hashing import keccak256
from node.types.ids import Sequence
from tests.examples import DOMAIN, RULES
from tests.unit.adapters.noted_disk import NotedDisk

IDENTITY = Identity.of(DOMAIN, RULES)


def batch(index: int) -> Batch:
    first, last = Sequence(index * 10 + 1), Sequence(index * 10 + 10)
    header = BatchHeader(index, bytes(32), keccak256(b"%d" % index), first, last, 0, ())
    return Batch(header, b"data of %d" % index, "age", index, keccak256(b"block"))


@pytest.fixture
def store(tmp_path: Path) -> BatchFolder:
    return BatchFolder(tmp_path, IDENTITY)


def test_batches_are_read_as_they_were_saved(store: BatchFolder) -> None:
    batches = [batch(index) for index in range(12)]
    for one in reversed(batches):
        store.save(one)
    assert list(store.read()) == batches
    assert list(store.read(10)) == batches[10:]


def test_nothing_is_written_over_a_batch(store: BatchFolder, tmp_path: Path) -> None:
    store.save(batch(0))
    (path,) = tmp_path.iterdir()
    before = path.read_bytes(), path.stat().st_ino
    store.save(batch(0))
    with pytest.raises(StateDiverged) as caught:
        store.save(msgspec.structs.replace(batch(0), data=b"sealed by somebody else"))
    assert (caught.value.file, caught.value.index) == (str(path), 0)
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_batch_is_named(store: BatchFolder, tmp_path: Path) -> None:
    store.save(batch(0))
    path = next(tmp_path.iterdir())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorrupt) as caught:
        list(store.read())
    assert (caught.value.file, caught.value.fault) == (str(path), "checksum")


def test_a_gap_is_named(store: BatchFolder, tmp_path: Path) -> None:
    for index in (0, 2):
        store.save(batch(index))
    with pytest.raises(JournalCorrupt) as caught:
        list(store.read())
    assert caught.value.fault == "missing"
    assert caught.value.file.endswith("000000000001.batch")


def test_a_gap_before_the_first_that_is_kept_is_named_where_one_is_asked_for(
    store: BatchFolder,
) -> None:
    for index in (3, 4):
        store.save(batch(index))
    assert list(store.read()) == list(store.read(3)) == [batch(3), batch(4)]
    assert list(store.read(5)) == []
    for asked in (0, 2):
        with pytest.raises(JournalCorrupt) as caught:
            list(store.read(asked))
        assert caught.value.fault == "missing"
        assert caught.value.file.endswith(f"{asked:012d}.batch")


def test_a_batch_under_anothers_name_is_refused(store: BatchFolder, tmp_path: Path) -> None:
    store.save(batch(3))
    next(tmp_path.iterdir()).rename(tmp_path / "000000000004.batch")
    with pytest.raises(JournalCorrupt) as caught:
        list(store.read())
    assert caught.value.fault == "name"


def test_a_batch_of_another_exchange_is_refused(store: BatchFolder, tmp_path: Path) -> None:
    store.save(batch(0))
    other = BatchFolder(tmp_path, msgspec.structs.replace(IDENTITY, chain_id=1))
    with pytest.raises(WrongChain) as caught:
        list(other.read())
    assert caught.value.field == "chain_id"


def test_what_a_crash_left_is_cleaned(store: BatchFolder, tmp_path: Path) -> None:
    store.save(batch(0))
    (tmp_path / "000000000001.batch.tmp").write_bytes(b"half")
    assert store.indices() == [0]
    store.clean()
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_batch_is_left_alone_and_one_that_cannot_be_opened_is_named(
    store: BatchFolder, tmp_path: Path
) -> None:
    store.save(batch(0))
    (tmp_path / "old-000000000000.batch").write_bytes(b"a copy")
    with capture_logs() as logged:
        store.clean()
    assert [entry["file"] for entry in logged] == [str(tmp_path / "old-000000000000.batch")]
    assert list(store.read()) == [batch(0)]
    store.prune(1, Sequence(11))
    (tmp_path / "000000000001.batch").mkdir()
    with pytest.raises(PathUnusable) as refusal:
        list(store.read())
    assert refusal.value.path == str(tmp_path / "000000000001.batch")


def test_pruning_keeps_what_a_restart_needs(store: BatchFolder) -> None:
    for index in range(6):
        store.save(batch(index))
    store.prune(5, Sequence(0))
    assert store.indices() == [0, 1, 2, 3, 4, 5]
    store.prune(5, Sequence(30))
    assert store.indices() == [2, 3, 4, 5]
    store.prune(3, Sequence(60))
    assert store.indices() == [3, 4, 5]


def test_a_batch_is_on_the_disk_when_it_is_saved_and_gone_from_it_when_it_is_pruned(
    disk: NotedDisk,
) -> None:
    store = BatchFolder(disk.folder, IDENTITY)
    for index in range(3):
        store.save(batch(index))
    names = disk.names()
    assert [one for one in disk.synced if isinstance(one, list)] == [names[:1], names[:2], names]
    assert [one[0] for one in disk.synced if isinstance(one, tuple)] == [
        name + ".tmp" for name in names
    ]
    disk.forget()
    store.prune(2, Sequence(100))
    assert disk.synced == [names[2:]]
