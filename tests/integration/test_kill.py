"""kill -9 in the middle of everything: what was acknowledged is there, and the root is the same.

``PLIMSOLL_KILLS=50 PLIMSOLL_SEED=7 scripts/test tests/integration/test_kill.py`` kills more often,
at other moments.
"""

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from node.types.units import Money
from tests.integration.daemon import Daemon, node_on_chain, swift, until
from tests.integration.load import Load, expiry, load_on
from tests.integration.posted_log import PostedLog

# Fifty kills take about five minutes.
pytestmark = pytest.mark.timeout(600)

KILLS = int(os.environ.get("PLIMSOLL_KILLS", "2"))
SEED = int(os.environ.get("PLIMSOLL_SEED", "20190523"))

RECEIPTS_CHECKED = 40
"""A restarted node answers for its last blocks; L1 answers for all of them at the end."""


async def require_receipts(daemon: Daemon, acknowledged: list[dict[str, Any]]) -> None:
    """The restarted node itself must name the last acknowledgements as it did before."""
    for result in acknowledged[-RECEIPTS_CHECKED:]:
        receipt = await daemon.get(f"/receipts/{result['sequence']}")
        if "error" in receipt:
            # What a snapshot holds is final: L1 answers for it, not this node's last blocks.
            assert result["sequence"] < receipt["error"]["values"]["oldest"]
            continue
        assert receipt["id"] == result["id"]
        assert receipt["hash"] == result["receipt"]["hash"]
        assert receipt["signature"] == result["receipt"]["signature"]


async def require_the_same_end(daemon: Daemon, load: Load) -> PostedLog:
    """Stop in order, and hold L1 against what was acknowledged."""
    stats = await daemon.stop()
    posted = await PostedLog.read(daemon.rpc, daemon.rollup)
    posted.require_roots(stats)
    posted.require_all(load.acknowledged)
    return posted


async def test_nothing_acknowledged_is_lost_however_often_the_node_is_killed(
    tmp_path: Path,
) -> None:
    dice = random.Random(SEED)
    sections = swift(
        # Sealing, posting, finality, snapshots and pruning go on at every moment.
        batcher={"age_ms_max": 60, "snapshot_every_batches": 3},
        sequencer={"segment_bytes": 1 << 20},
    )
    async with (
        node_on_chain(tmp_path, "py-evm", sections) as (daemon, _),
        load_on(daemon.url, daemon.rpc, seed=SEED) as load,
    ):
        async with load.running():
            for _ in range(KILLS):
                await load.until_acknowledged(dice.randint(1, 150))
                await asyncio.sleep(dice.random() * 0.05)
                told = list(load.acknowledged)
                print("kill after", len(told), "acknowledgements")
                await daemon.kill()
                await daemon.start()
                await require_receipts(daemon, told)
            await load.until_acknowledged(30)
        posted = await require_the_same_end(daemon, load)
        assert len(posted.batches) > KILLS
        print("found after all", load.found, "refused", load.refused)


@pytest.mark.lengthy
async def test_a_child_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    async with (
        # Without a history, whose processes start as the replica does: test_history.py kills those.
        node_on_chain(tmp_path, "py-evm") as (daemon, _),
        load_on(daemon.url, daemon.rpc, seed=SEED) as load,
    ):
        async with load.running():
            for name in ("admission_process", "spawn_main"):
                await load.until_acknowledged(20)
                (child,) = daemon.children(name)
                os.kill(child, signal.SIGKILL)
                await load.until_acknowledged(20)

                async def replaced(name: str = name, child: int = child) -> bool:
                    return daemon.children(name) not in ([], [child])

                await until(f"{name} is started again", replaced)
            await daemon.until_posted(2)
        assert daemon.logged("replica_died")
        assert daemon.starts == 1
        await require_the_same_end(daemon, load)


@pytest.mark.lengthy
async def test_a_withdrawal_can_be_claimed_though_the_node_was_killed_before_it_was_final(
    tmp_path: Path,
) -> None:
    async with (
        node_on_chain(tmp_path, "py-evm") as (daemon, _),
        load_on(daemon.url, daemon.rpc, traders=1) as load,
    ):
        trader = load.traders[0]
        result = await trader.send(trader.wallet.withdraw(Money(7_000_000), expires=expiry()))
        await daemon.kill()
        await daemon.start()
        withdrawal = result["results"][0]["withdrawal_id"]

        async def provable() -> bool:
            return "siblings" in await daemon.get(f"/withdrawals/{withdrawal}")

        await until("the withdrawal can be claimed", provable)
