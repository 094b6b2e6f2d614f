"""The history of a running node, joined: queue, writer, ledger of batches, reader."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

from node.adapters.history_engine import shown, url_of
from node.adapters.http.history_routes import HistoryAsked
from node.adapters.mailbox import Mailbox
from node.app.history_process import HistoryReaderProcess, HistoryWriterProcess
from node.app.history_replay import LogPlace
from node.app.history_session import HistorySetup
from node.capacity.queue import BoundedQueue
from node.capacity.stage import Stage
from node.history.batches import BatchLedger
from node.history.config import HistoryConfig
from node.history.service import HistoryService
from node.ports.chain import L1Receipt
from node.ports.mailbox import Outlet
from node.types.blocks import Batch
from node.types.durable import DurableBlock
from node.types.ids import Sequence
from node.types.marks import Mark

if TYPE_CHECKING:
    from node.app.foundation import Foundation
    from node.app.node import Node

MARK_WITHIN_S: Final = 10.0
"""How long a start waits to be told where history ends: its process takes a second to begin."""

_log = structlog.get_logger(__name__)


class History:
    """What the node asks of its history; a node without one asks in vain."""

    @property
    def outlets(self) -> tuple[Outlet[DurableBlock], ...]:
        """Return what the sequencer hands durable blocks to."""
        return ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages that count."""
        return ()

    @property
    def pids(self) -> dict[str, int]:
        """Return the processes that run, by name."""
        return {}

    @property
    def settled(self) -> bool:
        """Return whether nothing is left to write, or cannot be for now."""
        return True

    @property
    def asked(self) -> HistoryAsked | None:
        """Return what answers questions over HTTP, None where nobody does."""
        return None

    def stored(self, batch: Batch) -> None:
        """Note a batch that was sealed before the start."""

    def sealed(self, batch: Batch) -> None:
        """Note a batch that has just been sealed."""

    def moved(self, mark: Mark) -> None:
        """Note where a batch stands on L1 now."""

    def included(self, index: int, receipt: L1Receipt) -> None:
        """Note which transaction holds a batch."""

    def let_go(self, index: int, last: Sequence) -> int | None:
        """Return up to which final batch the log may be let go of, now that ``index`` is final."""
        del last
        return index

    def report(self) -> dict[str, Any] | None:
        """Return how the history stands, for ``/stats``."""
        return None

    async def look(self) -> None:
        """Return once it is known where history ends, or that it is not to be known for now."""

    async def run(self) -> None:
        """Follow the log until cancelled; raises ``StateDiverged`` where it holds another one."""

    async def close(self) -> None:
        """End what runs."""


class WrittenHistory(History):
    """A history that is written."""

    def __init__(self, base: "Foundation", config: HistoryConfig) -> None:
        """Make the parts; no process runs yet."""
        folder = base.folder
        url = url_of(config.url, folder.path)
        place = LogPlace(folder.journal, folder.snapshots, folder.identity, base.rules)
        self._config = config
        self._rules = base.rules
        self._where = shown(url)
        self._writer = HistoryWriterProcess(HistorySetup(url, place))
        self._held: deque[tuple[int, Sequence]] = deque()
        self._ledger = BatchLedger()
        self.left_behind = 0
        self.reader = HistoryReaderProcess(
            url, base.rules, config.query_ms_max, config.queries_waiting_max
        )
        self.service = HistoryService(
            self._mailbox,
            self._writer,
            self._ledger,
            base.clock,
            config,
            Sequence(base.state.sequence),
        )

    @property
    def outlets(self) -> tuple[Outlet[DurableBlock], ...]:
        """See ``History``."""
        return (self.service,)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """See ``History``."""
        return (self.service.stage,)

    @property
    def pids(self) -> dict[str, int]:
        """See ``History``."""
        found = {"history": self._writer.pid, "history_reader": self.reader.pid}
        return {name: pid for name, pid in found.items() if pid is not None}

    @property
    def settled(self) -> bool:
        """See ``History``."""
        return self.service.settled

    @property
    def asked(self) -> HistoryAsked | None:
        """See ``History``."""
        config = self._config
        return HistoryAsked(self.reader, self._rules, config.page_rows_max)

    def stored(self, batch: Batch) -> None:
        """See ``History``."""
        self._ledger.stored(batch)

    def sealed(self, batch: Batch) -> None:
        """See ``History``."""
        self._ledger.sealed(batch)

    def moved(self, mark: Mark) -> None:
        """See ``History``."""
        self._ledger.moved(mark)

    def included(self, index: int, receipt: L1Receipt) -> None:
        """See ``History``."""
        self._ledger.included(index, receipt.transaction)

    def let_go(self, index: int, last: Sequence) -> int | None:
        """Return up to which final batch the log may be let go of, now that ``index`` is final.

        A history that is behind needs the log from where it ends, and a snapshot before that; so
        both stay, for ``hold_batches_max`` batches at most.
        """
        self._held.append((index, last))
        free = None
        while self._held:
            oldest, ends = self._held[0]
            if ends > self.service.mark.sequence:
                if len(self._held) <= self._config.hold_batches_max:
                    break
                self.left_behind += 1
                _log.warning("history_left_behind", batch=oldest, behind=self.service.behind)
            free = oldest
            self._held.popleft()
        return free

    def report(self) -> dict[str, Any] | None:
        """See ``History``."""
        service = self.service
        return {
            "where": self._where,
            "sequence": service.mark.sequence,
            "behind": service.behind,
            "rows": service.rows,
            "caught_up": service.caught_up,
            "fault": service.fault,
        }

    async def look(self) -> None:
        """See ``History``; ``run`` must be running, and tells what is wrong."""
        try:
            async with asyncio.timeout(MARK_WITHIN_S):
                await self.service.asked()
        except TimeoutError:
            _log.warning("history_not_asked", where=self._where, waited_s=MARK_WITHIN_S)

    async def run(self) -> None:
        """See ``History``."""
        await self.service.run()

    async def close(self) -> None:
        """See ``History``."""
        await self._writer.close()
        await self.reader.close()

    def _mailbox(self, in_hand: Callable[[], int]) -> Mailbox[DurableBlock]:
        limit = self._config.queue_blocks
        return Mailbox(BoundedQueue[DurableBlock]("history", limit, in_hand=in_hand))


def history_of(base: "Foundation", config: HistoryConfig) -> History:
    """Return the history as configured."""
    return WrittenHistory(base, config) if config.enabled else History()


def register_history_figures(node: "Node") -> None:
    """Register the figures of the history, where there is one."""
    history, capacity = node.history, node.capacity
    if not isinstance(history, WrittenHistory):
        return
    service, reader = history.service, history.reader
    capacity.gauge(
        "history_behind_commands",
        "Durable commands that the history does not hold yet.",
        lambda: service.behind,
    )
    capacity.gauge(
        "history_down",
        "1 while the history's database does not take what it is given.",
        lambda: int(bool(service.fault)),
    )
    capacity.counter(
        "history_rows", "Rows written since the writer's process started.", lambda: service.rows
    )
    capacity.counter(
        "history_caught_up",
        "Commands that were read from the journal for the history.",
        lambda: service.caught_up,
    )
    capacity.counter(
        "history_left_behind",
        "Final batches whose log was let go of though the history lacked them.",
        lambda: history.left_behind,
    )
    capacity.counter(
        "history_queries_refused",
        "Questions refused because too many waited.",
        lambda: reader.refused,
    )
