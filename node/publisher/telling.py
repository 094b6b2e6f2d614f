"""How a channel stands, told to one reader in parts, each once the reader has room for it.

A large book is more than an outbox holds, and a reader who got all of it at once would be cut, at
every try. So it gets the parts as it reads, and then what has happened since. Readers who begin
while a large snapshot is still good (what followed it is remembered) share that one: what is held
for them does not grow with their number.
"""

from collections.abc import Callable, Iterator
from typing import Final

from node.ports.api import Channel
from node.publisher.message import Fields, joined
from node.types.ids import Sequence

PART_BYTES: Final = 16_384
"""Some 600 orders: a part of a snapshot has one entry more at most, and fits the least outbox."""

_BETWEEN: Final = b"],["

Frames = tuple[bytes, ...]


def in_parts(snapshot: Fields) -> list[Fields]:
    """Return a snapshot of a book in parts, bids first; one that is not large is its only part.

    ``bids`` and ``asks`` are JSON already: arrays of arrays of numbers, and of texts of numbers.
    """
    bids, asks = bytes(snapshot["bids"]), bytes(snapshot["asks"])
    if len(bids) + len(asks) <= PART_BYTES:
        return [snapshot]
    nothing = {"bids": joined(()), "asks": joined(())}
    sides = [{"bids": joined((piece,))} for piece in _pieces(bids)]
    sides += [{"asks": joined((piece,))} for piece in _pieces(asks)]
    return [
        {**snapshot, "part": part, "parts": len(sides), **nothing, **side}
        for part, side in enumerate(sides, start=1)
    ]


def _pieces(array: bytes) -> Iterator[bytes]:
    """Yield the entries of ``array``, as many at once as a part may hold."""
    start, last = 1, len(array) - 1
    while start < last:
        between = array.find(_BETWEEN, start + PART_BYTES, last)
        end = last if between < 0 else between + 1
        yield array[start:end]
        start = end + 1


class Telling:
    """The snapshot ``frames`` after message ``seq``; the first ``told`` of them were told."""

    __slots__ = ("frames", "seq", "told")

    def __init__(self, frames: Frames, seq: Sequence) -> None:
        self.frames = frames
        self.seq = seq
        self.told = 0

    @property
    def done(self) -> bool:
        """Return whether every part was told."""
        return self.told == len(self.frames)

    def next(self) -> bytes:
        """Return the next part, which then counts as told."""
        self.told += 1
        return self.frames[self.told - 1]


class Snapshots:
    """Begins tellings, and knows which of them are still good."""

    __slots__ = ("_first", "_large", "_missed", "_sequence")

    def __init__(
        self,
        first: Callable[[Channel], Frames],
        sequence: Callable[[Channel], Sequence],
        missed: Callable[[Channel, Sequence], Frames | None],
    ) -> None:
        """``first`` are the frames of a channel as it stands, after its message ``sequence``.

        ``missed`` is what followed a message, None where that is forgotten.
        """
        self._first = first
        self._sequence = sequence
        self._missed = missed
        self._large: dict[Channel, Telling] = {}

    def begin(self, channel: Channel) -> Telling:
        """Return a telling of ``channel`` of which nothing was told."""
        known = self._large.get(channel)
        if known is not None and self._missed(channel, known.seq) is not None:
            return Telling(known.frames, known.seq)
        frames = self._first(channel)
        if len(frames) <= 1:
            self._large.pop(channel, None)
            return Telling(frames, Sequence(0))
        telling = self._large[channel] = Telling(frames, self._sequence(channel))
        return Telling(frames, telling.seq)

    def rest(self, channel: Channel, telling: Telling) -> Frames | None:
        """Return what happened since a snapshot in parts; None where that is forgotten."""
        return self._missed(channel, telling.seq) if len(telling.frames) > 1 else ()

    def forget(self) -> None:
        """Nobody is being told anything in parts."""
        self._large.clear()
