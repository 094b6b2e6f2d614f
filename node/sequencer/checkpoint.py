"""When a snapshot is taken, and of what.

Between two blocks the state stands still, so its leaves are copied there (which holds the loop up:
about a microsecond a leaf); encoding and writing them is a thread's business.
"""

import asyncio
from typing import Generic

import structlog

from node.ports.machine import State
from node.ports.snapshots import Snapshot, SnapshotStore
from node.types.blocks import Block, Domain
from node.types.ids import Sequence

_log = structlog.get_logger(__name__)


class Checkpoint(Generic[State]):
    """Takes a snapshot of ``state`` about every ``every`` commands, one at a time."""

    def __init__(
        self, state: State, store: SnapshotStore, domain: Domain, rules: bytes, every: int
    ) -> None:
        """Count from the state as it is now; ``rules`` is the digest of its rules."""
        self._state = state
        self._store = store
        self._domain = domain
        self._rules = rules
        self._every = every
        self._last = Sequence(state.sequence)
        self._saving: asyncio.Future[None] | None = None

    def after(self, block: Block) -> None:
        """Take a snapshot if one is due: ``block`` is durable and the state stands at its end."""
        saving = self._saving is not None and not self._saving.done()
        if not saving and block.last_sequence - self._last >= self._every:
            self._begin(block)

    async def finish(self) -> None:
        """Wait for a snapshot that is being written."""
        if self._saving is not None:
            await asyncio.wait((self._saving,))

    def _begin(self, block: Block) -> None:
        self._last = block.last_sequence
        snapshot = Snapshot(
            domain=self._domain,
            rules=self._rules,
            sequence=block.last_sequence,
            block=block.number,
            hash=block.hash,
            leaves=tuple(self._state.leaves()),
        )
        loop = asyncio.get_running_loop()
        self._saving = loop.run_in_executor(None, self._store.save, snapshot)
        self._saving.add_done_callback(_report)


def _report(saving: "asyncio.Future[None]") -> None:
    """Warn of a snapshot that failed: the journal still has everything, so the node goes on."""
    if not saving.cancelled() and (error := saving.exception()) is not None:
        _log.warning("snapshot_failed", error=repr(error))
