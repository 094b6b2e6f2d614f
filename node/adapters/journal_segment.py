"""One segment of the journal, read from its header on; each block must go on from the last."""

from collections.abc import Iterator
from collections.abc import Sequence as Ordered
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import msgspec

from node.adapters.durable_file import unusable
from node.adapters.identity import Identity
from node.adapters.journal_format import (
    MAGIC,
    Damaged,
    SegmentHeader,
    Torn,
    Unreadable,
    frame,
    records,
)
from node.adapters.numbered_files import numbered_files
from node.codec.commands import decode_block
from node.types.blocks import GENESIS_PARENT, Block
from node.types.errors import JournalCorrupt, MalformedMessage
from node.types.ids import Sequence

SUFFIX = ".journal"
DIGITS = 20

_decode_header = msgspec.msgpack.Decoder(SegmentHeader).decode


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where a log ends: the next block must go on from here."""

    sequence: Sequence
    block: int
    hash: bytes

    def after(self, block: Block) -> "Head":
        """Return the head once ``block`` stands."""
        return Head(sequence=block.last_sequence, block=block.number, hash=block.hash)

    def fault_of(self, block: Block) -> str | None:
        """Return what keeps ``block`` from going on from here, None when nothing does."""
        if block.first_sequence != self.sequence + 1:
            return "sequence"
        if block.number != self.block + 1:
            return "number"
        return "parent" if block.parent != self.hash else None


EMPTY = Head(sequence=Sequence(0), block=0, hash=GENESIS_PARENT)


def segment_path(folder: Path, first_sequence: Sequence) -> Path:
    """Return where the segment from ``first_sequence`` on lies; names sort like sequences."""
    return folder / f"{first_sequence:0{DIGITS}d}{SUFFIX}"


def first_sequence_of(path: Path) -> Sequence:
    """Return the sequence that the segment at ``path`` begins with."""
    return Sequence(int(path.stem))


def segment_start(identity: Identity, head: Head) -> bytes:
    """Return the first bytes of a segment that goes on from ``head``."""
    header = SegmentHeader(
        identity=identity,
        first_sequence=Sequence(head.sequence + 1),
        previous_block=head.block,
        parent=head.hash,
    )
    return MAGIC + frame(msgspec.msgpack.encode(header))


class SegmentReader:
    """Reads the segment at ``path``: up to ``head`` so far, the record at ``offset`` the last."""

    def __init__(self, path: Path, identity: Identity) -> None:
        """Read the header.

        Raises ``JournalCorrupt`` when it does not check, ``WrongChain`` when the segment belongs to
        another exchange than ``identity``, ``PathUnusable`` or ``DiskFailed``.
        """
        self.path = path
        self.offset = 0
        try:
            self._end = path.stat().st_size
            self._file = path.open("rb")
        except OSError as error:
            raise unusable(error, path) from error
        try:
            header = self._header()
            identity.require(header.identity, str(path))
            if header.first_sequence != first_sequence_of(path):
                self.refuse("name")
        except BaseException:
            self.close()
            raise
        self.head = Head(
            sequence=Sequence(header.first_sequence - 1),
            block=header.previous_block,
            hash=header.parent,
        )

    def blocks(self) -> Iterator[Block]:
        """Return the blocks, in order, each once ``head`` has moved past it.

        Raises ``JournalCorrupt`` at a record that does not check or does not go on from the one
        before, ``Torn`` at one that was never wholly written.
        """
        records_left = records(self._file, self._end)
        while True:
            try:
                self.offset, payload = next(records_left)
                block = decode_block(payload)
            except StopIteration:
                return
            except (Damaged, MalformedMessage) as error:
                self.refuse("record", error.offset if isinstance(error, Damaged) else self.offset)
            fault = self.head.fault_of(block)
            if fault is not None:
                self.refuse(fault)
            self.head = self.head.after(block)
            yield block

    def refuse(self, fault: str, offset: int | None = None) -> NoReturn:
        """Raise ``JournalCorrupt`` that names this place."""
        place = self.offset if offset is None else offset
        raise JournalCorrupt(file=str(self.path), offset=place, fault=fault)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _header(self) -> SegmentHeader:
        if self._file.read(len(MAGIC)) != MAGIC:
            self.refuse("magic")
        try:
            self.offset, payload = next(records(self._file, self._end))
            header = _decode_header(payload)
        # A header is written at once with its file: it cannot be torn.
        except (Unreadable, StopIteration, msgspec.DecodeError):
            self.refuse("header")
        # The iterator above is done with; the next one starts behind the header.
        return header


def read_blocks(
    segments: Ordered[Path], identity: Identity, from_sequence: Sequence, last: Sequence
) -> Iterator[Block]:
    """Return the blocks from the one that holds ``from_sequence`` to the one that ends at ``last``.

    ``segments`` are all that there are, in order; up to ``last`` the log is durable, and nothing
    behind it is looked at. Raises ``JournalCorrupt`` with file, offset and fault where a record
    does not check or does not go on from the one before it, and when ``from_sequence`` is older
    than what is kept or what was durable has gone.
    """
    if from_sequence > last:
        return
    if from_sequence < first_sequence_of(segments[0]):
        path = segments[0]
        raise JournalCorrupt(file=str(path), offset=0, fault="missing", wanted=from_sequence)
    head: Head | None = None
    for path in segments[_place_of(segments, from_sequence) :]:
        with SegmentReader(path, identity) as reader:
            if head not in (None, reader.head):
                reader.refuse("missing")
            for block in _whole_blocks(reader):
                if block.last_sequence >= from_sequence:
                    yield block
                # Behind this one, an append may be half way.
                if block.last_sequence >= last:
                    return
            head = reader.head
    raise JournalCorrupt(file=str(segments[-1]), fault="short", wanted=last)


def segments_in(folder: Path) -> list[Path]:
    """Return the segments in ``folder``, in order."""
    return numbered_files(folder, DIGITS, SUFFIX)


def _place_of(segments: Ordered[Path], sequence: Sequence) -> int:
    """Return which segment holds ``sequence``."""
    starts = [first_sequence_of(path) for path in segments]
    return max(place for place, start in enumerate(starts) if start <= sequence)


def _whole_blocks(reader: SegmentReader) -> Iterator[Block]:
    """Return the blocks of a segment in which nothing may be torn."""
    try:
        yield from reader.blocks()
    except Torn as torn:
        reader.refuse("record", torn.offset)
