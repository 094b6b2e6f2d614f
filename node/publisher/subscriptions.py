"""Who listens to what, and who cannot keep up.

A reader that is behind on a channel whose newest message tells all (``CONFLATED``) is set aside: it
is told nothing more there until it has caught up, and then how things stand. On every other channel
it must hear each message, and is cut once too much waits for it. One who is told a large snapshot
is set aside too, on any channel, until it has all parts. Nobody waits for it either way.
"""

from collections.abc import Iterable

from node.ports.api import CONFLATED, Channel, Subscriber
from node.publisher.telling import Snapshots, Telling
from node.types.errors import Overloaded, SlowReader

_Readers = dict[Channel, dict[Subscriber, Telling | None]]
"""``Telling``: what one who is set aside is told at the moment; None: nothing was begun."""


class Subscriptions:
    """Channels and their subscribers, both ways round; ``cut`` and ``conflated`` count readers."""

    __slots__ = ("_behind", "_channels", "_channels_max", "_readers", "conflated", "cut")

    def __init__(self, channels_max: int) -> None:
        """``channels_max`` bounds the channels of one subscriber."""
        self._channels_max = channels_max
        self._readers: _Readers = {}
        self._behind: _Readers = {}
        self._channels: dict[Subscriber, set[Channel]] = {}
        self.cut = 0
        self.conflated = 0

    def __contains__(self, channel: object) -> bool:
        """Return whether anyone listens to ``channel`` and keeps up."""
        return channel in self._readers

    def __len__(self) -> int:
        """Return the number of subscribers."""
        return len(self._channels)

    def any_behind(self, channel: Channel | None = None) -> bool:
        """Return whether anyone waits to be told how ``channel`` stands (None: any channel)."""
        return bool(self._behind) if channel is None else channel in self._behind

    def add(self, subscriber: Subscriber, channel: Channel) -> None:
        """Let ``subscriber`` hear ``channel``. Raises ``Overloaded`` past its channels.

        The caller tells it how the channel stands, so that it is behind no more.
        """
        channels = self._channels.setdefault(subscriber, set())
        if channel not in channels and len(channels) >= self._channels_max:
            raise Overloaded(queue="subscriptions", limit=self._channels_max)
        channels.add(channel)
        _take(self._behind, channel, subscriber)
        self._readers.setdefault(channel, {})[subscriber] = None

    def remove(self, subscriber: Subscriber, channel: Channel) -> None:
        """Let ``subscriber`` hear ``channel`` no more."""
        channels = self._channels.get(subscriber)
        if channels is None or channel not in channels:
            return
        channels.remove(channel)
        if not channels:
            del self._channels[subscriber]
        _take(self._readers, channel, subscriber)
        _take(self._behind, channel, subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget ``subscriber``."""
        for channel in tuple(self._channels.get(subscriber, ())):
            self.remove(subscriber, channel)

    def push(self, channel: Channel, frame: bytes) -> int:
        """Push ``frame`` to all readers of ``channel``; return how many took it.

        One that cannot keep up is set aside, or has cut itself off; the others read on.
        """
        readers = self._readers.get(channel)
        if readers is None:
            return 0
        if channel.kind in CONFLATED:
            self._set_aside(channel, [reader for reader in readers if reader.behind])
        return self._push((frame,), tuple(readers))

    def go_on(self, subscriber: Subscriber, channel: Channel, telling: Telling) -> None:
        """Set ``subscriber`` aside until it has heard all parts of ``telling``."""
        _take(self._readers, channel, subscriber)
        self._behind.setdefault(channel, {})[subscriber] = telling

    def catch_up(self, snapshots: Snapshots) -> int:
        """Tell those who are set aside and have room how things stand; return how many took it.

        Who has heard all of it hears what happened since, and every message from there.
        """
        taken = 0
        for channel, waiting in tuple(self._behind.items()):
            for reader, begun in tuple(waiting.items()):
                if not reader.behind:
                    taken += self._tell(reader, channel, begun, snapshots)
        return taken

    def _tell(
        self, reader: Subscriber, channel: Channel, begun: Telling | None, snapshots: Snapshots
    ) -> int:
        if begun is None:
            self.conflated += 1
        if begun is None or snapshots.rest(channel, begun) is None:
            begun = snapshots.begin(channel)
            self.go_on(reader, channel, begun)
        while not begun.done and not reader.behind:
            if not self._push((begun.next(),), (reader,)):
                return 0
        if not begun.done:
            return 0
        since = snapshots.rest(channel, begun)
        if since is None:
            # Too much happened while it was told: it begins anew, with what is true by now.
            self.go_on(reader, channel, snapshots.begin(channel))
            return 0
        _take(self._behind, channel, reader)
        self._readers.setdefault(channel, {})[reader] = None
        return self._push(since, (reader,))

    def _set_aside(self, channel: Channel, slow: list[Subscriber]) -> None:
        for reader in slow:
            _take(self._readers, channel, reader)
            self._behind.setdefault(channel, {})[reader] = None

    def _push(self, frames: tuple[bytes, ...], readers: Iterable[Subscriber]) -> int:
        taken = 0
        for subscriber in readers:
            try:
                for frame in frames:
                    subscriber.push(frame)
            except SlowReader:
                self.cut += 1
                self.leave(subscriber)
            else:
                taken += 1
        return taken


def _take(readers: _Readers, channel: Channel, subscriber: Subscriber) -> None:
    """Take ``subscriber`` out of those of ``channel``, if it is there."""
    of_channel = readers.get(channel)
    if of_channel is not None and subscriber in of_channel:
        del of_channel[subscriber]
        if not of_channel:
            del readers[channel]
