"""A folder on a disk that notes what it is made to keep, in the order in which it is."""

import os
from pathlib import Path

import pytest


class NotedDisk:
    """``synced``: the names in ``folder`` where those were synced, else a file's name and bytes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.synced: list[list[str] | tuple[str, bytes]] = []
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._note)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def forget(self) -> None:
        """Note from here on what happens from here on."""
        self.synced.clear()

    def _note(self, descriptor: int) -> None:
        synced = os.fstat(descriptor)
        if os.path.samestat(synced, self.folder.stat()):
            self.synced.append(self.names())
        else:
            [path] = [one for one in self.folder.iterdir() if os.path.samestat(one.stat(), synced)]
            self.synced.append((path.name, path.read_bytes()))
        self._fsync(descriptor)
