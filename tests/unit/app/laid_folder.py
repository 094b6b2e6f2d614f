"""A data folder with the example log in it, and what a node stands on that starts there."""

from pathlib import Path
from typing import cast

import msgspec

from node.adapters.data_folder import DataFolder
from node.adapters.file_journal import FileJournal
from node.adapters.identity import Identity
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.replica_session import ReplicaSession, ReplicaSetup
from node.adapters.system_clock import SystemClock
from node.app.config import NodeConfig, read_config
from node.app.foundation import Foundation, build_on
from node.app.platform import this_machine
from node.codec.commands import encode_block
from node.codec.l1_calls import BATCH_COUNT
from node.ports.chain import L1Block
from node.settlement.contracts import Contracts
from node.simulation.rehearsal.stage import InlineReplica
from node.types.ids import Address
from tests.examples import DOMAIN, RULES
from tests.unit.transition.example_log import ExampleLog

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "devnet.toml"
CONTRACTS = Contracts(1, Address(b"\1" * 20), Address(b"\2" * 20), Address(b"\3" * 20), 1)


class StillChain:
    """L1 with so many batches of the log, as a start asks for them."""

    def __init__(self, posted: int) -> None:
        self._posted = posted

    async def block(self, _at: object) -> L1Block:
        return L1Block(number=1, hash=bytes(32), time_s=0, base_fee=0)

    async def call(self, _to: object, data: bytes, _at: object) -> bytes:
        assert data == BATCH_COUNT.encode()
        return self._posted.to_bytes(32, "big")

    async def close(self) -> None:
        pass


async def lay_log(
    path: Path, log: ExampleLog, *, sealed: int, final: int = 0, posted: int = 0
) -> tuple[NodeConfig, Foundation]:
    """Start over a journal of ``log``; its first blocks are a batch each, ``final`` of them final.

    L1 has ``posted`` of the ``sealed``, and fewer than these.
    """
    config = msgspec.structs.replace(read_config(CONFIG), rules=RULES, data=path)
    platform = msgspec.structs.replace(this_machine(0), make_replica=InlineReplica)
    folder = DataFolder(path, Identity.of(DOMAIN, RULES))
    journal = FileJournal(folder.journal, folder.identity, SystemClock())
    for block in log.blocks:
        await journal.append(block)
    await journal.close()
    replica = ReplicaSession(
        ReplicaSetup(RULES, DOMAIN, folder.batches, folder.snapshots, snapshot_every=1)
    )
    for block in log.blocks[:sealed]:
        replica.seal((encode_block(block),), block.first_sequence, "age")
    if final:
        replica.finalize(final - 1)
    chain = cast("L1Chain", StillChain(posted))
    signer = KeySigner(b"\7" * 32)
    base = await build_on(folder, config, chain, signer, DOMAIN, CONTRACTS, platform)
    return config, base
