"""The loop that follows the log for the history: durable blocks in, groups of rows out.

    sequencer ──offer──▶ [history] ──▶ writer (a process of its own)
                   │                       ▲
                   └── full: parted ───────┘ catch-up from the journal

It never holds up the sequencer. Where the queue is full, because the database is slow or away, the
blocks that come are left to the journal (*parted*). Once the queue is worked off, blocks are taken
in again, and the writer reads from the journal what lies between. Should the queue overflow again
meanwhile, the next stretch is shorter, as long as reading is faster than the log grows.

Every error but one means the same: wait, ask where history ends, and go on from there. Asking twice
writes nothing twice. A history that holds what the log does not is no fault of the database: what
was acknowledged has gone from the log, or the history is another log's. That stops the node, until
a group of this process was written behind what stands there: the two have *met*. What does not fit
later, somebody else wrote. Then history is left as it is, and the exchange goes on.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from node.capacity.stage import Stage
from node.history.batches import BatchLedger
from node.history.config import HistoryConfig
from node.history.record import encode_blocks, recorded
from node.ports.clock import Clock
from node.ports.history import HistoryWriter
from node.types.durable import DurableBlock
from node.types.errors import PlimsollError, ShuttingDown, StateDiverged
from node.types.history import HistoryMark, Row
from node.types.ids import Sequence
from node.types.units import MS_PER_S

BEHIND: Final = "behind"
"""The cause under which blocks are counted that are left to the journal."""

_PAUSE_S: Final = 0.5
_PAUSE_MAX_S: Final = 30.0
_IDLE_S: Final = 1.0
"""How often an idle history looks for news of batches."""

_log = structlog.get_logger(__name__)


class BlockMailbox(Protocol):
    """The bounded queue in front of the writer; what is in hand stays in its stage."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue."""
        ...

    @property
    def limit(self) -> int:
        """How many blocks may wait."""
        ...

    def __len__(self) -> int:
        """Return the number of waiting blocks."""
        ...

    def offer(self, item: DurableBlock, now_ns: int) -> None:
        """Append a block."""
        ...

    def take(self, max_items: int, now_ns: int) -> list[DurableBlock]:
        """Remove and return the oldest blocks."""
        ...

    async def wait(self) -> None:
        """Return as soon as a block waits."""
        ...


class HistoryService:
    """An outlet of the sequencer that has always room, and the loop behind it."""

    def __init__(
        self,
        make_mailbox: Callable[[Callable[[], int]], BlockMailbox],
        writer: HistoryWriter,
        ledger: BatchLedger,
        clock: Clock,
        config: HistoryConfig,
        durable: Sequence,
    ) -> None:
        """``make_mailbox`` is told how to ask for the blocks in hand; the log ends at ``durable``.

        It begins parted: what was durable before the start may still be to be written.
        """
        self._hand: list[DurableBlock] = []
        self._news: list[Row] = []
        self._blocks = make_mailbox(self._hand.__len__)
        self._writer = writer
        self._ledger = ledger
        self._clock = clock
        self._config = config
        self._pause_s = _PAUSE_S
        self._asked = asyncio.Event()
        self._log_end: Sequence | None = durable
        self._met = False
        self.parted = True
        self.durable = durable
        self.mark = HistoryMark(Sequence(0), 0, clock.now_ms(), b"")
        self.rows = 0
        self.caught_up = 0
        self.fault = ""

    @property
    def stage(self) -> Stage:
        """Return the counters of the queue and of what is in hand."""
        return self._blocks.stage

    @property
    def behind(self) -> int:
        """Return how many durable commands are not written yet."""
        return max(0, self.durable - self.mark.sequence)

    @property
    def settled(self) -> bool:
        """Return whether everything that is known is written, or cannot be for now."""
        return bool(self.fault) or not (self.behind or self._news or self._ledger.unwritten)

    # --- the sequencer's side --------------------------------------------------------------------

    async def wait_for_room(self) -> None:
        """Return at once."""

    def offer(self, item: DurableBlock, now_ns: int) -> None:
        """Take in a durable block, or leave it to the journal; never refuses."""
        self.durable = item.block.last_sequence
        if not self.parted and len(self._blocks) >= self._blocks.limit:
            self.parted = True
            _log.warning("history_parted", sequence=item.block.first_sequence, behind=self.behind)
        if self.parted:
            self.stage.turn_away(BEHIND)
        else:
            self._blocks.offer(item, now_ns)

    # --- the loop --------------------------------------------------------------------------------

    async def asked(self) -> None:
        """Return once the database has told where history ends, or that it cannot for now."""
        await self._asked.wait()

    async def run(self) -> None:
        """Work until cancelled; whatever fails is tried again, ever more rarely.

        Raises ``StateDiverged`` (``where`` is history) where that holds what the log does not, and
        the two have not met.
        """
        while True:
            try:
                await self._follow()
            except ShuttingDown:
                return
            except PlimsollError as error:
                # Of an older part of the log that it cannot execute again, the exchange needs none.
                diverged = (
                    isinstance(error, StateDiverged) and error.values.get("where") == "history"
                )
                if diverged and not self._met:
                    raise
                self._note(error)
                self._asked.set()
                if diverged:
                    await self._stand_still()
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, _PAUSE_MAX_S)

    async def _stand_still(self) -> None:
        """Leave all to the journal, for ever: what is there cannot be trusted to come right."""
        self.parted = True
        self._hand += self._blocks.take(len(self._blocks), self._clock.now_ns())
        self.stage.refuse(BEHIND, len(self._hand))
        self._hand.clear()
        await asyncio.Event().wait()

    async def _follow(self) -> None:
        self._reached(await self._writer.mark())
        # Until now nothing was written by this process, whose log may have grown past the mark.
        self._log_end = None
        self._asked.set()
        while True:
            if self._hand:
                await self._write()
            elif self.parted and not len(self._blocks):
                await self._catch_up()
            else:
                await self._gather()
            await self._put_batches()

    async def _gather(self) -> None:
        """Take what waits, a little later: few blocks are not worth a transaction each."""
        blocks, config = self._blocks, self._config
        with suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_S):
                await blocks.wait()
        if 0 < len(blocks) < config.blocks_per_group:
            await asyncio.sleep(config.gather_ms / MS_PER_S)
        self._hand += blocks.take(config.blocks_per_group, self._clock.now_ns())

    async def _write(self) -> None:
        """Write the blocks in hand; they stay there until they are known to be written."""
        hand, stage = self._hand, self.stage
        started_ns = self._clock.now_ns()
        frame = encode_blocks(tuple(recorded(block) for block in hand))
        mark = await self._writer.write(frame)
        stage.busy(started_ns, self._clock.now_ns(), len(hand))
        before = self.mark.sequence
        self._reached(mark)
        self._met = self._met or mark.sequence > before
        if mark.sequence >= hand[-1].block.last_sequence:
            stage.leave(len(hand))
        else:
            # They do not follow what is written: the journal has what lies between, and them.
            stage.refuse(BEHIND, len(hand))
            self.parted = True
        hand.clear()

    async def _catch_up(self) -> None:
        """Take in blocks again, and let the writer read those before them from the journal."""
        first, until = self.mark.sequence, self.durable
        self.parted = False
        try:
            await self._read_up_to(until)
        except BaseException:
            self.parted = True
            raise
        if first < until:
            _log.info("history_caught_up", first=first + 1, last=until)

    async def _read_up_to(self, until: Sequence) -> None:
        while self.mark.sequence < until:
            before = self.mark.sequence
            self._reached(await self._writer.catch_up(until))
            self.caught_up += self.mark.sequence - before
            self._met = self._met or self.mark.sequence > before
            await self._put_batches()

    async def _put_batches(self) -> None:
        self._news = self._ledger.take()
        if self._news:
            try:
                await self._writer.put_batches(self._news)
            except BaseException:
                self._ledger.give_back(self._news)
                raise
            finally:
                self._news = []

    def _reached(self, mark: HistoryMark) -> None:
        """Note where history ends, and that the writer works."""
        end = self.durable if self._log_end is None else self._log_end
        if mark.sequence > end:
            # Only what is durable is ever written: else the journal has lost its end.
            raise StateDiverged(where="history", sequence=mark.sequence, log=end)
        if self.fault:
            _log.info("history_goes_on", sequence=mark.sequence, behind=self.behind)
        self.rows = mark.rows
        self.mark = mark
        self.fault = ""
        self._pause_s = _PAUSE_S

    def _note(self, error: PlimsollError) -> None:
        """Tell of an error once, however often it comes."""
        if str(error) != self.fault:
            _log.warning("history_stands_still", error=str(error), behind=self.behind)
        self.fault = str(error)
