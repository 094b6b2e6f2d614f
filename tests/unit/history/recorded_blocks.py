"""Blocks as history takes them in, chained like those of a log."""

from collections.abc import Iterable, Iterator

import msgspec

from node.history.record import Recorder, recorded
from node.types.blocks import GENESIS_PARENT
from node.types.durable import DurableBlock
from node.types.hashing import keccak256
from node.types.history_rows import RecordedBlock, RowGroup


def chained(blocks: Iterable[DurableBlock]) -> Iterator[RecordedBlock]:
    """Yield ``blocks`` as they are recorded, each with a hash and its parent's."""
    parent = GENESIS_PARENT
    for durable in blocks:
        own = keccak256(parent + durable.block.number.to_bytes(8))
        block = msgspec.structs.replace(durable.block, parent=parent, hash=own)
        yield recorded(msgspec.structs.replace(durable, block=block))
        parent = own


def groups_of(blocks: list[RecordedBlock], size: int) -> Iterator[RowGroup]:
    """Yield the rows of ``blocks``, so many blocks in a group."""
    recorder = Recorder({})
    for start in range(0, len(blocks), size):
        group, gathering = recorder.group(blocks[start : start + size])
        recorder.keep(gathering)
        yield group
