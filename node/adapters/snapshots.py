"""Snapshots in a folder: one file each, whole or absent, checksummed, the last two kept.

One that was found damaged counts for nothing: it goes when the next one stands, and not before, for
it may be the only trace of what befell the disk.

magic      8 bytes
checksum   32 bytes: BLAKE2b of the payload
payload    MessagePack of ``Snapshot``
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

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
from node.ports.snapshots import Snapshot
from node.types.ids import Sequence

MAGIC = b"PLIMSNP1"
SUFFIX = ".snapshot"
DIGITS = 20
KEPT = 2

_log = structlog.get_logger(__name__)


class SnapshotFolder:
    """A ``SnapshotStore`` of ``identity``'s states in ``folder``, which this process alone uses."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        """Open ``folder``, which must exist. Raises ``PathUnusable`` or ``DiskFailed``."""
        self._folder = folder
        self._identity = identity
        self._damaged: set[Path] = set()
        try:
            remove_unfinished(folder)
            warn_of_others(folder, DIGITS, SUFFIX)
        except OSError as error:
            raise unusable(error, folder) from None

    def save(self, snapshot: Snapshot) -> None:
        """Write ``snapshot`` durably, then drop all but the newest two. Raises ``OSError``."""
        payload = msgspec.msgpack.encode(snapshot)
        written = self._folder / f"{snapshot.sequence:0{DIGITS}d}{SUFFIX}"
        write_durably(written, checksummed(MAGIC, payload))
        self._damaged.discard(written)
        for path in (*self._sound()[KEPT:], *self._damaged):
            path.unlink()
        self._damaged.clear()
        sync_folder(self._folder)

    def latest(self) -> Snapshot | None:
        """Return the newest snapshot that checks; one that does not is named in a warning.

        Raises ``WrongChain`` when it belongs to another chain, rollup or set of rules.
        """
        newest = next(stored_snapshots(self._folder, self._identity), None)
        found = -1 if newest is None else newest.sequence
        self._damaged = {path for path in _newest_first(self._folder) if _sequence_of(path) > found}
        return newest

    def oldest_sequence(self) -> Sequence:
        """Return the sequence of the older of two snapshots, 0 while there are not two.

        The journal must keep what follows it: the newer one may prove unreadable.
        """
        sound = self._sound()
        return _sequence_of(sound[KEPT - 1]) if len(sound) >= KEPT else Sequence(0)

    def _sound(self) -> list[Path]:
        """Return those that were not found damaged, the newest first."""
        return [path for path in _newest_first(self._folder) if path not in self._damaged]


def stored_snapshots(folder: Path, identity: Identity) -> Iterator[Snapshot]:
    """Yield the snapshots in ``folder``, the newest first, for whoever only reads there.

    One that does not check is named in a warning; one that its writer drops meanwhile is left out.
    Raises ``WrongChain`` when one belongs to another exchange than ``identity``, ``PathUnusable``
    or ``DiskFailed`` with one that cannot be opened.
    """
    for path in _newest_first(folder):
        try:
            snapshot = _read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unusable(error, path) from error
        if snapshot is None:
            _log.warning("snapshot_skipped", file=str(path))
            continue
        found = Identity(snapshot.domain.chain_id, snapshot.domain.rollup, snapshot.rules)
        identity.require(found, str(path))
        yield snapshot


def _newest_first(folder: Path) -> list[Path]:
    return numbered_files(folder, DIGITS, SUFFIX)[::-1]


def _sequence_of(path: Path) -> Sequence:
    return Sequence(int(path.stem))


def _read(path: Path) -> Snapshot | None:
    payload = checked(MAGIC, path.read_bytes())
    if payload is None:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=Snapshot)
    except msgspec.DecodeError:
        return None
