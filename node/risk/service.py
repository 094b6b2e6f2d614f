"""The loop that acts: durable blocks in from a mailbox, proposals out to the sequencer."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from node.capacity.stage import Stage
from node.ports.clock import Clock
from node.ports.mailbox import Inlet
from node.risk.processor import RiskProcessor
from node.types.commands import Liquidate
from node.types.durable import DurableBlock
from node.types.errors import Unavailable
from node.types.events import Event

_NANOS_PER_MILLI = 1_000_000


class BlockInlet(Inlet[DurableBlock], Protocol):
    """Where durable blocks arrive, in order; taking one counts it out of ``stage``."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue."""
        ...


class RiskService:
    """Runs a processor until it is cancelled.

    Between taking blocks and handing in what they call for nothing is awaited, so a cancellation
    never falls in between, and no block is taken that is not worked off.
    """

    def __init__(
        self,
        processor: RiskProcessor,
        blocks: BlockInlet,
        submit: Callable[[Liquidate], None],
        clock: Clock,
        blocks_per_turn: int,
    ) -> None:
        """Wire the loop; ``submit`` queues a command or raises ``Unavailable``."""
        self._processor = processor
        self._blocks = blocks
        self._submit = submit
        self._clock = clock
        self._blocks_per_turn = blocks_per_turn

    async def run(self) -> None:
        """Work until cancelled; other tasks get their turn after each handful of blocks."""
        while True:
            await self._blocks.wait()
            self.turn()
            await asyncio.sleep(0)

    def turn(self) -> int:
        """Work off what waits, within the turn's limit; return the number of blocks."""
        started_ns = self._clock.now_ns()
        blocks = self._blocks.take(self._blocks_per_turn, started_ns)
        # Delays count from the log's times, which the wall clock gave: milliseconds.
        unix_ns = self._clock.now_ms() * _NANOS_PER_MILLI
        for command in self._processor.on_events(_events_of(blocks), unix_ns):
            try:
                self._submit(command)
            except Unavailable:
                # The lane is full: the position stays known, and the next turn proposes it again.
                self._processor.refused(command)
        self._blocks.stage.busy(started_ns, self._clock.now_ns(), len(blocks))
        return len(blocks)


def _events_of(blocks: Iterable[DurableBlock]) -> Iterator[Event]:
    for block in blocks:
        for events in block.events:
            yield from events
