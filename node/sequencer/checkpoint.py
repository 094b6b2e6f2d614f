"""When a snapshot is taken, and of what.

Walking a large state for its leaves would hold the loop up for as long as it is large (measured:
two microseconds a leaf). So the leaves are kept at hand, changed by each block as the state was; a
snapshot copies them in one step, at a twentieth of that, and building and writing it is a thread's
business.
"""

import asyncio
from collections.abc import Iterable

import structlog

from node.ports.snapshots import Snapshot, SnapshotStore
from node.types.blocks import Block, Domain
from node.types.durable import DurableBlock
from node.types.ids import Sequence

_log = structlog.get_logger(__name__)


class Checkpoint:
    """Takes a snapshot about every ``every`` commands, one at a time."""

    def __init__(
        self,
        leaves: Iterable[tuple[bytes, bytes]],
        sequence: Sequence,
        store: SnapshotStore,
        domain: Domain,
        rules: bytes,
        every: int,
    ) -> None:
        """Begin with the ``leaves`` of the state after ``sequence``; ``rules`` is a digest."""
        self._leaves = dict(leaves)
        self._last = sequence
        self._store = store
        self._domain = domain
        self._rules = rules
        self._every = every
        self._saving: asyncio.Future[None] | None = None

    def after(self, durable: DurableBlock) -> None:
        """Note what the next block changed, and take a snapshot if one is due."""
        for key, value in durable.leaves.items():
            if value is None:
                self._leaves.pop(key, None)
            else:
                self._leaves[key] = value
        saving = self._saving is not None and not self._saving.done()
        if not saving and durable.block.last_sequence - self._last >= self._every:
            self._begin(durable.block)

    async def finish(self) -> None:
        """Wait for a snapshot that is being written."""
        if self._saving is not None:
            await asyncio.wait((self._saving,))

    def _begin(self, block: Block) -> None:
        self._last = block.last_sequence
        loop = asyncio.get_running_loop()
        self._saving = loop.run_in_executor(None, self._save, block, self._leaves.copy())
        self._saving.add_done_callback(_report)

    def _save(self, block: Block, leaves: dict[bytes, bytes]) -> None:
        """Write the state after ``block``, in another thread."""
        self._store.save(
            Snapshot(
                domain=self._domain,
                rules=self._rules,
                sequence=block.last_sequence,
                block=block.number,
                hash=block.hash,
                leaves=tuple(leaves.items()),
            )
        )


def _report(saving: "asyncio.Future[None]") -> None:
    """Warn of a snapshot that failed: the journal still has everything, so the node goes on."""
    if not saving.cancelled() and (error := saving.exception()) is not None:
        _log.warning("snapshot_failed", error=repr(error))
