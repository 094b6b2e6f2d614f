"""What every tape is made of, whatever file it came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from node.types.commands import OrderType, Side
from node.types.hashing import keccak256
from node.types.ids import Address, OrderId
from node.types.units import Lots, Ticks


class TapeOp(IntEnum):
    """What a row does.

    NEW, REDUCE and CANCEL are commands, as somebody sent them; they name resting orders. REMAIN is
    an outcome, as a feed tells it: the order has at most this size left (0: it is gone), which our
    own matching may have brought about already.
    """

    NEW = 0
    REDUCE = 1
    CANCEL = 2
    REMAIN = 3


class TapeEvent(msgspec.Struct, frozen=True, gc=False):
    """One row, in the tape's ticks and lots; ``line`` is its place in the file, from 1.

    ``side``, ``price``, ``type`` and ``account`` mean something for NEW alone. ``size`` is the
    order's, for REDUCE what is taken off, for REMAIN what is left. ``maker``: the file says that
    this NEW order executed against that one (0: it says nothing).
    """

    time_ns: int
    op: TapeOp
    id: OrderId
    line: int
    side: Side = Side.BUY
    price: Ticks = Ticks(0)
    size: Lots = Lots(0)
    type: OrderType = OrderType.GTC
    account: Address = Address(b"")
    maker: OrderId = OrderId(0)


class OrderNames:
    """Numbers for order ids that are not numbers, and the way back."""

    def __init__(self) -> None:
        self._numbers: dict[str, OrderId] = {}
        self._texts: dict[OrderId, str] = {}

    def number(self, text: str) -> OrderId:
        """Return the id written as ``text``: itself if a plain number, else -1, -2, … in turn."""
        if text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0"):
            return OrderId(int(text))
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = OrderId(-1 - len(self._numbers))
            self._texts[number] = text
        return number

    def text(self, number: OrderId) -> str:
        """Return how the file writes the id ``number``."""
        return self._texts.get(number) or str(number)


@dataclass(frozen=True)
class Tape:
    """An open tape: its events, read as they are asked for, and how its numbers are to be read."""

    events: Iterator[TapeEvent]
    tick_decimals: int
    lot_decimals: int
    names: OrderNames


def account_of(name: str) -> Address:
    """Return an account for whoever the file calls ``name``: 20 bytes of its hash.

    Files without accounts name the order instead. Every order then is an account of its own, so
    that self-trade prevention stays idle, as it must where the fills of a real venue are known.
    """
    return Address(keccak256(name.encode())[-20:])
