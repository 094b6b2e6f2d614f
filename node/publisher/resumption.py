"""What was told lately, so that a reader who comes back hears what it missed and no more.

A channel is remembered from its first reader on. After the last one has left it is remembered for
as many messages as are kept of it at all: by then nobody who left could pick up the thread, and
nothing is written any more for a channel that nobody hears.
"""

from collections import deque
from typing import Final

from node.ports.api import Channel
from node.publisher.config import PublisherConfig
from node.publisher.message import Message
from node.types.ids import Sequence

CHANNEL_BYTES: Final = 1_024
"""What a channel counts for beside its messages, so that many silent ones are bounded as well."""


class _Ring:
    """The last messages of one channel, oldest first."""

    __slots__ = ("messages", "size", "unheard")

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.size = CHANNEL_BYTES
        self.unheard = 0


class RecentMessages:
    """The last messages of each channel that has, or had lately, a reader."""

    __slots__ = ("_config", "_rings", "size")

    def __init__(self, config: PublisherConfig) -> None:
        """``config`` bounds messages and bytes of one channel, and the bytes of all."""
        self._config = config
        # In the order of their last message: the first has been quiet for the longest.
        self._rings: dict[Channel, _Ring] = {}
        self.size = 0

    def __contains__(self, channel: object) -> bool:
        """Return whether the messages of ``channel`` are remembered."""
        return channel in self._rings

    def open(self, channel: Channel) -> None:
        """Remember ``channel`` from now on."""
        if channel not in self._rings:
            self._rings[channel] = _Ring()
            self.size += CHANNEL_BYTES
            self._forget_quiet()

    def add(self, message: Message, *, heard: bool) -> None:
        """Remember a message of a channel that is open or was ``heard`` by somebody just now."""
        if heard:
            self.open(message.channel)
        ring = self._rings.pop(message.channel, None)
        if ring is None:
            return
        ring.unheard = 0 if heard else ring.unheard + 1
        if ring.unheard >= self._config.resume_messages:
            self.size -= ring.size
            return
        self._rings[message.channel] = ring
        ring.messages.append(message)
        self._grow(ring, len(message.frame))
        while (
            len(ring.messages) > self._config.resume_messages
            or ring.size > self._config.resume_bytes + CHANNEL_BYTES
        ):
            self._grow(ring, -len(ring.messages.popleft().frame))
        self._forget_quiet()

    def since(self, channel: Channel, sequence: Sequence) -> tuple[bytes, ...] | None:
        """Return the frames that followed message ``sequence``; None where that is forgotten."""
        ring = self._rings.get(channel)
        missed: list[bytes] = []
        for message in reversed(ring.messages) if ring is not None else ():
            missed.append(message.frame)
            if message.prev_seq == sequence:
                return tuple(reversed(missed))
            if message.prev_seq < sequence:
                break
        return None

    def _grow(self, ring: _Ring, size: int) -> None:
        ring.size += size
        self.size += size

    def _forget_quiet(self) -> None:
        while self.size > self._config.resume_bytes_all:
            quietest = next(iter(self._rings))
            self.size -= self._rings.pop(quietest).size
