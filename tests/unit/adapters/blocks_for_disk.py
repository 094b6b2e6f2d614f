"""Chained blocks to write to a disk; their signatures are not looked at there."""

from hashlib import blake2b

from node.adapters.identity import Identity
from node.codec.links import block_hash, chain_ids
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import Deposit, OpenBlock
from node.types.hashing import keccak256
from node.types.ids import Address, Sequence
from node.types.units import Millis, Money

IDENTITY = Identity(chain_id=31337, rollup=bytes(range(20)), rules=keccak256(b"rules"))
OTHER = Identity(chain_id=1, rollup=bytes(range(20)), rules=keccak256(b"rules"))


def chained_blocks(count: int, commands: int = 3) -> list[Block]:
    """Return ``count`` blocks of so many commands each, every one going on from the one before."""
    blocks: list[Block] = []
    for number in range(1, count + 1):
        blocks.append(next_block(blocks[-1] if blocks else None, number, commands))
    return blocks


def next_block(previous: Block | None, number: int, commands: int = 3) -> Block:
    """Return a block that goes on from ``previous`` (None: from nothing)."""
    parent = GENESIS_PARENT if previous is None else previous.hash
    first = Sequence(1 if previous is None else previous.last_sequence + 1)
    time = Millis(1_000 + number)
    ids = tuple(keccak256(b"%d %d" % (number, place)) for place in range(commands))
    deposit = Deposit(number, Address(b"\xa1" * 20), Money(5))
    return Block(
        number=number,
        time=time,
        first_sequence=first,
        commands=(OpenBlock(number, time), *(deposit,) * (commands - 1)),
        ids=ids,
        parent=parent,
        hash=block_hash(number, time, first, commands, chain_ids(parent, ids)[-1]),
        signature=bytes(65),
        changes=blake2b(b"%d" % number, digest_size=32).digest(),
    )
