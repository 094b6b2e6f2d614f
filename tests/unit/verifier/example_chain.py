"""A chain as a verifier finds it: honest at first, and open to be tampered with."""

from collections.abc import AsyncGenerator, Callable

import msgspec

from node.codec.batch import decode_batch, encode_batch
from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTerms, RollupTip
from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from node.transition.state import State
from node.types.blocks import BatchHeader
from node.types.commands import Command
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Millis
from node.verifier.rebuild import rebuild
from node.verifier.verdict import Verdict
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import example_log

LOG = example_log()
BLOCKS_PER_BATCH = 16


def example_terms(genesis_root: bytes) -> RollupTerms:
    """Return the terms of a rollup with the example's rules."""
    return RollupTerms(
        DOMAIN,
        RULES.encode(),
        genesis_root,
        sequencer=Address(b"\5" * 20),
        finality_blocks=64,
        inbox=Address(b"\6" * 20),
        token=Address(b"\7" * 20),
    )


class ExampleChain:
    """A ``ChainReader`` of the example log; every part of it may be replaced."""

    def __init__(self) -> None:
        replica = BatchReplica(Replica.genesis(RULES, DOMAIN), 0, trees_kept=2)
        self.facts = example_terms(replica.root)
        self.inbox = [InboxEntry(one.index, one.account, one.amount) for one in LOG.deposits]
        self.posted: list[PostedBatch] = []
        for start in range(0, len(LOG.blocks), BLOCKS_PER_BATCH):
            batch = replica.seal(LOG.blocks[start : start + BLOCKS_PER_BATCH], "age")
            self.posted.append(
                PostedBatch(
                    batch.header, batch.data, keccak256(batch.data), start, bytes(32), Millis(0)
                )
            )
        self.count = len(self.posted)
        self.root = self.posted[-1].header.new_root

    def commands(self, index: int) -> list[Command]:
        """Return the commands of a batch."""
        return list(decode_batch(self.posted[index].data))

    def change_header(self, index: int, **fields: object) -> None:
        """Let the chain hold another header."""
        header: BatchHeader = msgspec.structs.replace(self.posted[index].header, **fields)
        self.posted[index] = msgspec.structs.replace(self.posted[index], header=header)

    def change_commands(self, index: int, change: Callable[[list[Command]], None]) -> None:
        """Let the chain hold other commands, with data and hash to fit them."""
        commands = self.commands(index)
        change(commands)
        data = encode_batch(commands)
        self.posted[index] = msgspec.structs.replace(
            self.posted[index], data=data, data_hash=keccak256(data)
        )

    def verdict(self) -> Verdict:
        """Return what a verifier says of it."""
        return self.rebuilt()[0]

    def rebuilt(self) -> tuple[Verdict, State | None]:
        """Return what a verifier says of it, and the state that it came to."""
        return rebuild(self.facts, self.inbox, self.posted, self.tip_now())

    async def terms(self) -> RollupTerms:
        return self.facts

    async def deposits(self) -> tuple[InboxEntry, ...]:
        return tuple(self.inbox)

    def tip_now(self) -> RollupTip:
        """Return how far the contract says that the log goes."""
        return RollupTip(self.count, self.root)

    async def tip(self) -> RollupTip:
        return self.tip_now()

    async def batches(self) -> AsyncGenerator[PostedBatch, None]:
        for posted in self.posted:
            yield posted
