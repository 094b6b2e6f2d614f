"""Where a wallet's nonces come from, so that no two actions of one key carry the same one.

The exchange takes each nonce of a signer once, in any order, among the last ``nonce_window`` below
the highest used, and lets the highest rise by at most ``nonce_jump`` at a time. Nonces are
therefore handed out one after the other, without holes on purpose: a clock's milliseconds would
leave the window behind at the first pause, and could not be reached from an account's first nonce.

Tasks of one process share a ``CountedNonces``; processes of one machine that sign with one key
share a ``SharedNonces``. Processes of several machines should each have an agent key: an agent has
nonces of its own.
"""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from node.types.errors import PathUnusable

_DIGITS = 20
"""As many as the largest nonce has."""


class Nonces(Protocol):
    """A source of nonces."""

    def take(self) -> int:
        """Return a nonce that was never returned before."""
        ...

    def learn(self, highest: int) -> None:
        """Return none up to ``highest`` from now on: the exchange knows it as used."""
        ...


class CountedNonces:
    """Nonces that count up from ``first``; for one process."""

    __slots__ = ("_next",)

    def __init__(self, first: int = 1) -> None:
        self._next = first

    def take(self) -> int:
        """Return the next nonce."""
        nonce = self._next
        self._next = nonce + 1
        return nonce

    def learn(self, highest: int) -> None:
        """Go on above ``highest`` at least."""
        self._next = max(self._next, highest + 1)


class SharedNonces:
    """Nonces that count up in a file, which every process with this key opens.

    A nonce costs a lock, a read and a write of 20 bytes, some microseconds. One that is taken and
    never sent is a hole, which the window bears. The file is not synced: after a crash of the
    machine it may be behind, and ``learn`` brings it up.
    """

    __slots__ = ("_file", "path")

    def __init__(self, path: Path, first: int = 1) -> None:
        """Open the file at ``path`` or make it, for its owner alone. Raises ``PathUnusable``."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PathUnusable(path=str(path), detail=str(error.strerror)) from error
        self.learn(first - 1)

    def take(self) -> int:
        """Return the next nonce of all who share the file."""
        return self._advance(0, 1)

    def learn(self, highest: int) -> None:
        """Let everyone who shares the file go on above ``highest`` at least."""
        self._advance(highest + 1, 0)

    def close(self) -> None:
        """Close the file; the source is then not to be used any more."""
        os.close(self._file)

    def _advance(self, least: int, by: int) -> int:
        """Raise the next nonce to ``least``, return it, and move on by ``by``."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            text = os.pread(self._file, _DIGITS, 0)
            # A file that somebody emptied, or filled with something else, begins anew: what the
            # exchange then refuses teaches the right place.
            found = int(text) if text.isdigit() else 1
            nonce = max(found, least)
            if nonce + by != found:
                os.pwrite(self._file, b"%0*d" % (_DIGITS, nonce + by), 0)
            return nonce
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
