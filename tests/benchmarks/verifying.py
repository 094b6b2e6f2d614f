"""How fast the verifier takes a batch, beside what making it took: both with every signature.

The verifier is the node's own, from a chain that is only remembered: data against hash, decoding,
each signature, each command, each root. It checks signatures in this process here; ``plimsoll
verify`` has processes of its own for them, beside which it executes.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator
from statistics import median
from time import perf_counter
from typing import Final

from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTerms, RollupTip
from node.transition.batch_replica import BatchReplica
from node.transition.replay import Replica
from node.types.blocks import Batch
from node.types.commands import Deposit
from node.types.hashing import keccak256
from node.types.ids import Address
from node.types.units import Millis
from node.verifier.service import InPlace, verify
from node.verifier.verdict import Verdict
from tests.benchmarks.burden import Burden
from tests.benchmarks.rounds import seconds_of, spread
from tests.benchmarks.signed_log import LOG_RULES, Sequencing, SignedLog
from tests.examples import DOMAIN

NOBODY: Final = Address(bytes(20))


class Posted:
    """A ``ChainReader`` of a log in two batches: the first block, and what is timed."""

    def __init__(self, log: SignedLog) -> None:
        replica = BatchReplica(Replica.genesis(LOG_RULES, DOMAIN), 0, trees_kept=2)
        self.facts = RollupTerms(
            DOMAIN,
            LOG_RULES.encode(),
            replica.root,
            sequencer=NOBODY,
            finality_blocks=0,
            inbox=NOBODY,
            token=NOBODY,
        )
        self.inbox = tuple(
            InboxEntry(one.index, one.account, one.amount)
            for one in log.blocks[0].commands
            if isinstance(one, Deposit)
        )
        parts = log.blocks[:1], log.blocks[1:]
        self.posted = [_posted(replica.seal(part, "commands")) for part in parts]

    async def terms(self) -> RollupTerms:
        """Return what the rollup was created with."""
        return self.facts

    async def deposits(self) -> tuple[InboxEntry, ...]:
        """Return every deposit."""
        return self.inbox

    async def tip(self) -> RollupTip:
        """Return the number of batches, and the last one's root."""
        return RollupTip(len(self.posted), self.posted[-1].header.new_root)

    async def batches(self) -> AsyncGenerator[PostedBatch, None]:
        """Yield the batches."""
        for one in self.posted:
            yield one


def _posted(batch: Batch) -> PostedBatch:
    return PostedBatch(batch.header, batch.data, keccak256(batch.data), 0, bytes(32), Millis(0))


def verified(posted: Posted) -> tuple[Verdict, float]:
    """Return the verdict, and the seconds from the end of the first batch to that of the last."""
    ends: list[float] = []
    gc.collect()
    verdict, _ = asyncio.run(
        verify(posted, InPlace(), lambda _done, _total: ends.append(perf_counter()))
    )
    # The first stands before any batch.
    return verdict, ends[-1] - ends[1]


def sequenced(log: SignedLog) -> float:
    """Return the seconds that signatures, blocks and roots of the timed blocks take."""
    work = Sequencing()
    first, *others = log.blocks
    work.block(first.commands[1:], first.ids[1:], first.time)
    work.close()

    def run() -> None:
        for block in others:
            work.block(block.commands[1:], block.ids[1:], block.time)
        assert work.close() == log.root

    return seconds_of(run)


def measure_verifier(logs: dict[int, SignedLog], rounds: int) -> list[Burden]:
    """Return two rows for each log, which is named by how many items its actions have."""
    rows = []
    for items, log in logs.items():
        posted, ratios, seconds = Posted(log), [], []
        for _ in range(rounds):
            verdict, taken = verified(posted)
            assert verdict.ok, verdict.difference
            seconds.append(taken)
            ratios.append(sequenced(log) / taken)
        named = "" if items == 1 else f", bulks of {items}"
        of = f"{log.commands:,} commands, each signature checked"
        ratio = spread(ratios)
        rows += [
            Burden(
                f"verifier{named}", round(log.commands / median(seconds)), "commands a second", of
            ),
            Burden(
                f"verifier over sequencer{named}",
                ratio.middle,
                "times",
                f"{of} on both sides ({ratio.low:.2f}–{ratio.high:.2f})",
            ),
        ]
    return rows
