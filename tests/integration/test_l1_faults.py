"""What L1 can do to a running node: reorgs, silence, no blocks. The chain ends whole, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.capacity.loadline import LoadLine
from node.types.commands import CancelOrder, OrderType, Side
from node.types.errors import GateClosed
from node.types.ids import ClientOrderId, OrderId
from tests.integration.daemon import (
    BLOCK_TIME_S,
    ON_EACH_CHAIN,
    THOROUGHLY_ON_EACH_CHAIN,
    Daemon,
    ask_chain,
    chain_process,
    node_on_chain,
    swift,
    until,
)
from tests.integration.load import BTC_PRICE, Load, Trader, load_on, order
from tests.integration.posted_log import PostedLog
from tests.integration.settlement_stage import Wire

L1_AWAY = "L1 does not answer"
CLOSED_BY_OUTAGE = "gate closed: l1_outage"
CLOSED_BY_FULL_POOL = "gate closed: l1_in_flight"
BATCHES_WAIT = "batches wait too long for L1"

SMALL_BACKLOG = swift(batcher={"age_ms_max": 100, "commands_max": 100, "backlog_batches_max": 8})


async def require_every_batch_once(daemon: Daemon, load: Load, rpc: str) -> dict[str, Any]:
    """Stop in order; L1 must hold the whole log, and the node must have counted it."""
    stats = await daemon.stop()
    posted = await PostedLog.read(rpc, daemon.rollup)
    posted.require_roots(stats)
    posted.require_all(load.acknowledged)
    assert len(posted.batches) == stats["batches"]["sealed"] == stats["batches"]["posted"]
    return stats


@ON_EACH_CHAIN
async def test_a_reorg_in_mid_load_drops_batches_and_each_comes_back(
    tmp_path: Path, backend: str
) -> None:
    async with (
        node_on_chain(tmp_path, backend) as (daemon, chain),
        load_on(daemon.url, chain.url) as load,
    ):
        async with load.running():
            await daemon.until_posted(3)
            dropped = asyncio.ensure_future(daemon.until_logged("batch_dropped", cause="reorg"))
            while not dropped.done():
                # Whether there is a batch in the last blocks is a matter of luck.
                await daemon.until_posted(1)
                await ask_chain(chain.url, "anvil_reorg", 2, [])
                await asyncio.wait([dropped], timeout=4 * BLOCK_TIME_S)
            await dropped
            await daemon.until_posted(3)
        await require_every_batch_once(daemon, load, chain.url)


@THOROUGHLY_ON_EACH_CHAIN
async def test_while_l1_is_away_the_exchange_goes_on_until_its_backlog_is_full(
    tmp_path: Path, backend: str
) -> None:
    async with (
        chain_process(backend) as chain,
        Wire(chain.url).laid() as wire,
        Daemon(tmp_path, wire.url, SMALL_BACKLOG) as daemon,
        load_on(daemon.url, chain.url) as load,
    ):
        async with load.running():
            await daemon.until_posted(2)
            wire.break_off()
            await load.until_acknowledged(10)
            await daemon.until_health(CLOSED_BY_OUTAGE, L1_AWAY)
            await until("the line says so", lambda: carries(daemon, nothing=True))
            await require_only_reducing(daemon, load)
            wire.mend()
            await daemon.until_health()
            await until("the line has its limit back", lambda: carries(daemon, nothing=False))
            await load.traders[0].place(order(Side.BUY, BTC_PRICE - 500, 100))
            await daemon.until_posted(2)
        assert load.refused
        await require_every_batch_once(daemon, load, chain.url)


async def carries(daemon: Daemon, *, nothing: bool) -> bool:
    """Return whether the load line has L1 carry nothing, or what it has before and after."""
    line = msgspec.convert(await daemon.get("/load"), LoadLine)
    least = line.bottleneck
    stopped = least is not None and least.resource == "l1"
    settled = next(stage for stage in line.stages if stage.name == "settlement")
    if stopped:
        assert (settled.limit_per_s, settled.backlog.drain_s) == (0.0, None)
    return stopped is nothing


async def require_only_reducing(daemon: Daemon, load: Load) -> None:
    """Behind a closed gate new risk is refused; what takes risk away is not."""
    trader, side = await with_position(daemon, load)
    away = -1 if side is Side.BUY else 1
    for kind in (OrderType.GTC, OrderType.POST_ONLY, OrderType.IOC):
        with pytest.raises(GateClosed) as refused:
            await trader.place(order(side, BTC_PRICE + away * 100, 200, kind))
        assert refused.value.cause == "l1_outage"
    reducing = order(side, BTC_PRICE + away * 100, 200, reduce_only=True)
    placed = (await trader.place(reducing))["results"][0]
    assert placed["status"] == "resting"
    cancel = CancelOrder(OrderId(placed["order_id"]), ClientOrderId(0))
    assert (await trader.place(cancels=(cancel,)))["results"][0]["status"] == "cancelled"


async def with_position(daemon: Daemon, load: Load) -> tuple[Trader, Side]:
    """Return a trader that holds BTC, and the side that reduces it."""
    for trader in load.traders:
        account = await daemon.get(f"/account/0x{trader.address.hex()}")
        for position in account["positions"]:
            if position["market"] == "BTC-PERP":
                return trader, Side.BUY if position["size"].startswith("-") else Side.SELL
    raise AssertionError("nobody has traded")


class Miner:
    """Mines a block every now and then, for as long as it is told to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.works = True

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Miner"]:
        """Mine until the block ends."""
        async with asyncio.TaskGroup() as group:
            mining = group.create_task(self._mine())
            try:
                yield self
            finally:
                mining.cancel()

    async def _mine(self) -> None:
        while True:
            await asyncio.sleep(BLOCK_TIME_S)
            if self.works:
                await ask_chain(self._url, "evm_mine")


@THOROUGHLY_ON_EACH_CHAIN
async def test_when_no_block_comes_dearer_transactions_replace_the_first_ones(
    tmp_path: Path, backend: str
) -> None:
    sections = swift(
        batcher=SMALL_BACKLOG["batcher"], settlement={"stuck_after_ms": 300, "in_flight_max": 4}
    )
    async with (
        chain_process(backend, block_time_s=0) as chain,
        Miner(chain.url).at_work() as miner,
        Daemon(tmp_path, chain.url, sections) as daemon,
        load_on(daemon.url, chain.url) as load,
    ):
        async with load.running():
            await daemon.until_posted(2)
            miner.works = False
            await daemon.until_logged("batch_replaced")
            await daemon.until_health(CLOSED_BY_FULL_POOL, BATCHES_WAIT)
            miner.works = True
            await daemon.until_health()
            await daemon.until_posted(2)
        await require_every_batch_once(daemon, load, chain.url)
