"""From durable blocks to a verdict: batcher, replica process and verifier, one after the other."""

import asyncio
import os
import signal
from pathlib import Path

from node.adapters.batch_store import BatchFolder
from node.adapters.identity import Identity
from node.adapters.mailbox import Mailbox
from node.adapters.replica_process import ReplicaProcess
from node.adapters.replica_session import ReplicaSetup
from node.adapters.system_clock import SystemClock
from node.batcher.config import BatcherConfig
from node.batcher.service import BatcherService
from node.capacity.queue import BoundedQueue
from node.ports.chain_reader import InboxEntry, PostedBatch, RollupTip
from node.transition.replay import Replica
from node.types.blocks import Batch, Block
from node.types.durable import DurableBlock
from node.types.hashing import keccak256
from node.types.units import Millis
from node.verifier.rebuild import rebuild
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import example_log
from tests.unit.verifier.example_chain import example_terms

LOG = example_log()


def setup_in(folder: Path) -> ReplicaSetup:
    for name in ("batches", "snapshots"):
        (folder / name).mkdir(exist_ok=True)
    return ReplicaSetup(RULES, DOMAIN, folder / "batches", folder / "snapshots")


class Run:
    """One life of a node's batcher over a data folder."""

    def __init__(self, folder: Path) -> None:
        self.replica = ReplicaProcess(setup_in(folder))
        self.blocks: Mailbox[DurableBlock] = Mailbox(BoundedQueue("blocks", 1_000))
        self.batches: Mailbox[Batch] = Mailbox(BoundedQueue("batches", 1_000))
        self.store = BatchFolder(folder / "batches", Identity.of(DOMAIN, RULES))

    async def work(self, live: list[Block], journal: list[Block], *, kill: bool = False) -> None:
        """Catch up with ``journal``, take ``live`` blocks, and stop in order."""
        position = await self.replica.start()
        service = BatcherService(
            BatcherConfig(commands_max=60),
            RULES.root_interval,
            self.replica,
            self.blocks,
            self.batches,
            SystemClock(),
            lambda _full: None,
            position.next_sequence,
            posted_at_once=4,
        )
        rest = [block for block in journal if block.first_sequence >= position.next_sequence]
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            group.create_task(service.run(rest))
            for block in live:
                self.blocks.offer(DurableBlock(block, (), (), {}), SystemClock().now_ns())
                await asyncio.sleep(0)
            if kill:
                await self.batches.wait()
                assert self.replica.pid is not None
                os.kill(self.replica.pid, signal.SIGKILL)
            commands = sum(len(block.commands) for block in (*rest, *live))
            # The service tells nobody that it has caught up; its counters do.
            while service.stage.arrived < commands:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            service.stop()
        assert service.stage.conserved()
        assert service.stage.held() == 0
        await self.replica.close()

    def sealed(self) -> list[Batch]:
        return self.batches.take(1_000, SystemClock().now_ns())


async def test_a_log_survives_a_killed_replica_and_a_restart_and_verifies(tmp_path: Path) -> None:
    half = len(LOG.blocks) // 2
    first = Run(tmp_path)
    await first.work(LOG.blocks[:half], [], kill=True)
    assert first.replica.starts == 2
    before = first.sealed()
    second = Run(tmp_path)
    # Ten blocks were journaled, but their batch was never sealed before the node went down.
    await second.work(LOG.blocks[half + 10 :], LOG.blocks[: half + 10])
    batches = [*before, *second.sealed()]
    assert batches == list(second.store.read())
    verdict, state = rebuild(
        example_terms(Replica.genesis(RULES, DOMAIN).root),
        [InboxEntry(one.index, one.account, one.amount) for one in LOG.deposits],
        [
            PostedBatch(one.header, one.data, keccak256(one.data), 0, bytes(32), Millis(0))
            for one in batches
        ],
        RollupTip(len(batches), batches[-1].header.new_root),
    )
    assert verdict.ok, verdict
    assert state is not None
    assert dict(state.leaves()) == dict(LOG.state.leaves())
