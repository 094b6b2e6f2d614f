"""The loop that acts: durable blocks in from a mailbox, proposals out to the sequencer."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import structlog

from node.capacity.stage import Stage
from node.ports.clock import Clock
from node.ports.mailbox import Inlet
from node.risk.balancer import Balancer
from node.risk.fleet import RiskFleet
from node.types.commands import Liquidate
from node.types.durable import DurableBlock
from node.types.errors import Unavailable
from node.types.events import Event
from node.types.units import NS_PER_MS

_log = structlog.get_logger(__name__)


class BlockInlet(Inlet[DurableBlock], Protocol):
    """Where durable blocks arrive, in order; taking one counts it out of ``stage``."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue."""
        ...


class RiskService:
    """Runs a fleet until it is cancelled, and moves its markets between two turns."""

    def __init__(
        self,
        fleet: RiskFleet,
        balancer: Balancer,
        blocks: BlockInlet,
        submit: Callable[[Liquidate], None],
        hasten: Callable[[], None],
        clock: Clock,
        blocks_per_turn: int,
    ) -> None:
        """Wire the loop; ``submit`` queues a command or raises ``Unavailable``.

        ``hasten`` is called once all that a turn proposes is queued.
        """
        self._fleet = fleet
        self._balancer = balancer
        self._blocks = blocks
        self._submit = submit
        self._hasten = hasten
        self._clock = clock
        self._blocks_per_turn = blocks_per_turn

    async def run(self) -> None:
        """Work until cancelled; other tasks get their turn after each handful of blocks."""
        while True:
            await self._blocks.wait()
            await self.turn()
            await asyncio.sleep(0)

    async def turn(self) -> int:
        """Work off what waits, within the turn's limit; return the number of blocks."""
        started_ns = self._clock.now_ns()
        blocks = self._blocks.take(self._blocks_per_turn, started_ns)
        # Delays count from the log's times, which the wall clock gave: milliseconds.
        unix_ns = self._clock.now_ms() * NS_PER_MS
        proposals = await self._fleet.on_events(_events_of(blocks), unix_ns)
        refused = [command for command in proposals if not self._is_queued(command)]
        self._blocks.stage.busy(started_ns, self._clock.now_ns(), len(blocks))
        if proposals:
            self._hasten()
        for command in refused:
            await self._fleet.refused(command)
        if self._balancer.due:
            for move in self._balancer.plan(self._blocks.stage.held()):
                _log.info("market_moved", market=move.market, source=move.source, to=move.target)
                await self._fleet.move(move.market, move.target)
        return len(blocks)

    def _is_queued(self, command: Liquidate) -> bool:
        """Propose ``command``; False: the lane is full, and the next turn proposes it again."""
        try:
            self._submit(command)
        except Unavailable:
            return False
        return True


def _events_of(blocks: Iterable[DurableBlock]) -> Iterator[Event]:
    for block in blocks:
        for events in block.events:
            yield from events
