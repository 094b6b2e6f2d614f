"""The batcher's loop: in and out conserve, age and flush seal, a full backlog is told once."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.adapters.system_clock import SystemClock
from node.batcher.config import BatcherConfig
from node.batcher.policy import RATIO_ONE, SealCause
from node.batcher.service import BatcherService
from node.capacity.queue import BoundedQueue
from node.codec.commands import command_bytes, decode_block, encode_block
from node.types.blocks import Batch, BatchHeader, Block
from node.types.commands import OpenBlock
from node.types.durable import DurableBlock
from node.types.errors import StateDiverged
from node.types.ids import NO_HASH, Sequence
from node.types.units import Millis, part_rounded_up

HOUR_MS = 3_600_000


def blocks(count: int, commands: int = 4, first: int = 1) -> list[Block]:
    return [
        Block(
            number=number,
            time=Millis(number),
            first_sequence=Sequence((number - 1) * commands + 1),
            commands=tuple(OpenBlock(number, Millis(number)) for _ in range(commands)),
            ids=(NO_HASH,) * commands,
            parent=NO_HASH,
            hash=NO_HASH,
            signature=bytes(65),
            changes=NO_HASH,
        )
        for number in range(first, first + count)
    ]


class ExampleSealer:
    """Makes batches whose data are the blocks' numbers; ``gate`` holds it up."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.next_index = 0
        self.error: Exception | None = None
        self.blocks_max = 100
        self.bytes_each = 1
        self.gates: int | None = None
        """After so many more it is shut."""

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        decoded = [decode_block(block) for block in blocks[: self.blocks_max]]
        assert decoded[0].first_sequence == first_sequence
        header = BatchHeader(
            self.next_index, NO_HASH, NO_HASH, first_sequence, decoded[-1].last_sequence, 0, ()
        )
        self.next_index += 1
        if self.gates is not None:
            self.gates -= 1
            if not self.gates:
                self.gate.clear()
        data = bytes(block.number for block in decoded for _ in range(self.bytes_each))
        return Batch(header, data, cause, decoded[-1].number)


class Surroundings:
    """A service between two mailboxes."""

    def __init__(
        self, *, room: int = 100, next_sequence: int = 1, posted_at_once: int = 100, **keys: int
    ) -> None:
        self.sealer = ExampleSealer()
        self.inbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("blocks", 1_000))
        self.outbox: Mailbox[Batch] = Mailbox(BoundedQueue("batches", room))
        self.told: list[bool] = []
        self.clock = SystemClock()
        config = msgspec.structs.replace(BatcherConfig(age_ms_max=HOUR_MS), **keys)
        self.service = BatcherService(
            config,
            1_000,
            self.sealer,
            self.inbox,
            self.outbox,
            self.clock,
            self.told.append,
            Sequence(next_sequence),
            posted_at_once,
        )

    def offer(self, some: Iterable[Block]) -> None:
        for block in some:
            self.inbox.offer(DurableBlock(block, (), (), {}), self.clock.now_ns())

    def sealed(self) -> list[Batch]:
        return self.outbox.take(1_000, self.clock.now_ns())

    async def batches(self, count: int) -> list[Batch]:
        found: list[Batch] = []
        while len(found) < count:
            await self.outbox.wait()
            found += self.sealed()
        return found

    @asynccontextmanager
    async def running(self, journaled: Iterable[Block] = ()) -> AsyncGenerator[None, None]:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(self.service.run(journaled))
            yield
            self.service.stop()


async def settled() -> None:
    """Let everyone go on who can."""
    for _ in range(100):
        await asyncio.sleep(0)


def numbers(batches: Iterable[Batch]) -> list[list[int]]:
    return [list(batch.data) for batch in batches]


async def test_full_batches_are_sealed_and_the_rest_on_stop() -> None:
    around = Surroundings(commands_max=8)
    async with around.running():
        around.offer(blocks(5))
        first = await around.batches(2)
        assert around.service.stage.conserved()
        assert around.service.stage.held() == 4
    last = around.sealed()
    assert numbers(first + last) == [[1, 2], [3, 4], [5]]
    assert [batch.cause for batch in first + last] == ["commands", "commands", "request"]
    assert around.service.causes[SealCause.COMMANDS] == 2
    stage = around.service.stage
    assert (stage.arrived, stage.done, stage.held()) == (20, 20, 0)
    assert around.service.held_bytes == 0


async def test_what_a_batch_had_no_room_for_is_the_next_one() -> None:
    around = Surroundings(commands_max=20)
    around.sealer.blocks_max = 2
    async with around.running():
        around.offer(blocks(7))
        first = await around.batches(3)
        await asyncio.sleep(0.01)
        backlog = around.service.backlog
        assert (around.service.stage.held(), backlog.batches) == (8, 3)
        assert around.service.held_bytes == sum(
            len(encode_block(one)) for one in blocks(2, first=6)
        )
        assert around.service.stage.conserved()
        assert backlog.unposted_bytes == sum(len(batch.data) for batch in first)
    assert numbers(first + around.sealed()) == [[1, 2], [3, 4], [5], [6, 7]]
    assert (around.service.stage.held(), around.service.stage.done) == (0, 28)


def size_of(some: Iterable[Block]) -> int:
    return sum(command_bytes(one, encode_block(one)) for one in some)


async def test_sizes_go_by_what_was_sealed_last() -> None:
    """Two blocks come to 160 bytes: 80 for each."""
    around = Surroundings(commands_max=8)
    around.sealer.bytes_each = 80
    async with around.running():
        around.offer(blocks(6))
        await around.batches(3)
        policy = around.service._policy
        assert size_of(blocks(2)) > 2
        assert policy.ratio == part_rounded_up(160, RATIO_ONE, size_of(blocks(2)))


async def test_after_a_part_sizes_go_by_what_the_whole_exceeded() -> None:
    """What was seen before says nothing any more, and the part may be what packs well."""
    around = Surroundings(commands_max=20, data_bytes_max=1_000)
    async with around.running():
        around.offer(blocks(5))
        await around.batches(1)
        around.sealer.blocks_max = 2
        around.sealer.gates = 1
        around.offer(blocks(5, first=6))
        await around.batches(1)
        await asyncio.sleep(0)
        service, whole, rest = around.service, blocks(5, first=6), blocks(3, first=8)
        exceeded = part_rounded_up(1_250, RATIO_ONE, size_of(whole))
        assert service._policy.ratio == exceeded
        estimated = part_rounded_up(size_of(rest), exceeded, RATIO_ONE)
        assert service.backlog.unposted_bytes == 5 + 2 + estimated
        assert service.backlog.batches == 3
        around.sealer.gate.set()


async def test_what_waits_in_the_mailbox_at_the_end_is_sealed() -> None:
    around = Surroundings()
    async with around.running():
        await asyncio.sleep(0.01)
        around.offer(blocks(3))
    assert numbers(around.sealed()) == [[1, 2, 3]]


async def test_stopped_while_it_catches_up_it_leaves_the_rest_to_the_journal() -> None:
    around = Surroundings(commands_max=4, waiting_batches_max=1)
    around.sealer.gate.clear()
    around.offer(blocks(1, first=51))
    async with around.running(journaled=blocks(50)):
        await asyncio.sleep(0.01)
        around.service.stop()
        around.sealer.gate.set()
    assert numbers(around.sealed())[0] == [1]
    assert len(around.inbox) == 1, "what follows those of the journal is in it as well"
    assert around.service.stage.conserved()


async def test_an_aged_batch_is_sealed_though_no_block_comes() -> None:
    around = Surroundings(age_ms_max=5)
    async with around.running():
        around.offer(blocks(1))
        (batch,) = await around.batches(1)
        assert batch.cause == "age"
        around.offer(blocks(1, first=2))
        (batch,) = await around.batches(1)
        assert batch.cause == "age"


async def test_behind_a_full_backlog_a_batch_fills_instead_of_ageing() -> None:
    around = Surroundings(age_ms_max=5, backlog_batches_max=1)
    async with around.running():
        around.offer(blocks(1))
        (first,) = await around.batches(1)
        for place in range(2, 6):
            around.offer(blocks(1, first=place))
            await asyncio.sleep(0.01)
        assert around.sealed() == []
        around.service.posted(first.header.index)
        (second,) = await around.batches(1)
        assert (list(second.data), second.cause) == ([2, 3, 4, 5], "age")


async def test_behind_as_many_as_are_on_their_way_at_once_a_batch_fills_too() -> None:
    around = Surroundings(age_ms_max=5, posted_at_once=2)
    async with around.running():
        for place in (1, 2, 3):
            around.offer(blocks(1, first=place))
            (batch,) = await around.batches(1)
            assert (list(batch.data), batch.cause) == ([place], "age")
        for place in (4, 5):
            around.offer(blocks(1, first=place))
            await asyncio.sleep(0.01)
        assert around.sealed() == []
        around.service.posted(0)
        (batch,) = await around.batches(1)
        assert (list(batch.data), batch.cause) == ([4, 5], "age")
    assert around.told == []


async def test_a_full_batch_waits_for_nobody() -> None:
    around = Surroundings(commands_max=4, posted_at_once=1)
    async with around.running():
        around.offer(blocks(5))
        assert numbers(await around.batches(5)) == [[1], [2], [3], [4], [5]]


async def test_a_flush_seals_what_is_there() -> None:
    around = Surroundings()
    async with around.running():
        around.offer(blocks(2))
        await asyncio.sleep(0.01)
        around.service.flush()
        (batch,) = await around.batches(1)
    assert (list(batch.data), batch.cause) == ([1, 2], "request")


async def test_journaled_blocks_come_first() -> None:
    around = Surroundings(commands_max=4, next_sequence=9)
    around.sealer.next_index = 2
    around.offer(blocks(1, first=5))
    async with around.running(blocks(2, first=3)):
        found = await around.batches(3)
    assert numbers(found) == [[3], [4], [5]]
    assert [batch.header.index for batch in found] == [2, 3, 4]


async def test_batches_of_an_earlier_run_are_counted_and_not_handed_on_again() -> None:
    around = Surroundings(backlog_batches_max=2)
    for index in (0, 1):
        around.service.backlog.add(index, 100)
    async with around.running():
        await asyncio.sleep(0)
        assert around.told == [True]
        around.service.posted(0)
        assert around.told == [True, False]
    assert around.sealed() == []
    assert (around.service.backlog.batches, around.service.backlog.unposted_bytes) == (1, 100)


async def test_what_waits_for_the_replica_is_bounded() -> None:
    around = Surroundings(commands_max=4, waiting_batches_max=3, blocks_per_turn=1)
    around.sealer.gate.clear()
    async with around.running():
        around.offer(blocks(10))
        await settled()
        assert around.service.stage.held() == 12
        assert around.service.held_bytes == sum(len(encode_block(one)) for one in blocks(3))
        assert len(around.inbox) == 7
        assert around.service.stage.conserved()
        around.sealer.gate.set()
        assert len(await around.batches(10)) == 10


async def test_a_full_backlog_is_told_and_opens_again_once_posted() -> None:
    around = Surroundings(commands_max=4, backlog_batches_max=4)
    async with around.running():
        around.offer(blocks(4))
        await around.batches(4)
        assert around.told == [True]
        around.service.posted(0)
        assert around.told == [True]
        around.service.posted(1)
        assert around.told == [True, False]
        around.service.dropped(0, 10)
        around.service.dropped(1, 10)
        assert around.told == [True, False], "what a reorg gives back is no reason to refuse orders"
        assert around.service.backlog.batches == 4


async def test_a_slow_settlement_holds_batches_up_and_loses_none() -> None:
    around = Surroundings(commands_max=4, room=1)
    async with around.running():
        around.offer(blocks(3))
        found: list[Batch] = []
        while len(found) < 3:
            await asyncio.sleep(0.001)
            assert len(around.outbox) <= 1
            assert around.service.stage.conserved()
            found += around.sealed()
    assert numbers(found) == [[1], [2], [3]]


async def test_a_divergence_ends_the_service() -> None:
    around = Surroundings(commands_max=4)
    around.sealer.error = StateDiverged(where="block", number=1)
    around.offer(blocks(1))
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(around.service.run(), 5)
    assert caught.group_contains(StateDiverged)
    assert len(around.outbox) == 0
    assert around.service.stage.conserved()
