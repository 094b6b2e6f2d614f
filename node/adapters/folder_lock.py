"""A folder that one process alone uses: locked until it is let go, or the process ends.

The kernel drops the lock with the process, so a crash leaves none behind; and as no child inherits
the descriptors, no child holds it any longer than that.

The folder itself is locked: a file in it may be deleted, or replaced by one from a backup, and
whoever came next would lock that one. The file ``lock`` in it is locked as well, for file systems
that lock no folders (NFS), and for the sake of nodes that are older and look at nothing else.
"""

import fcntl
import os
from pathlib import Path

from node.types.errors import DataLocked


class FolderLock:
    """Holds a folder until ``close``."""

    def __init__(self, folder: Path) -> None:
        """Lock ``folder``, which must exist.

        Raises ``DataLocked`` when another process, or a lock of this one, has it, ``OSError``.
        """
        self._descriptors: list[int] = []
        try:
            self._hold(folder, os.open(folder, os.O_RDONLY | os.O_DIRECTORY), must=False)
            self._hold(folder, os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644), must=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the folder; closing twice is harmless."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _hold(self, folder: Path, descriptor: int, *, must: bool) -> None:
        self._descriptors.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataLocked(path=str(folder)) from None
        except OSError:
            if must:
                raise
