"""The folder that belongs to one node, and to one rollup on one chain.

identity.json   whose data this is, written once
lock            held, as the folder itself is, while a process uses it (node.adapters.folder_lock)
journal/        the log                                  (node.adapters.file_journal)
snapshots/      states to start from                     (node.adapters.snapshots)
batches/        sealed batches on their way to the chain
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from node.adapters.durable_file import sync_folder, unusable, write_durably
from node.adapters.folder_lock import FolderLock
from node.adapters.identity import Identity
from node.adapters.journal_segment import SegmentReader, segments_in
from node.types.errors import PathUnusable, SetupError


class DataFolder:
    """An open data folder: this process alone uses it until ``close``."""

    def __init__(self, path: Path, identity: Identity) -> None:
        """Lock ``path``, creating what is missing, and check whose it is.

        Raises ``DataLocked`` when another process uses it, ``WrongChain`` when it belongs to
        another exchange, ``SetupError`` when its identity cannot be read, ``JournalCorrupt``
        where it is lost and the journal cannot tell it, ``PathUnusable``, ``DiskFailed``.
        """
        self.path = path
        self.identity = identity
        try:
            for folder in (self.journal, self.snapshots, self.batches):
                folder.mkdir(parents=True, exist_ok=True)
            sync_folder(path)
            self._lock = FolderLock(path)
        except OSError as error:
            raise PathUnusable(path=str(path), detail=error.strerror) from error
        try:
            self._check_identity()
        except BaseException:
            self.close()
            raise

    @property
    def journal(self) -> Path:
        """Return the folder of the journal's segments."""
        return self.path / "journal"

    @property
    def snapshots(self) -> Path:
        """Return the folder of the snapshots."""
        return self.path / "snapshots"

    @property
    def batches(self) -> Path:
        """Return the folder of the sealed batches."""
        return self.path / "batches"

    def close(self) -> None:
        """Let another process have the folder; closing twice is harmless."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_identity(self) -> None:
        found = stored_identity(self.path)
        if found is None:
            # The file may be lost where the log is not: nobody gets one who names another exchange.
            try:
                segments = segments_in(self.journal)
                if segments:
                    SegmentReader(segments[-1], self.identity).close()
            except OSError as error:
                raise unusable(error, self.journal) from error
            store_identity(self.path, self.identity)
        else:
            self.identity.require(found, str(self.path / "identity.json"))


@contextmanager
def reserved(path: Path) -> Iterator[None]:
    """Hold the folder at ``path``, made where it is missing, before it is known whose data it has.

    Whoever pays for what will be noted there knows by then that it can be: something has been
    written. Raises ``DataLocked`` when another process uses it, ``PathUnusable``.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(path)
    except OSError as error:
        raise PathUnusable(path=str(path), detail=error.strerror) from error
    try:
        trial = path / "trial"
        _write(trial, bytes(4_096))
        trial.unlink()
        yield
    finally:
        lock.close()


def store_identity(path: Path, identity: Identity) -> None:
    """Note durably whose data the folder at ``path`` holds. Raises ``PathUnusable``."""
    _write(path / "identity.json", msgspec.json.encode(_Readable.of(identity)))


def _write(file: Path, data: bytes) -> None:
    try:
        write_durably(file, data)
    except OSError as error:
        raise PathUnusable(path=str(file), detail=error.strerror) from error


def stored_identity(path: Path) -> Identity | None:
    """Return whose data the folder at ``path`` holds, None where it holds none yet.

    Raises ``SetupError`` when its identity cannot be read, ``PathUnusable`` where no folder can be.
    """
    file = path / "identity.json"
    try:
        if not file.exists():
            if path.exists() and not path.is_dir():
                raise PathUnusable(path=str(path), detail="not a folder")
            return None
        return msgspec.json.decode(file.read_bytes(), type=_Readable).identity()
    except OSError as error:
        raise PathUnusable(path=str(file), detail=error.strerror) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise SetupError(file=str(file), detail=str(error)) from error


class _Readable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The identity as an operator can read it."""

    chain_id: int
    rollup: str
    rules: str

    @classmethod
    def of(cls, identity: Identity) -> "_Readable":
        return cls(
            chain_id=identity.chain_id,
            rollup="0x" + identity.rollup.hex(),
            rules="0x" + identity.rules.hex(),
        )

    def identity(self) -> Identity:
        return Identity(
            chain_id=self.chain_id,
            rollup=bytes.fromhex(self.rollup.removeprefix("0x")),
            rules=bytes.fromhex(self.rules.removeprefix("0x")),
        )
