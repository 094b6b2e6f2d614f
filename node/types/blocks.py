"""Blocks: what the sequencer promises. Batches: what the chain is told.

Every command has an id: for a signed action the EIP-712 digest that was signed, for any other the
hash of its encoding. Within a block the ids are chained, and the block's hash seals the chain:

    link_0 = parent block's hash
    link_i = keccak256(link_(i-1) || id_i)
    block hash = keccak256(number || time || first_sequence || count || link_n)   (8 bytes each)

A receipt is an action's place in that chain and the sequencer's one signature over the hash.
"""

import msgspec

from node.types.commands import Command
from node.types.ids import NO_HASH, Sequence
from node.types.units import Millis


class Block(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Commands that share one timestamp, in order; the first is always ``OpenBlock``.

    ``ids`` are the commands' ids. ``changes`` is a digest of the state leaves that the block
    changed: any two executions that agree on it, block by block, agree on the state.
    """

    number: int
    time: Millis
    first_sequence: Sequence
    commands: tuple[Command, ...]
    ids: tuple[bytes, ...]
    parent: bytes
    hash: bytes
    signature: bytes
    changes: bytes

    @property
    def last_sequence(self) -> Sequence:
        """Return the sequence number of the block's last command."""
        return Sequence(self.first_sequence + len(self.commands) - 1)


class BatchHeader(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the rollup contract is told of a batch; ``index`` counts from 0.

    ``roots`` are the intermediate roots, at block ends at least ``Rules.root_interval`` commands
    apart, the last one excluded: that is ``new_root``. ``inbox_cursor`` counts the deposits that
    the log has taken in so far.
    """

    index: int
    previous_root: bytes
    new_root: bytes
    first_sequence: Sequence
    last_sequence: Sequence
    inbox_cursor: int
    roots: tuple[bytes, ...]


class Batch(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A sealed batch: its header and its data, ready to be posted, unchanged, any number of times.

    ``cause`` is what sealed it; ``last_block`` the last block that it holds, ``last_hash`` that
    block's hash: what the log goes on from.
    """

    header: BatchHeader
    data: bytes
    cause: str
    last_block: int
    last_hash: bytes = NO_HASH


class Domain(msgspec.Struct, frozen=True, gc=False):
    """The chain and the contract that a signature, a journal or a snapshot belongs to."""

    chain_id: int
    rollup: bytes


GENESIS_PARENT = NO_HASH
