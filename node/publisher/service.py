"""The loop that tells: durable blocks in from a mailbox, messages out to whoever listens.

Everything pushed in one turn of the event loop reaches a reader in one write (the connection sees
to that); a message is encoded and framed once for all readers of its channel.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from node.capacity.stage import Stage
from node.ports.api import RESUMABLE, Channel, Opening, Subscriber
from node.ports.clock import Clock
from node.ports.mailbox import Inlet
from node.publisher.config import PublisherConfig
from node.publisher.feeds import FINALITY, Feeds
from node.publisher.finality import Cursors
from node.publisher.history import History
from node.publisher.message import Message
from node.publisher.resumption import RecentMessages
from node.publisher.subscriptions import Subscriptions
from node.publisher.telling import Snapshots
from node.types.durable import DurableBlock
from node.types.errors import Overloaded, SinceAhead
from node.types.ids import Address, Sequence
from node.types.units import Millis

WAITING_MAX: Final = 256
"""How many wait at most until what they rest on is told of."""
MEND_S: Final = 0.05
"""How soon a reader that has caught up is told how things stand, where no block comes before."""


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
        self.feeds = feeds
        self._blocks = blocks
        self._clock = clock
        self._config = config
        self._subscriptions = Subscriptions(config.channels_per_subscriber)
        self._recent = RecentMessages(config)
        self._sources: dict[Channel, Callable[[], bytes]] = {}
        self._snapshots = Snapshots(self._first, feeds.sequence, self._missed)
        self._mending: asyncio.TimerHandle | None = None
        self.history = History(config.history_commands)
        self.cursors = Cursors()
        self._moves = 0
        self.last_sequence = sequence
        # Who waits to be told of a sequence; it only grows, so the first waits for the least.
        self._waiting: deque[tuple[Sequence, asyncio.Future[None]]] = deque()

    @property
    def subscribers(self) -> int:
        """Return how many listen to anything."""
        return len(self._subscriptions)

    @property
    def slow_readers(self) -> int:
        """Return how many were cut because they did not read."""
        return self._subscriptions.cut

    @property
    def conflated(self) -> int:
        """Return how often a reader that was behind was told how a channel stands instead."""
        return self._subscriptions.conflated

    @property
    def remembered_bytes(self) -> int:
        """Return what the messages take that a reader who comes back may be told."""
        return self._recent.size

    def __contains__(self, channel: object) -> bool:
        """Return whether messages of ``channel`` are wanted: now, or by one who may come back."""
        return channel in self._subscriptions or channel in self._recent

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
            for message in self.feeds.take(block, self):
                self._tell(message)
        self._mend()
        while self._waiting and self._waiting[0][0] <= self.last_sequence:
            _, told = self._waiting.popleft()
            if not told.done():  # Whoever waited has gone.
                told.set_result(None)
        self._blocks.stage.busy(started_ns, self._clock.now_ns(), len(blocks))
        return len(blocks)

    async def told(self, sequence: Sequence) -> None:
        """Return once command ``sequence``, which is the newest, is durable and was told of.

        Raises ``Overloaded`` where ``WAITING_MAX`` wait already: a disk that hangs holds all up.
        """
        if sequence > self.last_sequence:
            if len(self._waiting) >= WAITING_MAX:
                raise Overloaded(queue="previews", limit=WAITING_MAX)
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((sequence, future))
            await future

    def replayed(self, block: DurableBlock) -> None:
        """Keep a block that recovery replayed, for its receipts; the mirrors were seeded later."""
        self.history.add(block)

    def set_cursors(self, cursors: Cursors) -> None:
        """Note how far L1 has come, and tell. Raises ``TransitionImpossible``."""
        before, self.cursors = self.cursors, self.cursors.moved(cursors)
        if self.cursors == before:
            return
        self._moves += 1
        if FINALITY in self._subscriptions:
            self._subscriptions.push(FINALITY, self.feeds.finality(self.cursors, self._moves))
            self._mend()

    def add_source(self, channel: Channel, frame: Callable[[], bytes]) -> None:
        """Let ``frame`` write how ``channel``, which is not of the log, stands at the moment."""
        self._sources[channel] = frame

    def tell(self, channel: Channel) -> None:
        """Push how a channel with a source stands, if anyone listens to it."""
        if channel in self._subscriptions:
            self._subscriptions.push(channel, self._sources[channel]())
            self._mend()

    def subscribe(
        self, subscriber: Subscriber, channel: Channel, since: Sequence | None = None
    ) -> Opening:
        """See ``node.ports.api.Feeds``."""
        if since is not None and since > self.last_sequence:
            raise SinceAhead(since=since, last=self.last_sequence)
        self._subscriptions.add(subscriber, channel)
        if channel.kind in RESUMABLE:
            self._recent.open(channel)
            # One that is behind already would be cut by all that it missed, again and again.
            if since is not None and not subscriber.behind:
                missed = self._missed(channel, since)
                if missed is not None:
                    return Opening(missed, resumed=True)
        if channel.kind not in RESUMABLE:
            return Opening(self._first(channel), resumed=False)
        telling = self._snapshots.begin(channel)
        if len(telling.frames) <= 1:
            return Opening(telling.frames, resumed=False)
        # The other parts come as there is room, and what happens meanwhile after them.
        first = telling.next()
        self._subscriptions.go_on(subscriber, channel, telling)
        self._mend_after(0)
        return Opening((first,), resumed=False)

    def unsubscribe(self, subscriber: Subscriber, channel: Channel) -> None:
        """See ``node.ports.api.Feeds``."""
        self._subscriptions.remove(subscriber, channel)

    def leave(self, subscriber: Subscriber) -> None:
        """See ``node.ports.api.Feeds``."""
        self._subscriptions.leave(subscriber)

    def _tell(self, message: Message) -> None:
        taken = self._subscriptions.push(message.channel, message.frame)
        if message.channel.kind in RESUMABLE:
            heard = bool(taken) or self._subscriptions.any_behind(message.channel)
            self._recent.add(message, heard=heard)

    def _missed(self, channel: Channel, since: Sequence) -> tuple[bytes, ...] | None:
        """Return what was told after message ``since``; None where that is not known any more."""
        if since == self.feeds.sequence(channel):
            return ()
        return self._recent.since(channel, since)

    def _first(self, channel: Channel) -> tuple[bytes, ...]:
        """Return the frames of one who has heard nothing of ``channel`` yet, or fallen behind."""
        if channel == FINALITY:
            return (self.feeds.finality(self.cursors, self._moves),)
        source = self._sources.get(channel)
        return self.feeds.standing(channel) if source is None else (source(),)

    def _mend(self) -> None:
        """Tell those who have caught up how things stand; look again soon while some have not."""
        if self._subscriptions.any_behind():
            self._subscriptions.catch_up(self._snapshots)
        if self._subscriptions.any_behind():
            self._mend_after(MEND_S)
        else:
            self._snapshots.forget()

    def _mend_after(self, pause_s: float) -> None:
        if self._mending is None:
            self._mending = asyncio.get_running_loop().call_later(pause_s, self._mend_later)

    def _mend_later(self) -> None:
        self._mending = None
        self._mend()

    def may_act(self, account: Address, signer: Address, now: Millis) -> bool:
        """See ``node.ports.api.Feeds``."""
        return self.feeds.accounts.may_act(account, signer, now)
