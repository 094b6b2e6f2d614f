"""Files that are wholly there after a crash, or not at all; and payloads that show any damage."""

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from node.types.errors import DiskFailed, PathUnusable, PlimsollError

_CHECKSUM_BYTES: Final = 32

_NOT_OURS: Final = (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError)

TEMPORARY = ".tmp"
"""The suffix of a file that is still being written; a crash may leave one behind."""


def write_durably(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` at once: written aside, synced, renamed, the folder synced.

    The new content, or the old one, survives a crash at any moment. Raises ``OSError`` with the
    file's name, which Python leaves out of those that come of writing.
    """
    aside = path.with_name(path.name + TEMPORARY)
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        error.filename = str(path)
        raise


def disk_failed(error: OSError, place: object) -> DiskFailed:
    """Return the error for a disk that fails at the file of ``error``, or else at ``place``."""
    return DiskFailed(
        path=str(error.filename or place), errno=error.errno, detail=error.strerror or str(error)
    )


def unusable(error: OSError, place: object) -> PlimsollError:
    """Return the error for a file that cannot be opened: the operator's fault, or the disk's."""
    if isinstance(error, _NOT_OURS):
        return PathUnusable(path=str(error.filename or place), detail=error.strerror)
    return disk_failed(error, place)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: a synced file whose name is lost is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksummed(magic: bytes, payload: bytes) -> bytes:
    """Return ``payload`` after ``magic`` and its BLAKE2b of 32 bytes, as ``checked`` takes it."""
    return b"".join((magic, _checksum(payload), payload))


def checked(magic: bytes, data: bytes) -> bytes | None:
    """Return the payload of what ``checksummed`` made of it, None where it does not check."""
    payload_at = len(magic) + _CHECKSUM_BYTES
    payload = data[payload_at:]
    return payload if data[:payload_at] == magic + _checksum(payload) else None


def _checksum(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_CHECKSUM_BYTES).digest()


def remove_unfinished(folder: Path) -> None:
    """Delete what a crash left half written in ``folder``."""
    for path in folder.glob("*" + TEMPORARY):
        path.unlink()
