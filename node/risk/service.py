"""The loop that acts: blocks' events in from a mailbox, proposals out to the sequencer."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Protocol

from node.capacity.stage import Stage
from node.risk.processor import RiskProcessor
from node.types.commands import Liquidate
from node.types.errors import Unavailable
from node.types.events import Event


class BlockEvents(Protocol):
    """A bounded queue of the events of durable blocks, one item for each block, in order."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue; taking an item counts it out."""

    async def wait(self) -> None:
        """Return as soon as an item waits."""

    def take(self, max_items: int, now_ns: int) -> Sequence[Sequence[Event]]:
        """Remove and return up to ``max_items`` of the oldest items, without waiting."""


class RiskService:
    """Runs a processor until it is cancelled.

    Between taking blocks and handing in what they call for nothing is awaited, so a cancellation
    never falls in between, and no block is taken that is not worked off.
    """

    def __init__(
        self,
        processor: RiskProcessor,
        blocks: BlockEvents,
        submit: Callable[[Liquidate], None],
        clock_ns: Callable[[], int],
        blocks_per_turn: int,
    ) -> None:
        """``submit`` queues a command or raises ``Unavailable``; ``clock_ns`` is Unix time."""
        self._processor = processor
        self._blocks = blocks
        self._submit = submit
        self._clock_ns = clock_ns
        self._blocks_per_turn = blocks_per_turn

    async def run(self) -> None:
        """Work until cancelled; other tasks get their turn after each handful of blocks."""
        while True:
            await self._blocks.wait()
            self.turn()
            await asyncio.sleep(0)

    def turn(self) -> int:
        """Work off what waits, within the turn's limit; return the number of blocks."""
        started_ns = self._clock_ns()
        blocks = self._blocks.take(self._blocks_per_turn, started_ns)
        for command in self._processor.on_events(chain.from_iterable(blocks), started_ns):
            try:
                self._submit(command)
            except Unavailable:
                # The lane is full: the position stays known, and the next turn proposes it again.
                self._processor.refused(command)
        self._blocks.stage.busy(started_ns, self._clock_ns(), len(blocks))
        return len(blocks)
