"""The whole node on simulated ground: clock, chain, disk and workers are the script's."""

from pathlib import Path
from typing import Final

import msgspec
from eth_account import Account
from web3 import AsyncWeb3

from node.adapters.data_folder import DataFolder
from node.adapters.deployment import deploy
from node.adapters.devnet.keys import dev_key
from node.adapters.identity import Identity
from node.adapters.key_signer import KeySigner
from node.adapters.replica_session import Position, ReplicaSession, ReplicaSetup
from node.app.config import NodeConfig
from node.app.exchange import genesis_root
from node.app.foundation import Foundation, build_on
from node.app.platform import Platform
from node.ingress.inline_worker import InlineWorker
from node.settlement.contracts import check_contracts
from node.simulation.rehearsal.chain import DirectChain, DirectProvider, SimulatedL1
from node.simulation.rehearsal.script import Script
from node.simulation.rehearsal.virtual_loop import VirtualClock, VirtualLoop
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.proofs import Proof
from node.types.blocks import Batch, Domain
from node.types.commands import Command, OpenBlock
from node.types.events import Event
from node.types.ids import Sequence, address_from_hex

CHAIN_ID: Final = 31337


class TimedFile:
    """The journal's newest segment on a disk that takes as long as the script says."""

    def __init__(self, path: Path, loop: VirtualLoop, commit_s: float) -> None:
        self._file = path.open("ab")
        self._loop = loop
        self._commit_s = commit_s

    def write(self, data: bytes) -> None:
        """Append ``data``, which is a block; it is written beside the loop."""
        self._loop.spend_beside(self._commit_s)
        self._file.write(data)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class InlineReplica:
    """The replica in this very process; see ``ReplicaProcess``."""

    pid: int | None = None

    def __init__(self, setup: ReplicaSetup) -> None:
        self._session = ReplicaSession(setup)

    async def start(self) -> Position:
        """Return where the batches end."""
        return self._session.position()

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the blocks as the next batch."""
        return self._session.seal(blocks, first_sequence, cause)

    async def pin(self, index: int) -> int:
        """Keep what proves by ``index``, the newest final batch."""
        return self._session.pin(index)

    async def prove(self, final: int, key: bytes) -> tuple[int, Proof]:
        """Return a batch, ``final`` or one before it, and the proof that it holds ``key``."""
        return self._session.prove(final, key)

    async def finalize(self, index: int) -> Sequence:
        """Let go of what only batches before the final batch ``index`` needed."""
        return self._session.finalize(index)

    async def close(self) -> None:
        """Have nothing to end."""


class TimedWorker(InlineWorker):
    """Answers when its simulated work is done."""

    def __init__(self, loop: VirtualLoop, verify_s: float) -> None:
        super().__init__()
        self._loop = loop
        self._verify_s = verify_s
        self._free_at_s = 0.0

    def write(self, frame: bytes) -> None:
        """Begin with a frame once those before it are done."""
        answer = self._respond(frame)
        if answer is None:
            return
        _, answers = msgspec.msgpack.decode(answer)
        work_s = len(answers) * self._verify_s
        self._free_at_s = max(self._free_at_s, self._loop.time()) + work_s
        timed = msgspec.msgpack.encode((round(work_s * 1e9), answers))
        self._loop.call_at(self._free_at_s, self._answers.put_nowait, timed)


def platform_of(script: Script, loop: VirtualLoop, clock: VirtualClock) -> Platform:
    """Return ground on which work takes as long as the script says."""
    costs = script.costs

    def charged(state: State, command: Command) -> tuple[Event, ...]:
        if not isinstance(command, OpenBlock):
            loop.spend(costs.command_s)
        return apply(state, command)

    async def start_worker() -> TimedWorker:
        return TimedWorker(loop, costs.verify_s)

    return Platform(
        clock=clock,
        apply=charged,
        busy_ns=lambda: loop.spent_ns,
        waited_ns=lambda: None,
        start_worker=start_worker,
        open_file=lambda path: TimedFile(path, loop, costs.commit_s),
        make_replica=InlineReplica,
    )


async def lay_ground(config: NodeConfig, l1: SimulatedL1, platform: Platform) -> Foundation:
    """Deploy the exchange on ``l1`` and open an empty data folder for it."""
    secret = dev_key(0)
    signer = KeySigner(secret)
    deployer = Account.from_key(secret)
    deployment = await deploy(
        AsyncWeb3(DirectProvider(l1)),
        deployer,
        sequencer=deployer.address,
        rules=config.rules.encode(),
        genesis_root=genesis_root(config.rules),
        finality_blocks=config.l1.finality_blocks,
    )
    chain = DirectChain(l1)
    domain = Domain(CHAIN_ID, address_from_hex(deployment.rollup))
    contracts = await check_contracts(
        chain,
        domain,
        sequencer=signer.address,
        rules=config.rules.digest(),
        genesis_root=genesis_root(config.rules),
    )
    folder = DataFolder(config.data, Identity.of(domain, config.rules))
    return await build_on(folder, config, chain, signer, domain, contracts, platform)
