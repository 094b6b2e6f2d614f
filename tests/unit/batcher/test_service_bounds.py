"""The batcher while more waits than it takes on: who goes first, and who is told."""

import asyncio
from collections.abc import Iterable

from node.types.blocks import Block
from tests.unit.batcher.test_service import Surroundings, blocks, numbers, settled


async def test_what_is_left_of_a_parted_batch_takes_the_room_that_it_had() -> None:
    around = Surroundings(commands_max=8, waiting_batches_max=1, blocks_per_turn=1)
    around.sealer.blocks_max = around.sealer.gates = 1
    async with around.running():
        around.offer(blocks(6))
        assert numbers(await around.batches(1)) == [[1]]
        await settled()
        assert len(around.inbox) == 4
        around.sealer.gates = None
        around.sealer.gate.set()
        assert len(await around.batches(5)) == 5


async def test_what_is_left_of_a_parted_batch_goes_before_those_behind_it() -> None:
    around = Surroundings(commands_max=8)
    around.sealer.blocks_max = 1
    around.sealer.gate.clear()
    async with around.running():
        around.offer(blocks(4))
        await settled()
        around.sealer.gate.set()
        assert numbers(await around.batches(4)) == [[1], [2], [3], [4]]


async def test_a_backlog_that_is_full_before_anything_is_sealed_is_told() -> None:
    around = Surroundings(commands_max=4, backlog_batches_max=2)
    around.sealer.gate.clear()
    async with around.running():
        around.offer(blocks(2))
        await settled()
        assert (around.told, around.sealed()) == ([True], [])
        around.sealer.gate.set()


async def test_while_it_catches_up_the_others_have_their_turn() -> None:
    around, turns, seen = Surroundings(), 0, list[int]()

    def journaled() -> Iterable[Block]:
        for block in blocks(50):
            seen.append(turns)
            yield block

    async with around.running(journaled()):
        for _ in range(100):
            turns += 1
            await asyncio.sleep(0)
    assert seen == [*range(seen[0], seen[0] + 50)]
