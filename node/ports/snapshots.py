"""States at rest: what a start-up begins from, so that it need not replay the whole log."""

from typing import Protocol

import msgspec

from node.types.blocks import Domain
from node.types.ids import Sequence


class Snapshot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The state after command ``sequence``, the last one of ``block``, whose hash is ``hash``.

    ``leaves`` are those of the state tree. ``domain`` and ``rules`` (a digest) say whose state
    it is.
    """

    domain: Domain
    rules: bytes
    sequence: Sequence
    block: int
    hash: bytes
    leaves: tuple[tuple[bytes, bytes], ...]


class SnapshotStore(Protocol):
    """Keeps the newest snapshots."""

    def save(self, snapshot: Snapshot) -> None:
        """Write ``snapshot`` durably (blocking), then drop the ones no longer kept."""
        ...

    def latest(self) -> Snapshot | None:
        """Return the newest snapshot that checks, None when there is none.

        Raises ``WrongChain`` when it belongs to another chain, rollup or set of rules.
        """
        ...
