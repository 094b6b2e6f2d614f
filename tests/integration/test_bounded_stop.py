"""A stop ends in time where a station waits for room that does not come, as without an L1."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from node.adapters.devnet.keys import dev_key
from node.adapters.key_signer import KeySigner
from node.adapters.mailbox import Mailbox
from node.app.config import read_config
from node.app.node import Node
from node.client.l1 import L1Account
from node.simulation.rehearsal.chain import DirectChain, SimulatedL1
from node.simulation.rehearsal.stage import CHAIN_ID, lay_ground, platform_of
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.types.blocks import Block
from node.types.commands import Deposit
from node.types.ids import Sequence
from node.types.units import Money
from tests.examples import ALICE, DOLLAR
from tests.unit.simulation.rehearsal.test_chain import script_with

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "devnet.toml"
DRAIN_S = 60.0


@pytest.mark.parametrize(("full", "taken"), [("batch_inlet", 1), ("batch_outbox", 2)])
def test_a_stop_ends_in_time_where_there_is_no_room(
    full: str, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a full inlet the second deposit is not journaled: it is read again after a start."""
    ordinary = Mailbox.wait_for_room

    async def wait_for_room(mailbox: "Mailbox[object]") -> None:
        if mailbox.stage.name == full:
            await asyncio.Event().wait()
        await ordinary(mailbox)

    monkeypatch.setattr(Mailbox, "wait_for_room", wait_for_room)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        blocks = runner.run(run_and_stop(tmp_path / "data"))
    journaled = [command for block in blocks for command in block.commands]
    deposits = [command.index for command in journaled if isinstance(command, Deposit)]
    assert deposits == [*range(taken)]


async def run_and_stop(data: Path) -> list[Block]:
    """Return what is in the journal of a node that was stopped while its second deposit waited."""
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
    clock, script = VirtualClock(loop, 1_760_000_000_000), script_with(block_s=1.0)
    l1 = SimulatedL1(script, clock, config.batcher.data_bytes_max)
    base = await lay_ground(config, l1, platform_of(script, loop, clock))
    try:
        node = Node(config, base)
        # Of simulated seconds, of which nobody has to wait for one.
        async with asyncio.timeout(3 * DRAIN_S), asyncio.TaskGroup() as group:
            mining = group.create_task(l1.run())
            running = group.create_task(node.run())
            await node.serving.wait()
            payer = await L1Account.open(
                DirectChain(l1), KeySigner(dev_key(1)), base.contracts.rollup, CHAIN_ID
            )
            await payer.faucet(Money(2 * DOLLAR))
            for paid in (1, 2):
                await payer.deposit(ALICE.address, Money(DOLLAR))
                while base.state.inbox_cursor < paid:  # noqa: ASYNC110 - it can only be asked
                    await asyncio.sleep(1.0)
            node.stop()
            await running
            mining.cancel()
        return list(base.journal.read(Sequence(1)))
    finally:
        await base.close()
