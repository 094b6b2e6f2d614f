"""The replica in a process of its own: re-executing takes as long as executing did.

If it dies it is started again from its files and asked again, once; sealing twice gives the same
batch.
"""

from functools import partial

from node.adapters.remote_object import RemoteObject
from node.adapters.replica_session import Position, ReplicaSession, ReplicaSetup
from node.transition.tree.proofs import Proof
from node.types.blocks import Batch
from node.types.ids import Sequence


class ReplicaProcess:
    """A ``node.ports.replica.Sealer`` that also proves, and lets go of what is final."""

    def __init__(self, setup: ReplicaSetup) -> None:
        """Start nothing yet."""
        self._remote = RemoteObject(partial(ReplicaSession, setup), "replica")

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

        Raises what ``ReplicaSession`` raises, or ``IntegrityError`` when the child died.
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
