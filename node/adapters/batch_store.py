"""Sealed batches in a folder: one file each, whole or absent, checksummed.

An L1 reorg can drop a batch, and then the *same bytes* must be posted again, after a restart too:
so a batch is on disk before anyone sees it, and stays until it is final and no snapshot needs it.

magic      8 bytes
checksum   32 bytes: BLAKE2b of the payload
payload    MessagePack of whose it is, and of ``Batch``
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from node.adapters.durable_file import (
    checked,
    checksummed,
    remove_unfinished,
    sync_folder,
    unusable,
    write_durably,
)
from node.adapters.identity import Identity
from node.adapters.numbered_files import numbered_files, warn_of_others
from node.types.blocks import Batch
from node.types.errors import JournalCorrupt, StateDiverged
from node.types.ids import Sequence

MAGIC: Final = b"PLIMBAT1"
SUFFIX: Final = ".batch"
DIGITS: Final = 12


class _Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    identity: Identity
    batch: Batch


class BatchFolder:
    """The batches of ``identity`` in a folder. One process writes; others may read."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        """Use ``folder``, which must exist."""
        self._folder = folder
        self._identity = identity

    def clean(self) -> None:
        """Delete what a crash left half written; for the writer, before it writes."""
        remove_unfinished(self._folder)
        warn_of_others(self._folder, DIGITS, SUFFIX)

    def save(self, batch: Batch) -> None:
        """Write ``batch`` and return once it is durable.

        Raises ``StateDiverged`` (``file``) where another batch has its index: who reads it may have
        posted it, so nothing is ever written over it. Raises ``OSError``.
        """
        payload = msgspec.msgpack.encode(_Record(self._identity, batch))
        path, data = self._path(batch.header.index), checksummed(MAGIC, payload)
        if path.exists():
            if path.read_bytes() != data:
                raise StateDiverged(where="batch store", index=batch.header.index, file=str(path))
            return
        write_durably(path, data)

    def read(self, from_index: int | None = None) -> Iterator[Batch]:
        """Yield the batches from ``from_index`` on, which is the first of them if there are any.

        None: all that are kept, in order.

        Raises ``JournalCorrupt`` (``file``, ``fault``) where one is damaged or missing,
        ``WrongChain`` where one belongs to another exchange, ``PathUnusable`` or ``DiskFailed``
        where one cannot be opened.
        """
        expected = from_index
        for index in self.indices():
            if from_index is not None and index < from_index:
                continue
            if expected is not None and expected != index:
                raise JournalCorrupt(file=str(self._path(expected)), fault="missing")
            yield self._read(self._path(index))
            expected = index + 1

    def indices(self) -> list[int]:
        """Return the indices of the batches kept, in order."""
        return [int(path.stem) for path in numbered_files(self._folder, DIGITS, SUFFIX)]

    def prune(self, index: int, sequence: Sequence) -> None:
        """Drop batches before ``index`` that end before command ``sequence``; keep all others."""
        for kept in self.indices():
            path = self._path(kept)
            if kept >= index or self._read(path).header.last_sequence >= sequence:
                break
            path.unlink()
        sync_folder(self._folder)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:0{DIGITS}d}{SUFFIX}"

    def _read(self, path: Path) -> Batch:
        try:
            payload = checked(MAGIC, path.read_bytes())
        except OSError as error:
            raise unusable(error, path) from error
        if payload is None:
            raise JournalCorrupt(file=str(path), fault="checksum")
        try:
            record = msgspec.msgpack.decode(payload, type=_Record)
        except msgspec.DecodeError as error:
            raise JournalCorrupt(file=str(path), fault=str(error)) from None
        self._identity.require(record.identity, str(path))
        if self._path(record.batch.header.index) != path:
            raise JournalCorrupt(file=str(path), fault="name")
        return record.batch
