"""The block that is built while the one before it is written: full, alone, and untold."""

import asyncio

import pytest

from node.sequencer.service import UNWRITTEN_MAX, UNWRITTEN_URGENT_MAX
from node.types.blocks import Block
from node.types.durable import Executed, Outcome
from node.types.errors import IntegrityError, ShuttingDown
from node.types.lanes import Lane
from tests.unit.sequencer.surroundings import MemoryJournal, TestKey
from tests.unit.sequencer.test_service import Bench, HeldJournal, running
from tests.unit.sequencer.toy_machine import FATAL, pay


async def settled() -> None:
    """Let everyone go on who can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_full_block_is_built_during_a_write_and_no_more_than_one() -> None:
    journal = HeldJournal()
    async with running(Bench(journal, block_work=4)) as bench:
        first = bench.pay(0)
        await journal.begun.wait()
        few = [bench.pay(index) for index in range(1, 4)]
        await settled()
        assert bench.state.block == 1  # Three would be no full block: they wait for company.
        many = [bench.pay(index) for index in range(4, 15)]
        await settled()
        assert bench.state.block == 2
        assert bench.sequencer.journal.held() == 2 + 5
        bench.assert_conserved()
        assert journal.blocks == []
        assert not any(outcome.done() for outcome in (first, *few, *many))
        journal.release.set()
        await asyncio.gather(first, *few, *many)
        assert [len(block.commands) - 1 for block in journal.blocks] == [1, 4, 4, 4, 2]
        assert [durable.block for durable in bench.published()] == journal.blocks


async def test_what_is_being_written_outlives_a_failure_behind_it() -> None:
    journal = HeldJournal()
    bench = Bench(journal, block_work=1)
    task = asyncio.create_task(bench.sequencer.run())
    sound = bench.pay(1)
    await journal.begun.wait()
    broken, queued = bench.pay(2, FATAL), bench.pay(3)
    await settled()
    assert not broken.done()
    with pytest.raises(ShuttingDown):
        bench.pay(4)
    journal.release.set()
    with pytest.raises(IntegrityError):
        await task
    assert isinstance(await sound, Executed)
    assert [durable.block for durable in bench.published()] == journal.blocks
    assert len(journal.blocks) == 1
    with pytest.raises(IntegrityError):
        await broken
    with pytest.raises(ShuttingDown):
        await queued
    bench.assert_conserved()


async def test_a_failure_in_haste_is_the_end_of_it_too() -> None:
    journal = HeldJournal()
    bench = Bench(journal, block_work=1)
    task = asyncio.create_task(bench.sequencer.run())
    sound = bench.pay(1)
    await journal.begun.wait()
    broken = bench.pay(2, FATAL, lane=Lane.LIQUIDATION)
    bench.sequencer.hasten()
    with pytest.raises(ShuttingDown):
        bench.pay(3)
    bench.sequencer.hasten()
    await settled()
    assert not broken.done()
    journal.release.set()
    with pytest.raises(IntegrityError):
        await task
    assert isinstance(await sound, Executed)
    assert len(journal.blocks) == 1
    with pytest.raises(IntegrityError):
        await broken
    bench.assert_conserved()


class StepJournal(MemoryJournal):
    """A journal whose disk takes one block for each permission."""

    def __init__(self) -> None:
        super().__init__()
        self.permissions = asyncio.Semaphore(0)

    async def append(self, block: Block) -> None:
        await self.permissions.acquire()
        await super().append(block)


async def test_what_a_durable_block_brings_about_is_in_the_next_that_is_built() -> None:
    journal = StepJournal()
    async with running(Bench(journal, block_work=4)) as bench:
        flow = [bench.pay(index, lane=Lane.REDUCING) for index in range(20)]
        await settled()
        assert bench.state.block == 2

        async def liquidate() -> None:
            await bench.outlet.wait()
            await bench.pay(99, lane=Lane.LIQUIDATION)

        urgent = asyncio.create_task(liquidate())
        await settled()
        journal.permissions.release()
        await settled()
        assert bench.state.block == 3
        for _ in range(20):
            journal.permissions.release()
        await asyncio.gather(urgent, *flow)
    assert pay(99) in journal.blocks[2].commands


async def test_liquidations_do_not_wait_for_the_disk() -> None:
    journal = HeldJournal()
    async with running(Bench(journal, block_work=2)) as bench:
        others = [bench.pay(0)]
        await journal.begun.wait()
        others += [bench.pay(index, lane=Lane.TAKING) for index in range(1, 10)]
        await settled()
        assert bench.state.block == UNWRITTEN_MAX
        urgent: list[asyncio.Future[Outcome]] = []
        for block in range(UNWRITTEN_MAX + 1, UNWRITTEN_URGENT_MAX + 1):
            urgent.append(bench.pay(100 + block, lane=Lane.LIQUIDATION))
            await settled()
            assert bench.state.block == block
        # There is an end to it: what nobody was told of is held in memory alone.
        urgent.append(bench.pay(99, lane=Lane.LIQUIDATION))
        await settled()
        assert bench.state.block == UNWRITTEN_URGENT_MAX
        assert not any(outcome.done() for outcome in (*others, *urgent))
        journal.release.set()
        await asyncio.gather(*others, *urgent)
    assert [block.commands[1] for block in journal.blocks[2:5]] == [pay(103), pay(104), pay(99)]


async def test_haste_builds_what_liquidates_at_once_and_nothing_else() -> None:
    journal = HeldJournal()
    async with running(Bench(journal, block_work=4)) as bench:
        first = bench.pay(0)
        await journal.begun.wait()
        other = bench.pay(1, lane=Lane.TAKING)
        bench.sequencer.hasten()
        assert bench.state.block == 1
        urgent = [bench.pay(index, lane=Lane.LIQUIDATION) for index in (10, 11)]
        bench.sequencer.hasten()
        assert bench.state.block == 2
        for block in range(3, UNWRITTEN_URGENT_MAX + 2):
            urgent.append(bench.pay(100 + block, lane=Lane.LIQUIDATION))
            bench.sequencer.hasten()
        assert bench.state.block == UNWRITTEN_URGENT_MAX
        bench.assert_conserved()
        journal.release.set()
        await asyncio.gather(first, other, *urgent)
    assert journal.blocks[1].commands[1:] == (pay(10), pay(11), pay(1))


class BrokenKey(TestKey):
    """A key that fails at its second signature."""

    def __init__(self) -> None:
        super().__init__()
        self.signed = 0

    def sign(self, digest: bytes) -> bytes:
        self.signed += 1
        if self.signed == 2:
            raise RuntimeError("the key is gone")
        return super().sign(digest)


async def test_no_block_follows_one_that_failed_in_haste_whatever_failed() -> None:
    journal = HeldJournal()
    bench = Bench(journal, block_work=2, key=BrokenKey())
    task = asyncio.create_task(bench.sequencer.run())
    sound = bench.pay(1)
    await journal.begun.wait()
    lost = [bench.pay(index, lane=Lane.LIQUIDATION) for index in range(2, 9)]
    bench.sequencer.hasten()
    bench.sequencer.hasten()
    await settled()
    journal.release.set()
    with pytest.raises(RuntimeError, match="the key is gone"):
        await task
    assert isinstance(await sound, Executed)
    assert [block.number for block in journal.blocks] == [1]
    ends = await asyncio.gather(*lost, return_exceptions=True)
    assert {type(end) for end in ends} == {IntegrityError, ShuttingDown}


async def test_no_block_follows_one_that_failed_while_the_next_was_to_be_built() -> None:
    journal = HeldJournal()
    bench = Bench(journal, block_work=1)
    task = asyncio.create_task(bench.sequencer.run())
    sound = bench.pay(0)
    await journal.begun.wait()
    # A full block waits and the sequencer lets everybody speak before it builds it.
    other = bench.pay(1, lane=Lane.TAKING)
    await asyncio.sleep(0)
    broken = bench.pay(2, FATAL, lane=Lane.LIQUIDATION)
    bench.sequencer.hasten()
    failed_at = bench.state.block
    await settled()
    assert bench.state.block == failed_at
    journal.release.set()
    with pytest.raises(IntegrityError):
        await task
    ends = await asyncio.gather(sound, broken, other, return_exceptions=True)
    assert [type(end) for end in ends] == [Executed, IntegrityError, ShuttingDown]


async def test_haste_does_not_end_the_time_in_which_a_block_gathers() -> None:
    async with running(Bench(MemoryJournal(), gather_ms=20)) as bench:
        first = bench.pay(1)
        await settled()
        urgent = bench.pay(2, lane=Lane.LIQUIDATION)
        bench.sequencer.hasten()
        assert bench.state.block == 0
        await asyncio.gather(first, urgent)
        assert bench.state.block == 1


async def test_what_was_built_in_haste_counts_for_the_others() -> None:
    journal = HeldJournal()
    async with running(Bench(journal, block_work=1)) as bench:
        first = bench.pay(0)
        await journal.begun.wait()
        # A full block waits and the sequencer lets everybody speak before it builds it.
        other = bench.pay(1, lane=Lane.TAKING)
        await asyncio.sleep(0)
        urgent = []
        for index in range(10, 10 + UNWRITTEN_URGENT_MAX):
            urgent.append(bench.pay(index, lane=Lane.LIQUIDATION))
            bench.sequencer.hasten()
        await settled()
        assert bench.state.block == UNWRITTEN_URGENT_MAX
        journal.release.set()
        await asyncio.gather(first, other, *urgent)
