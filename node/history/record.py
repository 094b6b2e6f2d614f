"""From blocks to groups of rows: what of a block history needs, and what rows it makes."""

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from typing import Final

import msgspec

from node.history.gathering import Gathering
from node.history.rows import HANDLERS
from node.types.commands import Command, NewOrder, PlaceOrders
from node.types.durable import DurableBlock
from node.types.events import Event
from node.types.history import Holder
from node.types.history_rows import Happened, Position, RecordedBlock, RowGroup
from node.types.ids import Sequence

_RECORDED: Final = frozenset(HANDLERS)
_NO_ORDERS: Final[tuple[NewOrder, ...]] = ()

encode_blocks = msgspec.msgpack.Encoder().encode
"""Blocks as bytes, for the writer's process."""

_Blocks = tuple[RecordedBlock, ...]
decode_blocks = msgspec.msgpack.Decoder(_Blocks).decode
"""Those bytes as blocks again."""


def recorded(durable: DurableBlock) -> RecordedBlock:
    """Return what history needs of a block."""
    block = durable.block
    return RecordedBlock(
        block.number,
        block.time,
        block.first_sequence,
        block.last_sequence,
        block.parent,
        block.hash,
        happenings(block.first_sequence, block.commands, durable.events),
    )


def happenings(
    first: Sequence, commands: Ordered[Command], events: Ordered[tuple[Event, ...]]
) -> tuple[Happened, ...]:
    """Return what the commands from ``first`` on did, without what leaves no row."""
    found = []
    for place, (command, happened) in enumerate(zip(commands, events, strict=True)):
        kept = tuple([event for event in happened if type(event) in _RECORDED])
        if not kept:
            continue
        ahead, orders = 0, _NO_ORDERS
        if isinstance(command, PlaceOrders):
            ahead, orders = len(command.cancels) + len(command.amends), command.orders
        found.append(Happened(Sequence(first + place), ahead, orders, kept))
    return tuple(found)


class Recorder:
    """Makes rows of blocks; keeps the open positions, from which funding and gains follow."""

    def __init__(self, positions: dict[Holder, Position]) -> None:
        """Go on from ``positions``."""
        self.positions = positions

    def group(self, blocks: Iterable[RecordedBlock]) -> tuple[RowGroup, Gathering]:
        """Return the rows of ``blocks``, at least one; nothing is kept of them until ``keep``."""
        gathering = Gathering(self.positions)
        first = last = None
        for block in blocks:
            assert last is None or block.first_sequence == last.last_sequence + 1
            first = first or block
            last = block
            gathering.take(block, HANDLERS)
        assert first is not None
        assert last is not None
        group = RowGroup(
            first_sequence=first.first_sequence,
            last_sequence=last.last_sequence,
            block=last.number,
            time=last.time,
            parent=first.parent,
            hash=last.hash,
            rows={table: rows for table, rows in gathering.rows.items() if rows},
            order_changes=list(gathering.order_changes.values()),
            positions=gathering.positions,
        )
        return group, gathering

    def keep(self, gathering: Gathering) -> None:
        """Take over where the positions stand, once the group's rows are written for good."""
        for holder, position in gathering.moved.items():
            if position is None:
                self.positions.pop(holder, None)
            else:
                self.positions[holder] = position
