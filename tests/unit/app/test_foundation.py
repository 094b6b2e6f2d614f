"""What a node stands on: what a start brings along, and that a broken one leaves nothing behind."""

import asyncio
from pathlib import Path
from typing import cast

import msgspec
import pytest

from node.adapters.data_folder import DataFolder, Identity
from node.adapters.file_journal import FileJournal
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.replica_session import Position, ReplicaSession, ReplicaSetup
from node.adapters.system_clock import SystemClock
from node.app.config import read_config
from node.app.foundation import build_on
from node.app.platform import this_machine
from node.codec.commands import encode_block
from node.ports.chain import L1Block
from node.settlement.contracts import Contracts
from node.simulation.rehearsal.stage import InlineReplica
from node.types.ids import Address
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import example_log

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "devnet.toml"
CONTRACTS = Contracts(1, Address(b"\1" * 20), Address(b"\2" * 20), Address(b"\3" * 20), 1)


class EndlessReplica(InlineReplica):
    """Has more to replay than anyone waits for."""

    def __init__(self, setup: ReplicaSetup) -> None:
        super().__init__(setup)
        self.closed = False

    async def start(self) -> Position:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        self.closed = True


class EmptyChain:
    """L1 before any batch has reached it."""

    async def block(self, _at: object) -> L1Block:
        return L1Block(number=1, hash=bytes(32), time_s=0, base_fee=0)

    async def call(self, *_call: object) -> bytes:
        return bytes(32)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("final", [False, True])
async def test_a_start_brings_the_deposits_since_the_last_final_state(
    tmp_path: Path, final: bool
) -> None:
    log = example_log()
    config = msgspec.structs.replace(read_config(CONFIG), rules=RULES, data=tmp_path)
    platform = msgspec.structs.replace(this_machine(0), make_replica=InlineReplica)
    folder = DataFolder(tmp_path, Identity.of(DOMAIN, RULES))
    journal = FileJournal(folder.journal, folder.identity, SystemClock())
    for block in log.blocks:
        await journal.append(block)
    await journal.close()
    replica = ReplicaSession(
        ReplicaSetup(RULES, DOMAIN, folder.batches, folder.snapshots, snapshot_every=1)
    )
    for block in log.blocks[:2]:
        replica.seal((encode_block(block),), block.first_sequence, "age")
    if final:
        replica.finalize(0)
    chain = cast("L1Chain", EmptyChain())
    signer = KeySigner(b"" * 32)
    base = await build_on(folder, config, chain, signer, DOMAIN, CONTRACTS, platform)
    await base.close()
    # The first block has taken in two of them.
    assert base.deposits == tuple(log.deposits[2 if final else 0 :])
    assert base.state.inbox_cursor == len(log.deposits) == 4


async def test_a_replica_whose_start_is_cancelled_is_closed(tmp_path: Path) -> None:
    config = read_config(CONFIG)
    made: list[EndlessReplica] = []
    begun = asyncio.Event()

    def make(setup: ReplicaSetup) -> EndlessReplica:
        made.append(EndlessReplica(setup))
        begun.set()
        return made[0]

    platform = msgspec.structs.replace(this_machine(0), make_replica=make)
    folder = DataFolder(tmp_path, Identity.of(DOMAIN, config.rules))
    chain = L1Chain("http://127.0.0.1:1")
    signer = KeySigner(b"\7" * 32)
    building = asyncio.create_task(
        build_on(folder, config, chain, signer, DOMAIN, CONTRACTS, platform)
    )
    async with asyncio.timeout(10):
        await begun.wait()
        building.cancel()
        await asyncio.wait([building])
    folder.close()
    assert building.cancelled()
    assert made[0].closed
