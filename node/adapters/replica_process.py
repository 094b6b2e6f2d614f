"""The replica in a process of its own: re-executing takes as long as executing did.

If it dies it is started again from its files and asked again, once; sealing twice gives the same
batch.

It holds the folder of its batches for as long as it lives. So no replica that is left over from a
node that was killed (it hangs at its disk, it was stopped) works beside the next one's, which waits
for its end.
"""

import time
from functools import partial
from typing import Final

from node.adapters.folder_lock import FolderLock
from node.adapters.remote_object import RemoteObject
from node.adapters.replica_session import Position, ReplicaSession, ReplicaSetup
from node.transition.tree.proofs import Proof
from node.types.blocks import Batch
from node.types.errors import DataLocked
from node.types.ids import Sequence

LEFT_OVER_S: Final = 30.0
"""How long a replica of an earlier node may take to end: it may write a snapshot first."""
_LOOK_EVERY_S: Final = 0.05


class ReplicaProcess:
    """A ``node.ports.replica.Sealer`` that also proves, and lets go of what is final."""

    def __init__(self, setup: ReplicaSetup, left_over_s: float = LEFT_OVER_S) -> None:
        """Start nothing yet."""
        self._remote = RemoteObject(partial(_alone, setup, left_over_s), "replica")

    @property
    def starts(self) -> int:
        """Return how often the child was started."""
        return self._remote.starts

    @property
    def pid(self) -> int | None:
        """Return the child's process id, None while there is none."""
        return self._remote.pid

    async def start(self) -> Position:
        """Start the child, wait until it has replayed its batches, and return where they end.

        Raises what ``ReplicaSession`` raises, ``DataLocked`` when another replica does not let go
        of the batches in time, or ``IntegrityError`` when the child died.
        """
        return await self._remote.ask(Position, "position")

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the blocks as the next batch; see ``node.ports.replica.Sealer``."""
        return await self._remote.ask(Batch, "seal", blocks, first_sequence, cause)

    async def pin(self, index: int) -> int:
        """Keep what proves by ``index``, the newest final batch, until a later one is.

        Returns the batch that is kept for that: an older one where a restart came between.
        """
        return await self._remote.ask(int, "pin", index)

    async def prove(self, final: int, key: bytes) -> tuple[int, Proof]:
        """Return the proof that the state after a final batch holds ``key``, and which batch it is.

        It is ``final``, the newest final one, or the one that is kept instead; see ``pin``. Raises
        ``NotFound`` when its state has no such leaf.
        """
        return await self._remote.ask(tuple, "prove", final, key)

    async def finalize(self, index: int) -> Sequence:
        """Let go of what only batches before the final batch ``index`` needed.

        Returns the last command of the older of two snapshots, 0 while there are not two.
        """
        return Sequence(await self._remote.ask(int, "finalize", index))

    async def close(self) -> None:
        """End the child, once. A request in hand fails with ``ShuttingDown``."""
        await self._remote.close()


def _alone(setup: ReplicaSetup, left_over_s: float) -> ReplicaSession:
    """Return the session, in its own process, once no other replica uses the batches."""
    deadline = time.monotonic() + left_over_s
    while True:
        try:
            # Never let go of: the process ends with it.
            FolderLock(setup.batches)
        except DataLocked:
            if time.monotonic() > deadline:
                raise DataLocked(
                    path=str(setup.batches),
                    detail="a replica of an earlier node has not ended",
                    waited_s=left_over_s,
                ) from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return ReplicaSession(setup)
