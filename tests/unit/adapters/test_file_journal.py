"""The journal on a disk that works: what is appended is read, by whoever opens it next."""

import asyncio
import errno
import fcntl
import os
import shutil
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.adapters import file_journal
from node.adapters.file_journal import FileJournal, SyncedFile
from node.adapters.journal_format import MAGIC, frame
from node.adapters.journal_segment import segment_path
from node.codec.commands import encode_block
from node.types.errors import DataMoved, IntegrityError, JournalCorrupt, PathUnusable, WrongChain
from node.types.ids import Sequence
from tests.unit.adapters.blocks_for_disk import IDENTITY, OTHER, chained_blocks, next_block
from tests.unit.adapters.noted_disk import NotedDisk
from tests.unit.sequencer.surroundings import HandClock

ONE_BLOCK = 600
"""So few bytes that a segment holds one or two blocks."""


def _open(folder: Path, segment_bytes: int = 1 << 20) -> FileJournal:
    return FileJournal(folder, IDENTITY, HandClock(), segment_bytes=segment_bytes)


def _files_in(folder: Path) -> int:
    return len(list(folder.iterdir()))


def _sizes_in(folder: Path) -> list[int]:
    return [path.stat().st_size for path in sorted(folder.iterdir())]


async def _filled(folder: Path, blocks: int, segment_bytes: int = 1 << 20) -> FileJournal:
    journal = _open(folder, segment_bytes)
    for block in chained_blocks(blocks):
        await journal.append(block)
    return journal


async def test_a_new_journal_is_empty(tmp_path: Path) -> None:
    journal = _open(tmp_path)
    assert (journal.first_sequence, journal.last_sequence) == (1, 0)
    assert list(journal.read(Sequence(1))) == []
    await journal.close()


@pytest.mark.parametrize("segment_bytes", [1, ONE_BLOCK, 1 << 20])
async def test_what_is_appended_is_read_by_the_next_who_opens(
    tmp_path: Path, segment_bytes: int
) -> None:
    journal = await _filled(tmp_path, 7, segment_bytes)
    assert list(journal.read(Sequence(1))) == chained_blocks(7)
    await journal.close()
    reopened = _open(tmp_path, segment_bytes)
    assert reopened.last_sequence == 21
    assert list(reopened.read(Sequence(1))) == chained_blocks(7)
    await reopened.append(next_block(chained_blocks(7)[-1], 8))
    assert list(reopened.read(Sequence(1))) == chained_blocks(8)
    await reopened.close()


@pytest.mark.parametrize("segment_bytes", [ONE_BLOCK, 1 << 20])
@pytest.mark.parametrize("sequence", range(1, 23))
async def test_reading_begins_with_the_block_that_holds_the_sequence(
    tmp_path: Path, segment_bytes: int, sequence: int
) -> None:
    journal = await _filled(tmp_path, 7, segment_bytes)
    expected = chained_blocks(7)[(sequence - 1) // 3 :]
    assert list(journal.read(Sequence(sequence))) == expected
    await journal.close()


async def test_it_counts_the_disk_and_the_group(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 5)
    assert journal.fsync_ns.count == 5
    assert journal.group_records.total == 15
    await journal.close()


async def test_pruning_gives_back_whole_segments_but_never_the_newest(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 7, ONE_BLOCK)
    segments = _files_in(tmp_path)
    assert segments > 3
    await journal.prune(Sequence(10))
    assert 4 <= journal.first_sequence <= 10
    kept = list(journal.read(journal.first_sequence))
    assert kept == [b for b in chained_blocks(7) if b.last_sequence >= journal.first_sequence]
    with pytest.raises(JournalCorrupt) as failure:
        list(journal.read(Sequence(1)))
    assert failure.value.fault == "missing"
    await journal.prune(Sequence(1_000))
    assert _files_in(tmp_path) == 1
    await journal.append(next_block(chained_blocks(7)[-1], 8))
    await journal.close()
    reopened = _open(tmp_path)
    assert reopened.last_sequence == 24
    await reopened.close()


async def test_the_loop_never_waits_for_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await _filled(tmp_path, 7, ONE_BLOCK)
    removed_by: list[str] = []

    def remove(path: Path) -> None:
        removed_by.append(threading.current_thread().name)
        path.unlink()

    monkeypatch.setattr(file_journal, "_delete", remove)
    before = _files_in(tmp_path)
    await journal.prune(Sequence(1))
    assert removed_by == []
    await journal.prune(Sequence(1_000))
    assert len(removed_by) == before - 1
    assert all(name.startswith("journal") for name in removed_by)
    await journal.close()


async def test_a_block_that_does_not_go_on_is_our_own_mistake(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 2)
    for stray in (chained_blocks(2)[1], chained_blocks(4)[3], next_block(chained_blocks(2)[1], 9)):
        with pytest.raises(AssertionError):
            await journal.append(stray)
    await journal.append(chained_blocks(3)[2])
    await journal.close()


async def test_a_journal_of_another_exchange_is_refused(tmp_path: Path) -> None:
    await (await _filled(tmp_path, 2)).close()
    with pytest.raises(WrongChain) as refusal:
        FileJournal(tmp_path, OTHER, HandClock())
    assert (refusal.value.field, refusal.value.expected, refusal.value.found) == (
        "chain_id",
        1,
        31337,
    )


async def test_a_segment_that_was_being_created_is_forgotten(tmp_path: Path) -> None:
    await (await _filled(tmp_path, 2)).close()
    (tmp_path / f"{7:020d}.journal.tmp").write_bytes(b"half")
    journal = _open(tmp_path)
    assert journal.last_sequence == 6
    await journal.close()
    assert _files_in(tmp_path) == 1


async def test_the_loop_goes_on_while_the_disk_writes(tmp_path: Path) -> None:
    journal = _open(tmp_path)
    writing = asyncio.ensure_future(journal.append(chained_blocks(1)[0]))
    await asyncio.sleep(0)
    assert not writing.done()
    assert list(journal.read(Sequence(1))) == []
    await writing
    assert journal.last_sequence == 3
    await journal.close()


async def test_what_goes_missing_under_a_running_node_is_noticed(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 2)
    segment = tmp_path / f"{1:020d}.journal"
    second = frame(encode_block(chained_blocks(2)[1]))
    segment.write_bytes(segment.read_bytes()[: -len(second)])
    with pytest.raises(JournalCorrupt) as failure:
        list(journal.read(Sequence(1)))
    assert (failure.value.fault, failure.value.wanted) == ("short", 6)
    await journal.close()


async def test_a_disk_that_takes_a_little_at_a_time_gets_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    journal = await _filled(tmp_path, 2)
    monkeypatch.undo()
    assert list(journal.read(Sequence(1))) == chained_blocks(2)
    await journal.close()


async def test_nothing_is_appended_after_closing(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 1)
    await journal.close()
    with pytest.raises(IntegrityError):
        await journal.append(chained_blocks(2)[1])


def test_a_write_ends_only_once_the_disk_has_it_behind_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"before, ")
    file = SyncedFile(path)
    # What a disk has kept shows in a power cut alone; what the system was asked for shows here.
    assert fcntl.fcntl(file._descriptor, fcntl.F_GETFL) & os.O_DSYNC == os.O_DSYNC
    assert not os.get_inheritable(file._descriptor), "no child may write to it"
    file.write(b"after")
    file.close()
    assert path.read_bytes() == b"before, after"


async def test_a_segment_is_on_the_disk_before_anything_is_appended_to_it(disk: NotedDisk) -> None:
    journal = _open(disk.folder)
    [(unfinished, start), names] = disk.synced
    assert (unfinished, names) == (f"{1:020d}.journal.tmp", [f"{1:020d}.journal"])
    assert isinstance(start, bytes)
    assert start.startswith(MAGIC)
    await journal.close()


async def test_what_a_start_cuts_off_does_not_come_back_with_the_next_crash(
    disk: NotedDisk,
) -> None:
    await (await _filled(disk.folder, 2)).close()
    segment = disk.folder / f"{1:020d}.journal"
    whole = segment.read_bytes()
    segment.write_bytes(whole + b"torn")
    disk.forget()
    await _open(disk.folder).close()
    assert disk.synced == [(segment.name, whole)]


async def test_a_segment_is_gone_for_good_before_the_next_one_goes(disk: NotedDisk) -> None:
    journal = await _filled(disk.folder, 4, 1)
    names = disk.names()
    disk.forget()
    await journal.prune(Sequence(9))
    assert disk.synced == [names[1:], names[2:]], "the third still holds the ninth command"
    await journal.prune(Sequence(10))
    assert disk.synced[2:] == [names[3:]]
    await journal.close()


async def test_a_segment_is_full_and_closed_before_the_next_one_begins(tmp_path: Path) -> None:
    still_open: list[Path] = []

    class NotedFile(SyncedFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            still_open.append(path)

        def close(self) -> None:
            super().close()
            del still_open[0]

    full = 3 * ONE_BLOCK
    journal = FileJournal(tmp_path, IDENTITY, HandClock(), segment_bytes=full, open_file=NotedFile)
    for block in chained_blocks(20):
        await journal.append(block)
    assert len(still_open) == 1
    await journal.close()
    assert still_open == []
    sizes = _sizes_in(tmp_path)
    assert len(sizes) > 3
    assert full <= min(sizes[:-1]) < full + ONE_BLOCK


async def test_closing_waits_for_the_write_in_hand(tmp_path: Path) -> None:
    begun, release, happened = threading.Event(), threading.Event(), list[str]()

    class SlowFile(SyncedFile):
        def write(self, data: bytes) -> None:
            begun.set()
            release.wait(5)
            super().write(data)
            happened.append("written")

        def close(self) -> None:
            super().close()
            happened.append("closed")

    journal = FileJournal(tmp_path, IDENTITY, HandClock(), open_file=SlowFile)
    writing = asyncio.ensure_future(journal.append(chained_blocks(1)[0]))
    await asyncio.to_thread(begun.wait)
    closing = asyncio.ensure_future(journal.close())
    for _ in range(10):
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(writing, closing)
    assert happened == ["written", "closed"]


async def test_what_is_no_segment_is_left_alone(tmp_path: Path) -> None:
    await (await _filled(tmp_path, 2)).close()
    segment = segment_path(tmp_path, Sequence(1))
    others = [
        tmp_path / name
        for name in (
            f"copy of {segment.name}",
            f"._{segment.name}",
            "1.journal",
            f"{'٣' * 20}.journal",
            f"old-{segment.name}",
        )
    ]
    for other in others:
        other.write_bytes(b"not a segment")
    with capture_logs() as logged:
        journal = _open(tmp_path)
    assert journal.last_sequence == 6
    assert {entry["file"] for entry in logged} == set(map(str, others))
    await journal.close()
    assert all(other.read_bytes() == b"not a segment" for other in others)


def test_a_segment_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = segment_path(tmp_path, Sequence(1))
    path.mkdir()
    with pytest.raises(PathUnusable) as refusal:
        _open(tmp_path)
    assert refusal.value.values == {"path": str(path), "detail": os.strerror(errno.EISDIR)}


def _swap(folder: Path) -> Path:
    """Put a copy in the place of ``folder``, as who moves it to a larger disk; return the old."""
    old = folder.with_name("old")
    shutil.copytree(folder, folder.with_name("copy"))
    folder.rename(old)
    folder.symlink_to(folder.with_name("copy"))
    return old


@pytest.mark.parametrize("segment_bytes", [ONE_BLOCK, 1 << 20])
async def test_nothing_is_promised_once_another_folder_is_in_its_place(
    tmp_path: Path, segment_bytes: int
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    journal = await _filled(folder, 2, segment_bytes)
    _swap(folder)
    files = _files_in(folder)
    with pytest.raises(DataMoved) as failure:
        await journal.append(chained_blocks(3)[2])
    assert failure.value.path == str(max(folder.glob("*.journal")))
    with pytest.raises(IntegrityError):
        await journal.append(chained_blocks(3)[2])
    await journal.close()
    assert _files_in(folder) == files
    reopened = _open(folder)
    assert reopened.last_sequence == 6
    await reopened.close()


async def test_nothing_is_promised_once_the_file_is_deleted(tmp_path: Path) -> None:
    journal = await _filled(tmp_path, 2)
    shutil.rmtree(tmp_path)
    with pytest.raises(DataMoved):
        await journal.append(chained_blocks(3)[2])
    await journal.close()
