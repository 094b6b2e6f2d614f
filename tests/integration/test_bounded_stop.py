"""A stop ends in time where a station waits for room that does not come, as without an L1."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.app.config import read_config
from node.app.node import Node
from node.codec.commands import command_id
from node.simulation.rehearsal.chain import SimulatedL1
from node.simulation.rehearsal.stage import lay_ground, platform_of
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.types.blocks import Block
from node.types.commands import Deposit
from node.types.ids import Sequence
from node.types.lanes import Lane
from node.types.units import Money
from tests.examples import ALICE, DOLLAR
from tests.unit.simulation.rehearsal.test_chain import script_with

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "devnet.toml"
DRAIN_S = 60.0


@pytest.mark.parametrize("full", ["batch_inlet", "batch_outbox"])
def test_a_stop_ends_in_time_where_there_is_no_room(
    full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = Mailbox.wait_for_room

    async def wait_for_room(mailbox: "Mailbox[object]") -> None:
        if mailbox.stage.name == full:
            await asyncio.Event().wait()
        await ordinary(mailbox)

    monkeypatch.setattr(Mailbox, "wait_for_room", wait_for_room)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        (block,) = runner.run(run_and_stop(tmp_path / "data"))
    assert isinstance(block.commands[1], Deposit)


async def run_and_stop(data: Path) -> list[Block]:
    """Return what is in the journal of a node that was stopped after its first block."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    read, replace = read_config(CONFIG), msgspec.structs.replace
    config = replace(
        read,
        data=data,
        drain_s=DRAIN_S,
        http=replace(read.http, port=0),
        history=replace(read.history, enabled=False),
    )
    clock, script = VirtualClock(loop, 1_760_000_000_000), script_with()
    l1 = SimulatedL1(script, clock, config.batcher.data_bytes_max)
    base = await lay_ground(config, l1, platform_of(script, loop, clock))
    try:
        node = Node(config, base)
        # Of simulated seconds, of which nobody has to wait for one.
        async with asyncio.timeout(3 * DRAIN_S), asyncio.TaskGroup() as group:
            mining = group.create_task(l1.run())
            running = group.create_task(node.run())
            await node.serving.wait()
            deposit = Deposit(base.state.inbox_cursor, ALICE.address, Money(DOLLAR))
            await node.sequencer.submit(deposit, command_id(deposit, base.signing), Lane.SYSTEM)
            node.stop()
            await running
            mining.cancel()
        return list(base.journal.read(Sequence(1)))
    finally:
        await base.close()
