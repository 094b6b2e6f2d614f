"""What the publisher tells: one frame on one channel, and its place in the channel's chain."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from node.ports.api import Channel
from node.publisher.book_mirror import Levels
from node.types.ids import Sequence
from node.types.rules import MarketRules
from node.types.units import decimal_from_units

Fields = dict[str, Any]

Frame = Callable[[bytes], bytes]
"""Makes of a JSON text what goes over the wire; done once for all who read it."""

_encode = msgspec.json.Encoder().encode


class Message(msgspec.Struct, frozen=True, gc=False):
    """``prev_seq`` is the ``seq`` of the message before, or its own where there is no chain."""

    channel: Channel
    frame: bytes
    seq: Sequence
    prev_seq: Sequence


class Framer:
    """Writes the fields of messages as frames."""

    __slots__ = ("_frame",)

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def frame(self, fields: Fields) -> bytes:
        """Return the frame that holds ``fields`` as JSON."""
        return self._frame(_encode(fields))

    def link(self, channel: Channel, seq: Sequence, prev_seq: Sequence, fields: Fields) -> Message:
        """Return ``fields`` as the message ``seq``, which follows ``prev_seq``."""
        return Message(channel, self.frame(fields), seq, prev_seq)


def joined(texts: Iterable[bytes]) -> msgspec.Raw:
    """Return the array of ``texts``, which are JSON already."""
    return msgspec.Raw(b"[" + b",".join(texts) + b"]")


@lru_cache(16_384)
def shown(units: int, decimals: int) -> str:
    """Return a price or size as text. The same few come again and again, block after block."""
    return decimal_from_units(units, decimals)


def shown_levels(levels: Levels, market: MarketRules) -> list[tuple[str, str]]:
    """Return (price, size) of each level as text."""
    tick, lot = market.tick_decimals, market.lot_decimals
    return [(shown(price, tick), shown(size, lot)) for price, size in levels]
