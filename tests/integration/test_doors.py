"""A node whose doors do not open: it must say why, and end when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from node.app.config import read_config
from node.app.history import History
from node.app.node import Node
from node.simulation.rehearsal.chain import SimulatedL1
from node.simulation.rehearsal.stage import lay_ground, platform_of
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.types.errors import StateDiverged
from tests.unit.simulation.rehearsal.test_chain import script_with

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "devnet.toml"


@asynccontextmanager
async def node_in(data: Path) -> AsyncIterator[Node]:
    """Give a node on simulated ground, which does not run yet."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    read, replace = read_config(CONFIG), msgspec.structs.replace
    config = replace(
        read,
        data=data,
        http=replace(read.http, port=0),
        history=replace(read.history, enabled=False),
    )
    clock, script = VirtualClock(loop, 1_760_000_000_000), script_with(block_s=1.0)
    l1 = SimulatedL1(script, clock, config.batcher.data_bytes_max)
    base = await lay_ground(config, l1, platform_of(script, loop, clock))
    try:
        yield Node(config, base)
    finally:
        await base.close()


def on_virtual_time(data: Path, work: Callable[[Node], Awaitable[None]]) -> None:
    async def run() -> None:
        async with node_in(data) as node, asyncio.timeout(600):
            await work(node)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())


class AnotherLog(History):
    """Tells after a while that it is of another log."""

    async def look(self) -> None:
        await asyncio.sleep(60)

    async def run(self) -> None:
        await asyncio.sleep(1)
        raise StateDiverged(where="history", sequence=10, log=5)


def test_a_history_ahead_of_the_log_opens_no_door(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        node.history = AnotherLog()
        with pytest.RaisesGroup(StateDiverged):
            await node.run()
        assert not node.serving.is_set()

    on_virtual_time(tmp_path / "data", work)


def test_a_node_that_has_no_signature_worker_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        async def none() -> None:
            await asyncio.Event().wait()

        node.gate.ready = none  # type: ignore[method-assign]
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            group.create_task(node.run())
            await asyncio.sleep(1)
            node.stop()
        assert not node.serving.is_set()

    on_virtual_time(tmp_path / "data", work)


def test_a_node_whose_risk_processor_does_not_start_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        node.risk.start = never  # type: ignore[method-assign]
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            group.create_task(node.run())
            await asyncio.sleep(1)
            node.stop()

    on_virtual_time(tmp_path / "data", work)
