"""Who listens to what."""

from node.ports.api import Channel, Subscriber
from node.types.errors import Overloaded, SlowReader


class Subscriptions:
    """Channels and their subscribers, both ways round; a reader that is too slow is dropped."""

    __slots__ = ("_channels", "_channels_max", "_readers", "cut")

    def __init__(self, channels_max: int) -> None:
        """``channels_max`` bounds the channels of one subscriber."""
        self._channels_max = channels_max
        self._readers: dict[Channel, dict[Subscriber, None]] = {}
        self._channels: dict[Subscriber, set[Channel]] = {}
        self.cut = 0

    def __contains__(self, channel: object) -> bool:
        """Return whether anyone listens to ``channel``."""
        return channel in self._readers

    def __len__(self) -> int:
        """Return the number of subscribers."""
        return len(self._channels)

    def add(self, subscriber: Subscriber, channel: Channel) -> None:
        """Let ``subscriber`` hear ``channel``. Raises ``Overloaded`` past its channels."""
        channels = self._channels.setdefault(subscriber, set())
        if channel not in channels and len(channels) >= self._channels_max:
            raise Overloaded(queue="subscriptions", limit=self._channels_max)
        channels.add(channel)
        self._readers.setdefault(channel, {})[subscriber] = None

    def remove(self, subscriber: Subscriber, channel: Channel) -> None:
        """Let ``subscriber`` hear ``channel`` no more."""
        channels = self._channels.get(subscriber)
        if channels is None or channel not in channels:
            return
        channels.remove(channel)
        if not channels:
            del self._channels[subscriber]
        readers = self._readers[channel]
        del readers[subscriber]
        if not readers:
            del self._readers[channel]

    def leave(self, subscriber: Subscriber) -> None:
        """Forget ``subscriber``."""
        for channel in tuple(self._channels.get(subscriber, ())):
            self.remove(subscriber, channel)

    def push(self, channel: Channel, frame: bytes) -> int:
        """Push ``frame`` to all readers of ``channel``; return how many took it.

        One that cannot keep up has cut itself off; it is forgotten, and the others read on.
        """
        readers = self._readers.get(channel)
        if readers is None:
            return 0
        slow = []
        for subscriber in readers:
            try:
                subscriber.push(frame)
            except SlowReader:
                slow.append(subscriber)
        taken = len(readers) - len(slow)
        for subscriber in slow:
            self.cut += 1
            self.leave(subscriber)
        return taken
