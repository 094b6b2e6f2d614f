"""The loop that acts: durable blocks and the time in, proposals out to the sequencer."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from node.capacity.stage import Stage
from node.ports.clock import Clock
from node.ports.intake import Deliver
from node.ports.mailbox import Inlet
from node.triggers.config import TriggersConfig
from node.triggers.due import DueBook, Proposal
from node.types.commands import TriggerOrder
from node.types.durable import DurableBlock, Executed, Outcome
from node.types.errors import AuctionFull, PlimsollError, Unavailable, UnknownOrder
from node.types.events import Rejected
from node.types.ids import Address
from node.types.lanes import Lane

_LONGEST_S = 1.0
"""The wall clock may be set: no sleep relies on it for longer."""

Submit = Callable[[Proposal, Lane, Deliver], None]
"""Queues a proposal or raises ``Unavailable``; the last is called with what became of it."""


class BlockInlet(Inlet[DurableBlock], Protocol):
    """Where durable blocks arrive, in order; taking one counts it out of ``stage``."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue."""
        ...


class TriggerService:
    """Runs the clocks of orders until it is cancelled."""

    def __init__(
        self,
        book: DueBook,
        blocks: BlockInlet,
        submit: Submit,
        clock: Clock,
        config: TriggersConfig,
    ) -> None:
        """Own ``book`` from now on. Nobody is connected at the start."""
        self._book = book
        self._blocks = blocks
        self._submit = submit
        self._clock = clock
        self._config = config
        self.proposed = 0
        self.refused = 0
        """Proposals that the transition refused, or for which a lane had no room."""
        book.all_left(clock.now_ms())

    @property
    def watched(self) -> int:
        """Return how many orders wait for a price or a time."""
        return len(self._book)

    def connected(self, account: Address) -> None:
        """Note that ``account`` has logged in."""
        self._book.returned(account)

    def disconnected(self, account: Address) -> None:
        """Note that the last connection of ``account`` has ended."""
        self._book.left(account, self._clock.now_ms())

    async def run(self) -> None:
        """Work until cancelled; other tasks get their turn after each handful of blocks."""
        while True:
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._blocks.wait()
            except TimeoutError:
                pass
            self.turn()
            await asyncio.sleep(0)

    def turn(self) -> int:
        """Work off what waits, within the turn's limit; return the number of blocks."""
        started_ns = self._clock.now_ns()
        blocks = self._blocks.take(self._config.blocks_per_turn, started_ns)
        for block in blocks:
            self._book.take(block)
        now_ms = self._clock.now_ms()
        for proposal in self._book.proposals(now_ms, self._config.proposals_per_turn):
            self._propose(proposal)
        if blocks:
            self._blocks.stage.busy(started_ns, self._clock.now_ns(), len(blocks))
        return len(blocks)

    def _pause_s(self) -> float:
        if self._book.met:
            return 0.0
        next_ms = self._book.next_ms
        if next_ms is None:
            return _LONGEST_S
        return min(max((next_ms - self._clock.now_ms()) / 1_000, 0.0), _LONGEST_S)

    def _propose(self, proposal: Proposal) -> None:
        self.proposed += 1
        try:
            self._submit(proposal, self._book.lane_of(proposal), partial(self._told, proposal))
        except Unavailable:
            self._take_back(proposal)

    def _told(self, proposal: Proposal, outcome: Outcome | PlimsollError) -> None:
        if isinstance(outcome, Executed):
            return
        if isinstance(outcome, Rejected) and outcome.code != AuctionFull.code:
            self.refused += 1
            # An order that is gone tells so by its own event; any other waits for the next mark.
            if isinstance(proposal, TriggerOrder) and outcome.code != UnknownOrder.code:
                self._book.not_met(proposal)
        else:
            self._take_back(proposal)

    def _take_back(self, proposal: Proposal) -> None:
        """Let it be proposed again: there was no room, in a lane or in the auction of a block."""
        self.refused += 1
        self._book.not_queued(proposal, self._clock.now_ms() + self._config.retry_ms)
