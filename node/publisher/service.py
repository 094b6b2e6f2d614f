"""The loop that tells: durable blocks in from a mailbox, messages out to whoever listens.

Everything pushed in one turn of the event loop reaches a reader in one write (the connection sees
to that); a message is encoded and framed once for all readers of its channel.
"""

import asyncio
from typing import Protocol

from node.capacity.stage import Stage
from node.ports.api import Channel, Subscriber
from node.ports.clock import Clock
from node.ports.mailbox import Inlet
from node.publisher.config import PublisherConfig
from node.publisher.feeds import FINALITY, Feeds
from node.publisher.finality import Cursors
from node.publisher.history import History
from node.publisher.subscriptions import Subscriptions
from node.types.durable import DurableBlock
from node.types.ids import Address, Sequence
from node.types.units import Millis


class BlockInlet(Inlet[DurableBlock], Protocol):
    """Where durable blocks arrive, in order; taking one counts it out of ``stage``."""

    @property
    def stage(self) -> Stage:
        """The counters of the queue."""
        ...


class Publisher:
    """Follows the log and tells of it; keeps the recent past and the cursors of L1."""

    def __init__(
        self,
        feeds: Feeds,
        blocks: BlockInlet,
        clock: Clock,
        config: PublisherConfig,
        sequence: Sequence,
    ) -> None:
        """Begin with ``feeds`` that stand at ``sequence``."""
        self._feeds = feeds
        self._blocks = blocks
        self._clock = clock
        self._config = config
        self._subscriptions = Subscriptions(config.channels_per_subscriber)
        self.history = History(config.history_commands)
        self.cursors = Cursors()
        self.last_sequence = sequence
        self.pushed = 0

    @property
    def subscribers(self) -> int:
        """Return how many listen to anything."""
        return len(self._subscriptions)

    @property
    def slow_readers(self) -> int:
        """Return how many were cut because they did not read."""
        return self._subscriptions.cut

    async def run(self) -> None:
        """Work until cancelled; other tasks get their turn after each handful of blocks."""
        while True:
            await self._blocks.wait()
            self.turn()
            await asyncio.sleep(0)

    def turn(self) -> int:
        """Tell of the blocks that wait, within the turn's limit; return how many they were."""
        started_ns = self._clock.now_ns()
        blocks = self._blocks.take(self._config.blocks_per_turn, started_ns)
        for block in blocks:
            self.history.add(block)
            self.last_sequence = block.block.last_sequence
            for channel, frame in self._feeds.take(block, self._subscriptions):
                self.pushed += self._subscriptions.push(channel, frame)
        self._blocks.stage.busy(started_ns, self._clock.now_ns(), len(blocks))
        return len(blocks)

    def replayed(self, block: DurableBlock) -> None:
        """Keep a block that recovery replayed, for its receipts; the mirrors were seeded later."""
        self.history.add(block)

    def set_cursors(self, cursors: Cursors) -> None:
        """Note how far L1 has come, and tell. Raises ``TransitionImpossible``."""
        before, self.cursors = self.cursors, self.cursors.moved(cursors)
        if self.cursors != before and FINALITY in self._subscriptions:
            frame = self._feeds.finality(self.cursors)
            self.pushed += self._subscriptions.push(FINALITY, frame)

    def wants(self, channel: Channel) -> bool:
        """Return whether anyone listens to ``channel``."""
        return channel in self._subscriptions

    def tell(self, channel: Channel, frame: bytes) -> None:
        """Push ``frame``, which is not of the log, to whoever listens; slow readers are cut."""
        self.pushed += self._subscriptions.push(channel, frame)

    def subscribe(self, subscriber: Subscriber, channel: Channel) -> tuple[bytes, ...]:
        """See ``node.ports.api.Feeds``. Raises ``Overloaded`` past the channels of one."""
        self._subscriptions.add(subscriber, channel)
        if channel == FINALITY:
            return (self._feeds.finality(self.cursors),)
        return self._feeds.standing(channel)

    def unsubscribe(self, subscriber: Subscriber, channel: Channel) -> None:
        """See ``node.ports.api.Feeds``."""
        self._subscriptions.remove(subscriber, channel)

    def leave(self, subscriber: Subscriber) -> None:
        """See ``node.ports.api.Feeds``."""
        self._subscriptions.leave(subscriber)

    def may_act(self, account: Address, signer: Address, now: Millis) -> bool:
        """See ``node.ports.api.Feeds``."""
        return self._feeds.accounts.may_act(account, signer, now)
