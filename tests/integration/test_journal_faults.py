"""The journal on a disk that fails: torn writes, flipped bits, lost files, no room, sudden death.

Two promises: what was acknowledged is there, and damage is never taken for a crash.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.adapters.file_journal import FileJournal, SyncedFile
from node.adapters.journal_format import frame
from node.codec.commands import encode_block
from node.types.errors import DiskFailed, IntegrityError, JournalCorrupt
from node.types.ids import Sequence
from tests.unit.adapters.blocks_for_disk import IDENTITY, chained_blocks, next_block
from tests.unit.sequencer.surroundings import HandClock

BLOCKS = 4
SECTOR = 512


@asynccontextmanager
async def _opened(folder: Path, segment_bytes: int = 1 << 20) -> AsyncIterator[FileJournal]:
    journal = FileJournal(folder, IDENTITY, HandClock(), segment_bytes=segment_bytes)
    try:
        yield journal
    finally:
        await journal.close()


async def _write(folder: Path, blocks: int, segment_bytes: int = 1 << 20) -> None:
    async with _opened(folder, segment_bytes) as journal:
        for block in chained_blocks(blocks):
            await journal.append(block)


def _segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def _last_record() -> int:
    """Return the size of the last of the ``BLOCKS`` records."""
    return len(frame(encode_block(chained_blocks(BLOCKS)[-1])))


async def _read_all(folder: Path) -> list[int]:
    """Return the numbers of the blocks that a fresh start finds."""
    async with _opened(folder) as journal:
        return [block.number for block in journal.read(Sequence(1))]


async def test_a_write_torn_at_any_byte_is_cut_off_and_the_log_goes_on(tmp_path: Path) -> None:
    await _write(tmp_path, BLOCKS)
    segment = _segments(tmp_path)[0]
    whole = segment.read_bytes()
    begin = len(whole) - _last_record()
    for end in range(begin, len(whole)):
        segment.write_bytes(whole[:end])
        with capture_logs() as logs:
            async with _opened(tmp_path) as journal:
                assert journal.last_sequence == 3 * (BLOCKS - 1), end
        assert segment.stat().st_size == begin
        warned = [entry["bytes"] for entry in logs if entry["event"] == "journal_torn_tail_cut"]
        assert warned == ([] if end == begin else [end - begin])
    async with _opened(tmp_path) as journal:
        await journal.append(chained_blocks(BLOCKS)[-1])
    assert segment.read_bytes() == whole


async def test_sectors_that_were_never_written_are_a_torn_write_too(tmp_path: Path) -> None:
    await _write(tmp_path, BLOCKS - 1)
    segment = _segments(tmp_path)[0]
    before = segment.read_bytes()
    last = frame(encode_block(next_block(chained_blocks(BLOCKS - 1)[-1], BLOCKS, commands=40)))
    begin, end = len(before), len(before) + len(last)
    edges = [begin, *range((begin // SECTOR + 1) * SECTOR, end, SECTOR), end]
    assert len(edges) > 4
    for start, stop in pairwise(edges):
        holed = before + last[: start - begin] + bytes(stop - start) + last[stop - begin :]
        segment.write_bytes(holed)
        assert await _read_all(tmp_path) == [1, 2, 3], (start, stop)
    segment.write_bytes(before + bytes(5_000))
    assert await _read_all(tmp_path) == [1, 2, 3]


async def test_a_flipped_bit_anywhere_stops_the_node_and_is_named(tmp_path: Path) -> None:
    await _write(tmp_path, BLOCKS)
    segment = _segments(tmp_path)[0]
    whole = segment.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        segment.write_bytes(flipped)
        with pytest.raises(JournalCorrupt) as failure:
            await _read_all(tmp_path)
        assert failure.value.file == str(segment)
        assert failure.value.offset <= place
        assert segment.read_bytes() == bytes(flipped), "damage is left for someone to look at"


async def test_a_cut_in_the_middle_is_no_torn_tail(tmp_path: Path) -> None:
    await _write(tmp_path, BLOCKS)
    segment = _segments(tmp_path)[0]
    whole = segment.read_bytes()
    record = _last_record()
    without_second = whole[: -3 * record] + whole[-2 * record :]
    segment.write_bytes(without_second)
    with pytest.raises(JournalCorrupt) as failure:
        await _read_all(tmp_path)
    assert failure.value.fault == "sequence"


@pytest.mark.parametrize("lost", range(4))
async def test_a_lost_segment_is_noticed(tmp_path: Path, lost: int) -> None:
    await _write(tmp_path, 5, segment_bytes=1)
    segments = _segments(tmp_path)
    assert len(segments) == 5
    segments[lost].unlink()
    with pytest.raises(JournalCorrupt) as failure:
        await _read_all(tmp_path)
    assert failure.value.fault == "missing"


async def test_a_torn_record_in_an_older_segment_is_damage(tmp_path: Path) -> None:
    await _write(tmp_path, 3, segment_bytes=1)
    older = _segments(tmp_path)[1]
    older.write_bytes(older.read_bytes()[:-1])
    with pytest.raises(JournalCorrupt) as failure:
        await _read_all(tmp_path)
    assert failure.value.file == str(older)


async def test_a_segment_under_another_name_is_damage(tmp_path: Path) -> None:
    await _write(tmp_path, 2)
    _segments(tmp_path)[0].rename(tmp_path / f"{2:020d}.journal")
    with pytest.raises(JournalCorrupt) as failure:
        await _read_all(tmp_path)
    assert failure.value.fault == "name"


@pytest.mark.parametrize("room", [0, 1, 11, 12, 100, 100_000])
async def test_a_full_disk_stops_the_journal_and_loses_nothing_promised(
    tmp_path: Path, room: int
) -> None:
    class FullDisk(SyncedFile):
        """Takes ``room`` more bytes after two blocks; then even a retry would fail silently."""

        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.writes = 0

        def write(self, data: bytes) -> None:
            self.writes += 1
            if self.writes == 3:
                super().write(data[:room])
                raise OSError(28, "No space left on device")
            super().write(data)

    blocks = chained_blocks(4)
    journal = FileJournal(tmp_path, IDENTITY, HandClock(), open_file=FullDisk)
    await journal.append(blocks[0])
    await journal.append(blocks[1])
    with pytest.raises(DiskFailed) as failure:
        await journal.append(blocks[2])
    assert failure.value.values == {
        "path": str(_segments(tmp_path)[-1]),
        "errno": 28,
        "detail": "No space left on device",
    }
    assert journal.last_sequence == 6
    with pytest.raises(IntegrityError):
        await journal.append(blocks[2])
    assert [block.number for block in journal.read(Sequence(1))] == [1, 2]
    await journal.close()
    # A block nobody was promised may be there after all; what was promised must be.
    assert (await _read_all(tmp_path))[:2] == [1, 2]


CHILD = """
import asyncio, sys, time
from pathlib import Path
from node.adapters.file_journal import FileJournal
from tests.unit.adapters.blocks_for_disk import IDENTITY, next_block
from tests.unit.sequencer.surroundings import HandClock

async def main():
    journal = FileJournal(Path(sys.argv[1]), IDENTITY, HandClock(), segment_bytes=20_000)
    blocks = list(journal.read(journal.first_sequence))
    block = blocks[-1] if blocks else None
    while True:
        block = next_block(block, 1 if block is None else block.number + 1, commands=20)
        await journal.append(block)
        print(block.last_sequence, flush=True)

asyncio.run(main())
"""


def test_kill_9_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    seed = 20_260_101
    print("seed", seed)
    moments = random.Random(seed)
    acknowledged = 0
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        assert child.stdout.readline(), "the child did not come up"
        time.sleep(moments.uniform(0.01, 0.2))
        os.kill(child.pid, signal.SIGKILL)
        told = child.stdout.read().split(b"\n")[:-1]
        child.stdout.close()
        child.wait()
        acknowledged = max([acknowledged, *map(int, told)])
        read = asyncio.run(_read_all(tmp_path))
        assert read == list(range(1, len(read) + 1))
        assert 20 * len(read) >= acknowledged > 0
