"""What the sequencer hands on once a block can no longer be lost.

``DurableBlock`` goes to the stations behind it, ``Executed`` to the one who sent the command, and a
``Receipt`` is what that sender may keep: a promise that can be checked without the exchange.
"""

import msgspec

from node.types.blocks import Block
from node.types.events import Event, Rejected
from node.types.ids import Sequence
from node.types.units import Millis


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The place of one action in the chain of its block, and the sequencer's signature over that.

    ``link`` is the chained hash *before* the action, ``action`` its id. ``following`` are the ids
    after it in the block, None where they were not asked for: with them the block's hash can be
    recomputed from the action, without them the receipt only names the signed block.
    """

    sequence: Sequence
    number: int
    time: Millis
    first_sequence: Sequence
    count: int
    action: bytes
    link: bytes
    following: tuple[bytes, ...] | None
    hash: bytes
    signature: bytes


class DurableBlock(msgspec.Struct, frozen=True, gc=False):
    """A block that is in the journal, with what it did.

    ``events[i]`` are those of ``block.commands[i]``. ``links[i]`` is the chained hash before
    command ``i``; the last link closes the chain. ``leaves`` are the state-tree leaves that the
    block changed (None: gone); whoever keeps a tree of its own needs nothing else.
    """

    block: Block
    events: tuple[tuple[Event, ...], ...]
    links: tuple[bytes, ...]
    leaves: dict[bytes, bytes | None]

    def receipt(self, index: int, *, following: bool = False) -> Receipt:
        """Return the receipt of command ``index``, with the ids after it if ``following``."""
        block = self.block
        return Receipt(
            sequence=Sequence(block.first_sequence + index),
            number=block.number,
            time=block.time,
            first_sequence=block.first_sequence,
            count=len(block.commands),
            action=block.ids[index],
            link=self.links[index],
            following=block.ids[index + 1 :] if following else None,
            hash=block.hash,
            signature=block.signature,
        )


class Executed(msgspec.Struct, frozen=True, gc=False):
    """The command is entry ``index`` of a durable block."""

    durable: DurableBlock
    index: int

    @property
    def sequence(self) -> Sequence:
        """Return the command's place in the log."""
        return Sequence(self.durable.block.first_sequence + self.index)

    @property
    def events(self) -> tuple[Event, ...]:
        """Return what the command did."""
        return self.durable.events[self.index]

    def receipt(self, *, following: bool = False) -> Receipt:
        """Return the command's receipt, with the ids after it if ``following``."""
        return self.durable.receipt(self.index, following=following)


Outcome = Executed | Rejected
