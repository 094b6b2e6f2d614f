"""What a node stands on: its chain, its data folder, the state that recovery came out with."""

import asyncio
from collections import deque

import msgspec

from node.adapters.batch_store import BatchFolder
from node.adapters.data_folder import DataFolder
from node.adapters.devnet.settings import DEFAULT_CHAIN_ID
from node.adapters.file_journal import FileJournal
from node.adapters.identity import Identity
from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.adapters.replica_session import Position, ReplicaSetup
from node.adapters.snapshots import SnapshotFolder
from node.app.clock_watch import require_time
from node.app.config import NodeConfig
from node.app.exchange import find_or_deploy, genesis_root, sequencer_key
from node.app.finality_lag import FinalityLag
from node.app.platform import Platform, ReplicaHost
from node.codec.eip712 import Signing
from node.ports.clock import Clock
from node.ports.snapshots import Snapshot
from node.publisher.tape import Tape
from node.sequencer.recovery import Recovery, recover
from node.settlement.contracts import (
    LOG_RETRY_S,
    LOG_TRIES,
    Contracts,
    check_contracts,
    check_log,
)
from node.settlement.inbox import DEPOSITS_REMEMBERED
from node.transition.state import State
from node.types.blocks import Domain
from node.types.commands import Deposit
from node.types.durable import DurableBlock
from node.types.errors import StateDiverged, WrongContract
from node.types.ids import Address
from node.types.rules import Rules
from node.types.units import Millis

BLOCKS_REMEMBERED = 1_024
"""Replayed blocks whose receipts can still be asked for after a restart."""


class Foundation(msgspec.Struct, frozen=True):
    """Opened by ``lay``; whoever holds it closes journal, replica, folder and chain.

    ``deposits`` are those that the log took in since its last final state, the newest of them.
    ``posted``: the batches that L1 had just now.
    """

    rules: Rules
    domain: Domain
    signing: Signing
    platform: Platform
    clock: Clock
    chain: L1Chain
    contracts: Contracts
    signer: KeySigner
    folder: DataFolder
    journal: FileJournal
    batches: BatchFolder
    replica: ReplicaHost
    position: Position
    posted: int
    state: State
    recovery: Recovery
    recent: tuple[DurableBlock, ...]
    deposits: tuple[Deposit, ...]
    tape: Tape
    lag: FinalityLag

    async def close(self) -> None:
        """Let go of everything, in the reverse order."""
        await self.replica.close()
        await self.journal.close()
        self.folder.close()
        await self.chain.close()


async def lay(config: NodeConfig, platform: Platform) -> Foundation:
    """Find the exchange, lock its data, recover its state, and start the replica beside it.

    Raises ``SetupError`` where chain, contracts, data and configuration do not belong together,
    ``IntegrityError`` where the data are damaged, ``ChainUnavailable`` where L1 does not answer.
    """
    chain = L1Chain(config.l1.rpc)
    try:
        signer, domain, contracts = await _find(config, chain)
        folder = DataFolder(config.data, Identity.of(domain, config.rules))
        try:
            return await build_on(folder, config, chain, signer, domain, contracts, platform)
        except BaseException:
            folder.close()
            raise
    except BaseException:
        await chain.close()
        raise


async def _find(config: NodeConfig, chain: L1Chain) -> tuple[KeySigner, Domain, Contracts]:
    chain_id = await chain.chain_id()
    secret = sequencer_key(config, chain_id)
    signer = KeySigner(secret)
    domain, deployed = await find_or_deploy(config, chain_id, secret)
    tries = LOG_TRIES if deployed else 1
    while True:
        try:
            contracts = await check_contracts(
                chain,
                domain,
                sequencer=signer.address,
                rules=config.rules.digest(),
                genesis_root=genesis_root(config.rules),
            )
        except WrongContract:
            # Of several endpoints one may not have the block yet in which we deployed.
            tries -= 1
            if not tries:
                raise
            await asyncio.sleep(LOG_RETRY_S)
        else:
            return signer, domain, contracts


async def build_on(
    folder: DataFolder,
    config: NodeConfig,
    chain: L1Chain,
    signer: KeySigner,
    domain: Domain,
    contracts: Contracts,
    platform: Platform,
) -> Foundation:
    """Recover the state from ``folder``, and start the replica beside it; see ``lay``."""
    journal = FileJournal(
        folder.journal,
        folder.identity,
        platform.clock,
        segment_bytes=config.sequencer.segment_bytes,
        open_file=platform.open_file,
    )
    snapshots = SnapshotFolder(folder.snapshots, folder.identity)
    recent: deque[DurableBlock] = deque(maxlen=BLOCKS_REMEMBERED)
    deposits: deque[Deposit] = deque(maxlen=DEPOSITS_REMEMBERED)
    lag, tape = FinalityLag(), Tape(len(config.rules.markets), config.publisher)

    def observe(block: DurableBlock) -> None:
        # Snapshots are of final states, so every block that may not be final is replayed.
        recent.append(block)
        deposits.extend(each for each in block.block.commands if isinstance(each, Deposit))
        lag.offer(block)
        tape.take(block)

    def restore(snapshot: Snapshot | None) -> State:
        if snapshot is None:
            return State.genesis(config.rules, domain)
        tape.begin(snapshot.sequence)
        return State.from_leaves(config.rules, domain, snapshot.leaves)

    state, recovery = recover(restore, platform.apply, journal, snapshots, observe)
    await _require_time(config, domain, chain, state, platform)
    replica, position, posted = await _start_replica(config, domain, chain, folder, state, platform)
    return Foundation(
        rules=config.rules,
        domain=domain,
        signing=Signing(domain, config.rules),
        platform=platform,
        clock=platform.clock,
        chain=chain,
        contracts=contracts,
        signer=signer,
        folder=folder,
        journal=journal,
        batches=BatchFolder(folder.batches, folder.identity),
        replica=replica,
        position=position,
        posted=posted,
        state=state,
        recovery=recovery,
        recent=tuple(recent),
        deposits=tuple(deposits),
        tape=tape,
        lag=lag,
    )


async def _require_time(
    config: NodeConfig, domain: Domain, chain: L1Chain, state: State, platform: Platform
) -> None:
    """Hold the clock against L1, but for a devnet's, whose blocks may be dated at will."""
    if platform.set_clock is not None and domain.chain_id != DEFAULT_CHAIN_ID:
        now_ms, log_ms = platform.clock.now_ms(), Millis(state.time)
        await require_time(chain, now_ms, log_ms, config.l1.head_age_s_max)


async def _start_replica(
    config: NodeConfig,
    domain: Domain,
    chain: L1Chain,
    folder: DataFolder,
    state: State,
    platform: Platform,
) -> tuple[ReplicaHost, Position, int]:
    replica = platform.make_replica(
        ReplicaSetup(
            rules=config.rules,
            domain=domain,
            batches=folder.batches,
            snapshots=folder.snapshots,
            snapshot_every=config.batcher.snapshot_every_batches,
            final_batches_kept=config.batcher.final_batches_kept,
            bytes_max=config.batcher.bytes_limit,
        )
    )
    try:
        position = await replica.start()
        _require_journal(position, state)
        posted = await check_log(
            chain,
            Address(domain.rollup),
            sealed=position.next_index,
            root=position.root,
            where=str(folder.path),
        )
    except BaseException:
        await replica.close()
        raise
    return replica, position, posted


def _require_journal(position: Position, state: State) -> None:
    """Sealed batches hold only what was durable: else the journal must have lost its end."""
    if position.next_sequence > state.sequence + 1:
        raise StateDiverged(
            where="journal", sequence=state.sequence, batches_up_to=position.next_sequence - 1
        )
