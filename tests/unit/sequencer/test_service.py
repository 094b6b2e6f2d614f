"""The service: nothing is told before it is durable, everyone is told once, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.codec.receipts import BlockSigning, verify_receipt
from node.ports.intake import Deliver, Intake
from node.sequencer.builder import Builder
from node.sequencer.insight import NO_INSIGHT, Insight
from node.sequencer.service import ASKERS, Sequencer, SequencerLimits
from node.types.blocks import GENESIS_PARENT, Block
from node.types.commands import OpenBlock, Withdraw
from node.types.durable import DurableBlock, Executed, Outcome
from node.types.errors import (
    DiskFailed,
    GateClosed,
    IntegrityError,
    Overloaded,
    PlimsollError,
    ShuttingDown,
)
from node.types.events import Deposited, Rejected
from node.types.ids import Address
from node.types.lanes import Lane
from node.types.units import Millis, Money
from tests.unit.sequencer.surroundings import (
    HandClock,
    MemoryJournal,
    TestKey,
)
from tests.unit.sequencer.toy_machine import (
    ALICE,
    DOMAIN,
    FATAL,
    FIVE,
    REFUSED,
    Ledger,
    apply,
    name_of,
    pay,
)


class HeldJournal(MemoryJournal):
    """A journal whose disk answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.release = asyncio.Event()

    async def append(self, block: Block) -> None:
        self.begun.set()
        await self.release.wait()
        await super().append(block)


class BrokenJournal(MemoryJournal):
    """A journal whose disk is full."""

    async def append(self, block: Block) -> None:  # noqa: ARG002
        raise DiskFailed(path="data/journal", errno=28)


class Bench:
    """A sequencer over the toy machine, with everything round it at hand."""

    def __init__(
        self,
        journal: MemoryJournal | None = None,
        *,
        lane_limit: int = 100,
        outlet_limit: int = 100,
        block_work: int = 512,
        gather_ms: int = 0,
        insight: Insight = NO_INSIGHT,
        key: TestKey | None = None,
    ) -> None:
        self.journal = journal or MemoryJournal()
        self.state = Ledger()
        self.key = key or TestKey()
        self.clock = HandClock()
        self.outlet = Mailbox[DurableBlock](BoundedQueue("outlet", outlet_limit))
        limits = SequencerLimits(
            dict.fromkeys(Lane, lane_limit), block_work=block_work, gather_ms=gather_ms
        )
        self.sequencer = Sequencer(
            Builder(self.state, apply, name_of, GENESIS_PARENT),
            self.journal,
            self.key,
            BlockSigning(DOMAIN),
            self.clock,
            limits,
            (self.outlet,),
            insight,
        )

    def pay(
        self, index: int, amount: Money = FIVE, lane: Lane | None = None
    ) -> "asyncio.Future[Outcome]":
        command = pay(index, amount)
        return self.sequencer.submit(command, name_of(command), lane)

    def published(self) -> list[DurableBlock]:
        return self.outlet.take(1_000, self.clock.now_ns())

    def assert_conserved(self) -> None:
        for stage in self.sequencer.stages:
            assert stage.conserved(), stage.name


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Run the sequencer, and let it finish what it has taken on."""
    task = asyncio.create_task(bench.sequencer.run())
    try:
        yield bench
    finally:
        bench.sequencer.stop()
        await task
    bench.assert_conserved()


async def test_an_outcome_tells_what_happened_and_where() -> None:
    async with running(Bench()) as bench:
        outcome = await bench.pay(7)
        assert isinstance(outcome, Executed)
        assert outcome.sequence == 2
        assert outcome.events == (Deposited(7, ALICE, FIVE),)
        assert outcome.durable.block == bench.journal.blocks[0]
        receipt = outcome.receipt(following=True)
        assert verify_receipt(receipt, bench.key.address, DOMAIN)
        assert bench.published() == [outcome.durable]


async def test_a_rejection_is_an_outcome_and_leaves_no_block() -> None:
    async with running(Bench()) as bench:
        outcome = await bench.pay(7, REFUSED)
        assert isinstance(outcome, Rejected)
        assert bench.journal.blocks == []
        assert bench.published() == []
        assert bench.sequencer.transition.refused == {"rejected": 1}


async def test_what_nobody_sent_is_nobodys_outcome_and_no_stage_counts_it_as_taken_in() -> None:
    async with running(Bench()) as bench:
        bench.state.due = [pay(9)]
        outcome = await bench.pay(7)
        assert isinstance(outcome, Executed)
        assert outcome.events == (Deposited(7, ALICE, FIVE),)
        assert outcome.durable.block.commands[2:] == (pay(9),)
        assert bench.sequencer.transition.done == 1


async def test_nobody_hears_of_a_block_before_it_is_durable() -> None:
    journal = HeldJournal()
    async with running(Bench(journal)) as bench:
        accepted, rejected = bench.pay(1), bench.pay(2, REFUSED)
        await journal.begun.wait()
        assert not accepted.done()
        assert not rejected.done()
        assert bench.published() == []
        bench.assert_conserved()
        journal.release.set()
        assert isinstance(await accepted, Executed)
        assert isinstance(await rejected, Rejected)


async def test_what_arrives_during_a_write_is_one_next_block() -> None:
    journal = HeldJournal()
    async with running(Bench(journal)) as bench:
        first = bench.pay(0)
        await journal.begun.wait()
        later = [bench.pay(index) for index in range(1, 6)]
        journal.release.set()
        await asyncio.gather(first, *later)
        assert [len(block.commands) for block in journal.blocks] == [2, 6]


async def test_urgent_lanes_go_first_in_a_block() -> None:
    bench = Bench()
    for index, lane in enumerate(reversed(Lane)):
        bench.pay(index, lane=lane)
    async with running(bench):
        pass
    commands = bench.journal.blocks[0].commands
    assert commands[1:] == tuple(pay(index) for index in (4, 3, 2, 1, 0))


@pytest.mark.parametrize(("gather_ms", "blocks"), [(0, [1, 1]), (100, [2])])
async def test_a_first_submission_waits_for_company_if_told_to(
    gather_ms: int, blocks: list[int]
) -> None:
    async with running(Bench(gather_ms=gather_ms)) as bench:
        outcomes = [bench.pay(1)]
        for _ in range(5):
            await asyncio.sleep(0)
        outcomes.append(bench.pay(2))
        await asyncio.gather(*outcomes)
        assert [len(block.commands) - 1 for block in bench.journal.blocks] == blocks


async def test_a_block_is_bounded() -> None:
    bench = Bench(block_work=4)
    outcomes = [bench.pay(index) for index in range(10)]
    async with running(bench):
        await asyncio.gather(*outcomes)
    assert [len(block.commands) - 1 for block in bench.journal.blocks] == [4, 4, 2]


async def test_the_same_action_twice_has_one_outcome() -> None:
    async with running(Bench()) as bench:
        first, second = bench.pay(1), bench.pay(1)
        assert (await first) is (await second)
        assert [len(block.commands) for block in bench.journal.blocks] == [2]
        third = await bench.pay(1)
        assert third is not await first


async def test_only_so_many_may_ask_for_one_outcome() -> None:
    async with running(Bench()) as bench:
        asked = [bench.pay(1) for _ in range(ASKERS)]
        with pytest.raises(Overloaded) as refusal:
            bench.pay(1)
        assert refusal.value.queue == "same_action"
        assert len({id(outcome) for outcome in await asyncio.gather(*asked)}) == 1


async def test_a_stranger_cannot_have_his_rejection_answered_to_the_owner() -> None:
    def withdrawal(signer: Address) -> Withdraw:
        return Withdraw(ALICE, signer, 1, Millis(0), b"", FIVE)

    bench = Bench()
    stranger = bench.sequencer.submit(withdrawal(Address(b"\x02" * 20)), b"same id")
    owner = bench.sequencer.submit(withdrawal(ALICE), b"same id")
    assert len(bench.sequencer.stages[Lane.TAKING].snapshot().refused) == 0
    assert bench.sequencer.stages[Lane.TAKING].arrived == 2
    stranger.cancel()
    owner.cancel()


async def test_a_full_lane_and_a_closed_gate_refuse_at_once() -> None:
    bench = Bench(lane_limit=1)
    waiting = bench.pay(1, lane=Lane.TAKING)
    with pytest.raises(Overloaded):
        bench.pay(2, lane=Lane.TAKING)
    bench.sequencer.close_gate("backlog")
    with pytest.raises(GateClosed):
        bench.pay(3, lane=Lane.RESTING)
    reducing = bench.pay(4, lane=Lane.REDUCING)
    assert bench.sequencer.gate == "backlog"
    bench.sequencer.open_gate()
    async with running(bench):
        await asyncio.gather(waiting, reducing)
        assert isinstance(await bench.pay(3, lane=Lane.RESTING), Executed)


async def test_a_refused_action_may_be_sent_again() -> None:
    bench = Bench(lane_limit=1)
    bench.pay(1)
    with pytest.raises(Overloaded):
        bench.pay(2)
    async with running(bench):
        await bench.outlet.wait()
        assert isinstance(await bench.pay(2), Executed)


async def test_a_full_outlet_holds_the_sequencer_back_and_loses_nothing() -> None:
    bench = Bench(outlet_limit=1)
    task = asyncio.create_task(bench.sequencer.run())
    for index in range(3):
        outcome = bench.pay(index)
        if index < 2:
            await outcome
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(bench.journal.blocks) == 2
    numbers = []
    bench.sequencer.stop()
    while not task.done() or len(bench.outlet):
        numbers += [durable.block.number for durable in bench.published()]
        await asyncio.sleep(0)
    assert numbers == [1, 2, 3]
    await task


@pytest.mark.parametrize("fatal", [True, False], ids=["transition", "journal"])
async def test_a_failure_stops_everything_and_publishes_nothing(fatal: bool) -> None:
    bench = Bench(None if fatal else BrokenJournal(), block_work=2)
    begun = [bench.pay(1, FATAL if fatal else FIVE), bench.pay(2)]
    queued = bench.pay(3)
    with pytest.raises(IntegrityError):
        await bench.sequencer.run()
    for outcome in begun:
        with pytest.raises(IntegrityError) as told:
            await outcome
        # What befell the node, and in which file, is not for its clients.
        assert told.value.code == IntegrityError.code
    with pytest.raises(ShuttingDown):
        await queued
    with pytest.raises(ShuttingDown):
        bench.pay(4)
    assert bench.published() == []
    assert bench.journal.blocks == []
    bench.assert_conserved()


@pytest.mark.parametrize(
    ("stopped", "broken", "told"),
    [
        (False, False, IntegrityError),
        (True, False, ShuttingDown),
        (False, True, IntegrityError),
        (True, True, IntegrityError),
    ],
)
async def test_a_cancelled_sequencer_says_that_the_outcome_is_unknown_or_that_it_was_stopping(
    stopped: bool, broken: bool, told: type[PlimsollError]
) -> None:
    journal = HeldJournal()
    bench = Bench(journal)
    task = asyncio.create_task(bench.sequencer.run())
    outcome = bench.pay(1)
    await journal.begun.wait()
    if broken:
        bench.pay(2, FATAL, Lane.LIQUIDATION)
        bench.sequencer.hasten()
    if stopped:
        bench.sequencer.stop()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(told):
        await outcome
    bench.assert_conserved()


async def test_stopping_finishes_what_was_taken_on() -> None:
    bench = Bench(block_work=2)
    outcomes = [bench.pay(index) for index in range(5)]
    bench.sequencer.stop()
    with pytest.raises(ShuttingDown):
        bench.pay(9)
    await bench.sequencer.run()
    assert all(isinstance(outcome.result(), Executed) for outcome in outcomes)


async def test_a_stop_does_not_wait_for_company() -> None:
    bench = Bench(gather_ms=60_000)
    outcome = bench.pay(1)
    bench.sequencer.stop()
    async with asyncio.timeout(5):
        await bench.sequencer.run()
    assert isinstance(outcome.result(), Executed)


async def test_whoever_breaks_on_hearing_harms_no_one_else() -> None:
    heard: list[Outcome | PlimsollError] = []

    def broken(_outcome: Outcome | PlimsollError) -> None:
        raise RuntimeError

    async with running(Bench()) as bench:
        listeners: tuple[Deliver, ...] = (broken, heard.append)
        for deliver in listeners:
            bench.sequencer.offer(pay(1), name_of(pay(1)), deliver)
        await bench.pay(2)
    assert len(heard) == 1


async def test_whoever_stops_waiting_is_left_alone() -> None:
    async with running(Bench()) as bench:
        bench.pay(1).cancel()
        assert isinstance(await bench.pay(2), Executed)
        assert bench.state.sequence == 3


async def test_it_is_what_the_other_stations_know_as_an_intake() -> None:
    intake: Intake = Bench().sequencer
    heard: list[Outcome | PlimsollError] = []
    intake.offer(pay(1), name_of(pay(1)), heard.append)
    assert heard == []


async def test_nobody_but_the_sequencer_opens_blocks() -> None:
    bench = Bench()
    with pytest.raises(AssertionError):
        bench.sequencer.submit(OpenBlock(1, Millis(1)), bytes(32))
