"""The loop that acts: durable blocks in from a mailbox, sealed batches out to settlement.

Three things run side by side: blocks are taken in, whatever is being sealed; a batch that has aged
is closed, though no block comes; and closed batches are sealed one after the other. The replica is
the slow part, and what waits for it is bounded: past ``waiting_batches_max`` no block is taken in,
so the mailbox fills, and its producer knows what to do.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import structlog

from node.batcher.backlog import Backlog
from node.batcher.builder import BatchBuilder, BlockBytes, Candidate
from node.batcher.config import BatcherConfig
from node.batcher.policy import SealCause, SealPolicy
from node.capacity.stage import Stage
from node.codec.commands import command_bytes, encode_block
from node.ports.clock import Clock
from node.ports.mailbox import Inlet, Outlet
from node.ports.replica import Sealer
from node.types.blocks import Batch, Block
from node.types.durable import DurableBlock
from node.types.ids import Sequence
from node.types.units import NS_PER_MS, NS_PER_S

_log = structlog.get_logger(__name__)


class BatcherService:
    """Makes batches until it is stopped; counts in commands.

    ``causes`` counts sealed batches by what sealed them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its neighbours, and the bounds of two of them
        self,
        config: BatcherConfig,
        root_interval: int,
        sealer: Sealer,
        blocks: Inlet[DurableBlock],
        batches: Outlet[Batch],
        clock: Clock,
        on_backlog: Callable[[bool], None],
        next_sequence: Sequence,
        posted_at_once: int,
    ) -> None:
        """Go on with command ``next_sequence``, which ``sealer`` expects next.

        ``on_backlog`` is told each time that the backlog becomes full, or is no longer. Settlement
        has ``posted_at_once`` batches on their way at most.
        """
        self._config = config
        self._policy = SealPolicy(config, root_interval)
        self._builder = BatchBuilder(self._policy, next_sequence)
        self._sealer = sealer
        self._blocks = blocks
        self._batches = batches
        self._clock = clock
        self._on_backlog = on_backlog
        self._posted_at_once = posted_at_once
        self._closed: deque[Candidate] = deque()
        self._opened = asyncio.Event()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._caught_up = False
        self._stopping = False
        self._backlog_told = False
        self.backlog = Backlog(config.backlog_batches_max, config.backlog_bytes_max)
        self.stage = Stage("batcher", capacity=None, held=self._held)
        self.causes = dict.fromkeys(SealCause, 0)

    async def run(self, journaled: Iterable[Block] = ()) -> None:
        """Take in ``journaled`` blocks, which no batch holds yet, then those of the mailbox.

        Batches of an earlier run are in ``backlog`` by now; settlement finds them on the disk.
        Returns once ``stop`` was called and everything is sealed and handed on.
        Raises what the sealer raises: nothing may be posted any more.
        """
        self._tell_backlog()
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._take_in(journaled)),
                group.create_task(self._watch_age()),
            )
            while not (self._stopping and not self._closed):
                await self._work.wait()
                while self._closed:
                    await self._seal(self._closed[0])
                self._work.clear()
            for task in tasks:
                task.cancel()

    def flush(self) -> None:
        """Close the batch under way, whatever its size."""
        self._close(self._builder.close())

    def stop(self) -> None:
        """End ``run`` once all blocks that wait are sealed; their producers have ended before.

        Journaled blocks that were not yet taken in stay in the journal for the next run.
        """
        while self._caught_up and (waiting := self._take()):
            for durable in waiting:
                self._add(durable.block)
        self.flush()
        self._stopping = True
        self._work.set()

    def posted(self, index: int) -> None:
        """Take note that batch ``index`` stands on L1."""
        self.backlog.post(index)
        self._tell_backlog()

    def dropped(self, index: int, data_bytes: int) -> None:
        """Take note that L1 does not have batch ``index``, or no longer: it must be posted."""
        self.backlog.give_back(index, data_bytes)
        self._tell_backlog()

    @property
    def held_bytes(self) -> int:
        """Return the bytes of the blocks that are held, as the replica is given them."""
        closed = sum(batch.load.encoded_bytes for batch in self._closed)
        return self._builder.load.encoded_bytes + closed

    def _held(self) -> int:
        return self._builder.load.commands + sum(batch.load.commands for batch in self._closed)

    async def _take_in(self, journaled: Iterable[Block]) -> None:
        for block in journaled:
            await self._room.wait()
            self._add(block)
            # The journal is read without awaiting; the others need their turn.
            await asyncio.sleep(0)
        self._caught_up = True
        while True:
            await self._blocks.wait()
            await self._room.wait()
            for durable in self._take():
                self._add(durable.block)
            await asyncio.sleep(0)

    def _take(self) -> list[DurableBlock]:
        return self._blocks.take(self._config.blocks_per_turn, self._clock.now_ns())

    async def _watch_age(self) -> None:
        while True:
            await self._opened.wait()
            # Behind as many as are on their way at once nothing is posted sooner for being sealed
            # young, and on a slow chain a trickle of small batches would fill the backlog.
            await self._flowing.wait()
            wait_ns = self._builder.wait_ns(self._clock.now_ns())
            if wait_ns is None:
                self._opened.clear()
            elif wait_ns:
                await asyncio.sleep(wait_ns / NS_PER_S)
            else:
                self._close(self._builder.close_if_aged(self._clock.now_ns()))

    def _add(self, block: Block) -> None:
        encoded = encode_block(block)
        first, last = block.first_sequence, block.last_sequence
        durable = BlockBytes(encoded, command_bytes(block, encoded), first, last)
        self.stage.enter(len(block.commands))
        for candidate in self._builder.add(durable, self._clock.now_ns()):
            self._close(candidate)
        self._opened.set()

    def _close(self, candidate: Candidate | None) -> None:
        if candidate is None:
            return
        self._closed.append(candidate)
        self.backlog.wait(self._policy.data_bytes(candidate.load))
        self._tell_backlog()
        self._work.set()
        if len(self._closed) >= self._config.waiting_batches_max:
            self._room.clear()

    async def _seal(self, candidate: Candidate) -> None:
        started_ns = self._clock.now_ns()
        batch = await self._sealer.seal(
            candidate.encoded, candidate.first_sequence, candidate.cause.value
        )
        sealed, rest = candidate.split(batch.header.last_sequence)
        commands, sealed_ns = sealed.load.commands, self._clock.now_ns()
        self.backlog.seal(batch.header.index, len(batch.data))
        if rest is None:
            self._policy.learn(sealed.load, len(batch.data))
        else:
            self._policy.learn_parted(candidate.load, sealed.load, len(batch.data))
            self.backlog.wait_on(self._policy.data_bytes(rest.load))
        self._tell_backlog()
        self.causes[candidate.cause] += 1
        _log.info(
            "batch_sealed",
            batch=batch.header.index,
            cause=candidate.cause.value,
            commands=commands,
            data_bytes=len(batch.data),
            sealing_ms=(sealed_ns - started_ns) // NS_PER_MS,
        )
        await self._batches.wait_for_room()
        self._batches.offer(batch, self._clock.now_ns())
        self._closed.popleft()
        if rest is not None:
            self._closed.appendleft(rest)
        self.stage.leave(commands)
        self.stage.busy(started_ns, sealed_ns, commands)
        if len(self._closed) < self._config.waiting_batches_max:
            self._room.set()

    def _tell_backlog(self) -> None:
        # One more, so that the next is ready when a place is free.
        if self.backlog.full or self.backlog.batches > self._posted_at_once:
            self._flowing.clear()
        else:
            self._flowing.set()
        if self.backlog.full != self._backlog_told:
            self._backlog_told = self.backlog.full
            _log.warning("backlog", full=self.backlog.full, batches=self.backlog.batches)
            self._on_backlog(self.backlog.full)
