"""The journal: segments in a folder, appended to by one thread, one write and one sync a block.

A block is one record (``node.adapters.journal_format`` has the bytes) and one ``write`` to a file
opened with ``O_DSYNC``, which returns once data and size are on the disk: write and ``fdatasync``
in one system call, and so with one wait for the interpreter's lock. It runs in a thread of its own:
the event loop never waits for the disk, and what arrives meanwhile is the next block. That is the
group commit; the size of the group follows the load.

A segment that has reached its size is followed by another, created whole with its header before
anything is appended to it. The header names the block that it goes on from, so a missing segment is
noticed wherever it was, but for the newest: only a snapshot or the chain can tell of that one.

After any error of the disk the journal takes nothing more. A failed sync may have dropped the very
pages that it was asked to write, so trying again would prove nothing. Nor does it where its path no
longer leads to the file that it writes: what a folder that was moved away, or deleted, still takes,
no later start finds.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import structlog

from node.adapters.durable_file import (
    disk_failed,
    remove_unfinished,
    sync_folder,
    unusable,
    write_durably,
)
from node.adapters.identity import Identity
from node.adapters.journal_format import Torn, frame
from node.adapters.journal_segment import (
    DIGITS,
    EMPTY,
    SUFFIX,
    Head,
    SegmentReader,
    first_sequence_of,
    read_blocks,
    segment_path,
    segment_start,
    segments_in,
)
from node.adapters.numbered_files import warn_of_others
from node.capacity.histogram import Histogram
from node.codec.commands import encode_block
from node.ports.clock import Clock
from node.types.blocks import Block
from node.types.errors import DataMoved, IntegrityError
from node.types.ids import Sequence

SEGMENT_BYTES = 64 * 1024 * 1024

_log = structlog.get_logger(__name__)


class SegmentFile(Protocol):
    """The end of the newest segment."""

    def write(self, data: bytes) -> None:
        """Append ``data`` and return once it is on the disk. Raises ``OSError``."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class SyncedFile:
    """A ``SegmentFile`` on a real disk."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, which must exist, at its end."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_DSYNC | os.O_CLOEXEC)

    def write(self, data: bytes) -> None:
        """Append ``data`` durably. Raises ``OSError``; part of it may then have been written."""
        written = os.write(self._descriptor, data)
        while written < len(data):
            written += os.write(self._descriptor, data[written:])

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class FileJournal:
    """A ``Journal`` in a folder that this process alone uses.

    ``fsync_ns`` counts how long the disk took for each append, ``group_records`` its commands,
    ``bytes_written`` all that was appended since the start.
    """

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        open_file: Callable[[Path], SegmentFile] = SyncedFile,
    ) -> None:
        """Open the log in ``folder``, which must exist; cut off a torn last record, with a warning.

        Raises ``WrongChain`` when the newest segment belongs to another exchange,
        ``JournalCorrupt`` when it is damaged; the older ones are checked as they are read. Raises
        ``PathUnusable`` or ``DiskFailed`` with the file that cannot be opened.
        """
        self._folder = folder
        self._identity = identity
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._open_file = open_file
        self._failed = False
        self.fsync_ns = Histogram()
        self.group_records = Histogram()
        self.bytes_written = 0
        try:
            remove_unfinished(folder)
            warn_of_others(folder, DIGITS, SUFFIX)
            self._segments = segments_in(folder)
            self._head = _end_of(self._segments[-1], identity) if self._segments else EMPTY
            if not self._segments:
                self._begin_segment()
            self._open_newest()
        except OSError as error:
            raise unusable(error, folder) from error
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    @property
    def first_sequence(self) -> Sequence:
        """Return the sequence of the oldest command kept (where none is: of the next one)."""
        return first_sequence_of(self._segments[0])

    @property
    def last_sequence(self) -> Sequence:
        """Return the sequence of the newest durable command, 0 before the first."""
        return self._head.sequence

    async def append(self, block: Block) -> None:
        """Write ``block``, which must go on from the last one, and return once it is durable.

        Raises ``DiskFailed`` when the disk fails, ``DataMoved`` when the file is not in its place,
        and ``IntegrityError`` ever after.
        """
        if self._failed:
            raise IntegrityError(what="journal", detail="it failed before")
        fault = self._head.fault_of(block)
        assert fault is None, fault
        record = frame(encode_block(block))
        loop = asyncio.get_running_loop()
        # Unless it is seen to succeed, whether by an error or by a cancellation, it has failed.
        self._failed = True
        try:
            spent_ns = await loop.run_in_executor(self._thread, self._write, record)
        except OSError as error:
            raise disk_failed(error, self._segments[-1]) from error
        self._failed = False
        self._head = self._head.after(block)
        self.fsync_ns.record(spent_ns)
        self.group_records.record(len(block.commands))
        self.bytes_written += len(record)

    def read(self, from_sequence: Sequence) -> Iterator[Block]:
        """Return what is durable by now, from the block that holds ``from_sequence`` on.

        Raises ``JournalCorrupt`` with file, offset and fault where a record does not check or does
        not go on from the one before it, and when ``from_sequence`` is older than what is kept
        or what was durable has gone.
        """
        return read_blocks(self._segments, self._identity, from_sequence, self.last_sequence)

    async def prune(self, below: Sequence) -> None:
        """Delete the segments that hold nothing but commands before ``below``, never the newest.

        In the journal's thread, one after the other: the loop would wait for tens of milliseconds,
        and a block waits for one segment at most.
        """
        loop = asyncio.get_running_loop()
        while len(self._segments) > 1 and first_sequence_of(self._segments[1]) <= below:
            await loop.run_in_executor(self._thread, _delete, self._segments.pop(0))

    async def close(self) -> None:
        """Wait for the write in hand, then close; nothing is appended after that."""
        self._failed = True
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._file.close()

    def _write(self, record: bytes) -> int:
        """Append ``record``, in the journal's thread; return the nanoseconds that the disk took."""
        begun = first_sequence_of(self._segments[-1]) <= self._head.sequence
        if begun and self._size >= self._segment_bytes:
            self._require_in_place()
            self._begin_segment()
            self._file.close()
            self._open_newest()
        start_ns = self._clock.now_ns()
        self._file.write(record)
        self._size += len(record)
        spent_ns = self._clock.now_ns() - start_ns
        self._require_in_place()
        return spent_ns

    def _open_newest(self) -> None:
        path = self._segments[-1]
        self._file = self._open_file(path)
        found = path.stat()
        self._size, self._place = found.st_size, (found.st_dev, found.st_ino)

    def _require_in_place(self) -> None:
        """Raise ``DataMoved`` where the path leads elsewhere than to the open file."""
        path = self._segments[-1]
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise DataMoved(path=str(path)) from None
        if (found.st_dev, found.st_ino) != self._place:
            raise DataMoved(path=str(path))

    def _begin_segment(self) -> None:
        path = segment_path(self._folder, Sequence(self._head.sequence + 1))
        write_durably(path, segment_start(self._identity, self._head))
        self._segments.append(path)


def _delete(path: Path) -> None:
    """Delete a segment for good: the older ones must never be there without it."""
    path.unlink()
    sync_folder(path.parent)


def _end_of(path: Path, identity: Identity) -> Head:
    """Return where the newest segment ends, after cutting a torn record off it."""
    with SegmentReader(path, identity) as reader:
        try:
            for _ in reader.blocks():
                pass
        except Torn as torn:
            _cut(path, torn.offset, reader.head)
        return reader.head


def _cut(path: Path, offset: int, head: Head) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(offset)
        os.fsync(file.fileno())
    _log.warning(
        "journal_torn_tail_cut",
        file=str(path),
        offset=offset,
        bytes=size - offset,
        last_sequence=head.sequence,
    )
