"""The bytes of a journal segment, and what damage to them means.

A segment is a magic number and then records. The first record is the segment's header, written at
once with the file; each further one is a block, written by one append:

    length    4 bytes, big-endian: of the payload
    checksum  4 bytes: CRC-32 of the payload
    guard     4 bytes: CRC-32 of the eight bytes before
    payload   MessagePack

The guard makes a length trustworthy, and that lets two things be told apart which a length and a
checksum alone confuse. A *torn* record is what a crash leaves of the last append: nobody was
promised it. Any other that does not check is *damaged*: it may have been promised to someone.

A record is torn if the file ends before it does, or if a part of it was never written: a file's
size may reach the disk before its data does, in units of a sector, and what was not written reads
as zeros. No written record has such a run of zeros at such a place. A record with a flipped bit is
therefore damaged wherever it stands, as the very last one too.
"""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO
from zlib import crc32

import msgspec

from node.adapters.identity import Identity
from node.types.ids import Sequence

MAGIC = b"PLIMJNL1"

_FRAME = Struct(">III")
_SECTOR = 512
_TELLING_ZEROS = 4
"""A record begins with a length above zero and ends in a digest, and no sector between the two is
empty. So many zeros at a sector's edge were therefore not written; fewer could be a length's first
bytes."""


class SegmentHeader(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Whose log this is, and the block that the segment goes on from."""

    identity: Identity
    first_sequence: Sequence
    previous_block: int
    parent: bytes


class Unreadable(Exception):
    """The record at ``offset`` does not check."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Torn(Unreadable):
    """It was never wholly written."""


class Damaged(Unreadable):
    """It was written, and is no longer what was written."""


def frame(payload: bytes) -> bytes:
    """Return the record that holds ``payload``."""
    head = len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
    return b"".join((head, crc32(head).to_bytes(4, "big"), payload))


def records(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Return offset and payload of each record from the file's position up to ``end``.

    Raises ``Torn`` or ``Damaged`` at the first record that does not check.
    """
    offset = file.tell()
    while offset < end:
        payload = _record(file, offset, end)
        yield offset, payload
        offset += _FRAME.size + len(payload)


def _record(file: BinaryIO, offset: int, end: int) -> bytes:
    head = file.read(min(_FRAME.size, end - offset))
    if len(head) < _FRAME.size:
        raise Torn(offset)
    length, checksum, guard = _FRAME.unpack(head)
    if crc32(head[:8]) != guard:
        raise _finding(head + file.read(end - offset - _FRAME.size), offset)
    if length > end - offset - _FRAME.size:
        raise Torn(offset)
    payload = file.read(length)
    if crc32(payload) != checksum:
        # Appends are not begun before the one before has ended, so only the last can be torn.
        last = offset + _FRAME.size + length == end
        raise _finding(head + payload, offset) if last else Damaged(offset)
    return payload


def _finding(data: bytes, offset: int) -> Unreadable:
    """Judge ``data``, from a record that does not check at ``offset`` to the end of the file."""
    start = 0
    while start < len(data):
        stop = start + _SECTOR - (offset + start) % _SECTOR
        part = data[start:stop]
        if len(part) >= _TELLING_ZEROS and not any(part):
            return Torn(offset)
        start = stop
    return Damaged(offset)
