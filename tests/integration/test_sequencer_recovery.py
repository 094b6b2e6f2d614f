"""The sequencer over the real transition and a real disk: crash anywhere, start again, go on."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from node.adapters.data_folder import DataFolder
from node.adapters.file_journal import FileJournal
from node.adapters.identity import Identity
from node.adapters.snapshots import SnapshotFolder
from node.codec.commands import command_id
from node.codec.eip712 import Signing
from node.codec.receipts import BlockSigning, verify_receipt
from node.ports.snapshots import Snapshot
from node.publisher.config import PublisherConfig
from node.publisher.tape import Tape
from node.sequencer.builder import Builder
from node.sequencer.recovery import Recovery, recover
from node.sequencer.service import Sequencer, SequencerLimits
from node.transition.apply import apply
from node.transition.state import State
from node.transition.tree.tree import StateTree
from node.types.blocks import Domain
from node.types.commands import (
    CancelAll,
    Command,
    Deposit,
    NewOrder,
    OracleRound,
    OrderType,
    PlaceOrders,
    PriceReport,
    Side,
)
from node.types.durable import DurableBlock, Executed, Outcome
from node.types.errors import PlimsollError
from node.types.events import Filled
from node.types.fees import FREE
from node.types.ids import EVERY_MARKET, Address, MarketId, Sequence
from node.types.lanes import Lane
from node.types.rules import Bracket, MarketRules, Rules
from node.types.units import Lots, Millis, Money, Ppm, Ticks
from tests.unit.sequencer.surroundings import HandClock, TestKey

DOMAIN = Domain(chain_id=31337, rollup=bytes(range(20)))
REPORTER = Address(b"\x0e" * 20)
TRADERS = [Address(bytes([number]) * 20) for number in range(1, 9)]
MARK = 600_000
RULES = Rules(
    name="integration",
    markets=(
        MarketRules(
            symbol="BTC-PERP",
            tick_decimals=1,
            lot_decimals=5,
            min_notional=Money(1_000_000),
            price_band=Ppm(200_000),
            brackets=(Bracket(Lots(1_000_000), Ppm(50_000), Ppm(25_000)),),
            maker_fee=Ppm(100),
            taker_fee=Ppm(500),
            liquidation_fee=Ppm(5_000),
            mark_stale_ms=Millis(60_000),
            funding_interval_ms=Millis(3_600_000),
            funding_cap=Ppm(10_000),
        ),
    ),
    reporters=(REPORTER,),
    quorum=1,
    fees=FREE,
)
SIGNING = Signing(DOMAIN, RULES)


def _restore(snapshot: Snapshot | None) -> State:
    if snapshot is None:
        return State.genesis(RULES, DOMAIN)
    return State.from_leaves(RULES, DOMAIN, snapshot.leaves)


def _root(state: State) -> bytes:
    return StateTree.build(dict(state.leaves())).root


class Node:
    """A sequencer on a data folder, from its start-up on."""

    def __init__(self, folder: DataFolder, clock: HandClock) -> None:
        self.journal = FileJournal(folder.journal, folder.identity, clock, segment_bytes=50_000)
        self.snapshots = SnapshotFolder(folder.snapshots, folder.identity)
        self.recovery: Recovery
        self.tape = Tape(len(RULES.markets), PublisherConfig())

        def observe(block: DurableBlock) -> None:
            self.tape.take(block)

        self.state, self.recovery = recover(_restore, apply, self.journal, self.snapshots, observe)
        name = partial(command_id, signing=SIGNING)
        self.key = TestKey()
        self.sequencer = Sequencer(
            Builder(self.state, apply, name, self.recovery.parent),
            self.journal,
            self.key,
            BlockSigning(DOMAIN),
            clock,
            SequencerLimits(dict.fromkeys(Lane, 10000), block_work=40),
            (),
        )

    def save_snapshot(self) -> None:
        """Write the present state down, as the replica does for the end of a final batch."""
        *_, last = self.journal.read(Sequence(1))
        leaves = tuple(self.state.leaves())
        sequence = last.last_sequence
        self.snapshots.save(
            Snapshot(DOMAIN, RULES.digest(), sequence, last.number, last.hash, leaves)
        )

    def submit(self, command: Command) -> "asyncio.Future[Outcome]":
        return self.sequencer.submit(command, command_id(command, SIGNING))


@asynccontextmanager
async def running(path: Path, clock: HandClock) -> AsyncIterator[tuple[Node, "asyncio.Task[None]"]]:
    """Start a node on ``path``; however its task ends, leave the folder to the next."""
    with DataFolder(path, Identity.of(DOMAIN, RULES)) as folder:
        node = Node(folder, clock)
        task = asyncio.create_task(node.sequencer.run())
        try:
            yield node, task
        finally:
            node.sequencer.stop()
            with suppress(asyncio.CancelledError):
                await task
            await node.journal.close()


def _opening_commands(clock: HandClock) -> list[Command]:
    report = PriceReport(REPORTER, (Ticks(MARK),), bytes(65))
    deposits = [
        Deposit(index, trader, Money(10_000_000_000)) for index, trader in enumerate(TRADERS)
    ]
    return [*deposits, OracleRound(clock.now_ms(), (report,))]


class Flow:
    """Seeded orders of all kinds: some cross, some rest, some are refused."""

    def __init__(self, seed: int, clock: HandClock) -> None:
        self.random = random.Random(seed)
        self.clock = clock
        self.nonce = 0

    def action(self) -> Command:
        trader = self.random.choice(TRADERS)
        expires = Millis(self.clock.now_ms() + 60_000)
        self.nonce += 1
        if self.random.random() < 0.05:
            return CancelAll(trader, trader, self.nonce, expires, bytes(65), EVERY_MARKET)
        side = self.random.choice(list(Side))
        kind = self.random.choice(list(OrderType))
        price = Ticks(MARK + self.random.randint(-200, 200))
        size = Lots(self.random.choice([0, 10_000, 20_000]))
        order = NewOrder(MarketId(1), side, kind, price, size)
        return PlaceOrders(trader, trader, self.nonce, expires, bytes(65), (), (order,) * 2)

    async def send(self, node: Node, bursts: int) -> list[Executed]:
        """Send 50 actions at a time, and return those that were accepted."""
        outcomes: list[Outcome] = []
        for _ in range(bursts):
            self.clock.ms = Millis(self.clock.ms + 7)
            outcomes += await asyncio.gather(*(node.submit(self.action()) for _ in range(50)))
        return [outcome for outcome in outcomes if isinstance(outcome, Executed)]

    async def send_until_it_dies(self, node: Node, acknowledged: dict[Sequence, bytes]) -> None:
        with suppress(PlimsollError):
            while True:
                for outcome in await self.send(node, bursts=1):
                    receipt = outcome.receipt()
                    acknowledged[receipt.sequence] = receipt.action


async def test_a_clean_stop_and_start_give_the_same_root_and_books(tmp_path: Path) -> None:
    clock = HandClock()
    flow = Flow(1, clock)
    async with running(tmp_path, clock) as (node, _):
        await asyncio.gather(*map(node.submit, _opening_commands(clock)))
        accepted = await flow.send(node, bursts=8)
        fills = [event for each in accepted for event in each.events if isinstance(event, Filled)]
        assert len(accepted) > 100
        assert len(fills) > 20
        assert all(
            verify_receipt(outcome.receipt(following=True), node.key.address, DOMAIN)
            for outcome in accepted[::40]
        )
        node.save_snapshot()
        await flow.send(node, bursts=2)
    wanted = _root(node.state)
    async with running(tmp_path, clock) as (again, _):
        assert _root(again.state) == wanted
        assert again.recovery.snapshot > 0
        assert again.recovery.snapshot + again.recovery.replayed == node.state.sequence
        assert await flow.send(again, bursts=1)


async def test_the_tape_holds_what_was_traded_since_the_snapshot(tmp_path: Path) -> None:
    clock = HandClock()
    market = MarketId(1)
    async with running(tmp_path, clock) as (node, _):
        await asyncio.gather(*map(node.submit, _opening_commands(clock)))
        flow = Flow(5, clock)
        await flow.send(node, bursts=2)
        node.save_snapshot()
        before = node.state.sequence
        accepted = await flow.send(node, bursts=4)
    accepted.sort(key=lambda outcome: outcome.sequence)
    fills = [event for each in accepted for event in each.events if isinstance(event, Filled)]
    async with running(tmp_path, clock) as (again, _):
        assert len(fills) < PublisherConfig().trades_kept
        trades = again.tape.trades(market, 1_000)
        assert [trade.fill for trade in trades] == fills
        assert len(fills) > 10
        assert trades[0].sequence > before
        assert again.tape.candles(market, "1d", 9)[-1].trades == len(fills)


async def test_replay_from_nothing_and_from_a_snapshot_agree(tmp_path: Path) -> None:
    clock = HandClock()
    async with running(tmp_path, clock) as (node, _):
        await asyncio.gather(*map(node.submit, _opening_commands(clock)))
        flow = Flow(3, clock)
        await flow.send(node, bursts=6)
        node.save_snapshot()
        await flow.send(node, bursts=2)
    for snapshot in (tmp_path / "snapshots").iterdir():
        snapshot.unlink()
    async with running(tmp_path, clock) as (again, _):
        assert again.recovery.snapshot == 0
        assert _root(again.state) == _root(node.state)


@pytest.mark.parametrize("seed", range(4, 8))
async def test_a_crash_at_a_random_moment_loses_nothing_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    clock = HandClock()
    flow = Flow(seed, clock)
    acknowledged: dict[Sequence, bytes] = {}
    async with running(tmp_path, clock) as (node, task):
        await asyncio.gather(*map(node.submit, _opening_commands(clock)))
        trading = asyncio.create_task(flow.send_until_it_dies(node, acknowledged))
        await asyncio.sleep(flow.random.uniform(0.02, 0.2))
        task.cancel()
        await trading
    async with running(tmp_path, clock) as (again, _):
        ids = {
            block.first_sequence + place: command_id_
            for block in again.journal.read(Sequence(1))
            for place, command_id_ in enumerate(block.ids)
        }
        assert len(acknowledged) > 0
        assert {sequence: ids.get(sequence) for sequence in acknowledged} == acknowledged
        assert await flow.send(again, bursts=1)
