"""Files that are either wholly there after a crash, or not at all."""

import os
from pathlib import Path

TEMPORARY = ".tmp"
"""The suffix of a file that is still being written; a crash may leave one behind."""


def write_durably(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` at once: written aside, synced, renamed, the folder synced.

    The new content, or the old one, survives a crash at any moment. Raises ``OSError``.
    """
    aside = path.with_name(path.name + TEMPORARY)
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: a synced file whose name is lost is lost."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> None:
    """Delete what a crash left half written in ``folder``."""
    for path in folder.glob("*" + TEMPORARY):
        path.unlink()
