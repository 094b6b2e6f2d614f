"""How long a node takes to stand again on its data folder, by the very function that starts it.

The folder is as a node leaves it: a journal, sealed batches, and a snapshot or none. L1 answers at
once, and the replica, which has a process of its own elsewhere, works in this one.
"""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final, cast

import msgspec

from node.adapters.data_folder import DataFolder
from node.adapters.file_journal import FileJournal
from node.adapters.identity import Identity
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.replica_session import ReplicaSession, ReplicaSetup
from node.adapters.system_clock import SystemClock
from node.app.config import read_config
from node.app.foundation import build_on
from node.app.platform import this_machine
from node.codec.commands import encode_block
from node.ports.chain import L1Block
from node.sequencer.recovery import Recovery
from node.settlement.contracts import Contracts
from node.simulation.rehearsal.stage import InlineReplica
from node.transition.tree.tree import StateTree
from node.types.blocks import Block
from node.types.ids import Address
from tests.benchmarks.burden import Burden, burden
from tests.benchmarks.signed_log import LOG_RULES, SignedLog
from tests.examples import DOMAIN

CONFIG: Final = Path(__file__).parents[2] / "configs" / "devnet.toml"
BATCH_COMMANDS: Final = 5_000
MILLION: Final = 1_000_000
_SOMEWHERE: Final = Address(b"\1" * 20)


class Start(msgspec.Struct, frozen=True):
    """A start: ``state_s`` until the state stood, ``replica_s`` from there until the replica did.

    ``roots`` are those of the state and of the replica.
    """

    state_s: float
    replica_s: float
    recovery: Recovery
    roots: tuple[bytes, bytes]


class EmptyChain:
    """L1 as a start asks it, before any batch has reached it."""

    async def block(self, at: object) -> L1Block:  # noqa: ARG002 - every block is this one
        """Return the head."""
        return L1Block(number=1, hash=bytes(32), time_s=0, base_fee=0)

    async def call(self, *call: object) -> bytes:  # noqa: ARG002 - every number is 0
        """Return zero: there is no batch."""
        return bytes(32)

    async def close(self) -> None:
        """Have nothing to close."""


def write_folder(path: Path, blocks: tuple[Block, ...], *, snapshot: bool) -> None:
    """Journal ``blocks`` and seal them into batches; with ``snapshot``, all of them are final."""
    with DataFolder(path, Identity.of(DOMAIN, LOG_RULES)) as folder:
        asyncio.run(_write_journal(folder, blocks))
        setup = ReplicaSetup(LOG_RULES, DOMAIN, folder.batches, folder.snapshots, snapshot_every=1)
        session = ReplicaSession(setup)
        for part in _batches(blocks):
            encoded = tuple(encode_block(block) for block in part)
            session.seal(encoded, part[0].first_sequence, "commands")
        if snapshot:
            session.finalize(session.position().next_index - 1)


async def _write_journal(folder: DataFolder, blocks: tuple[Block, ...]) -> None:
    journal = FileJournal(folder.journal, folder.identity, SystemClock())
    for block in blocks:
        await journal.append(block)
    await journal.close()


def _batches(blocks: tuple[Block, ...]) -> Iterator[list[Block]]:
    part: list[Block] = []
    for block in blocks:
        part.append(block)
        if sum(len(one.commands) for one in part) >= BATCH_COMMANDS:
            yield part
            part = []
    if part:
        yield part


async def start(path: Path) -> Start:
    """Start on the folder at ``path``, and let go of it."""
    reached: list[float] = []

    def make(setup: ReplicaSetup) -> InlineReplica:
        reached.append(perf_counter())
        return InlineReplica(setup)

    config = msgspec.structs.replace(read_config(CONFIG), rules=LOG_RULES, data=path)
    platform = msgspec.structs.replace(this_machine(0), make_replica=make)
    contracts = Contracts(1, _SOMEWHERE, _SOMEWHERE, _SOMEWHERE, 1)
    chain = cast("L1Chain", EmptyChain())
    folder = DataFolder(path, Identity.of(DOMAIN, LOG_RULES))
    gc.collect()
    begun = perf_counter()
    base = await build_on(folder, config, chain, KeySigner(b"\7" * 32), DOMAIN, contracts, platform)
    ended = perf_counter()
    await base.close()
    root = StateTree.build(dict(base.state.leaves())).root
    return Start(reached[0] - begun, ended - reached[0], base.recovery, (root, base.position.root))


def measure_recovery(log: SignedLog, rounds: int) -> list[Burden]:
    """Return what replaying a million commands takes, twice over, and restoring a snapshot."""
    replayed = [_started(log, snapshot=False) for _ in range(rounds)]
    restored = [_started(log, snapshot=True) for _ in range(rounds)]
    count = replayed[0].recovery.replayed
    scale = MILLION / count
    per_million = "s per million commands"
    of = f"{count:,} commands, scaled"
    leaves = f"{log.leaves:,} leaves"
    return [
        burden(
            "recovery",
            scale * median(one.state_s for one in replayed),
            per_million,
            f"{of}: journal read and replayed",
        ),
        burden(
            "recovery, then the replica",
            scale * median(one.replica_s for one in replayed),
            per_million,
            f"{of}: batches decoded, executed, roots compared",
        ),
        burden(
            "recovery from a snapshot",
            1e3 * median(one.state_s for one in restored),
            "ms",
            f"{leaves}, nothing to replay; {count:,} commands in the newest segment are checked",
        ),
        burden(
            "recovery from a snapshot, then the replica",
            1e3 * median(one.replica_s for one in restored),
            "ms",
            f"{leaves}: state and tree",
        ),
    ]


def _started(log: SignedLog, *, snapshot: bool) -> Start:
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), log.blocks, snapshot=snapshot)
        begun = asyncio.run(start(Path(folder)))
    assert begun.roots == (log.root, log.root)
    return begun
