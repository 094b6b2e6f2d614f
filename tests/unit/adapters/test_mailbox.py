"""A mailbox wakes its consumer exactly when there is something to take."""

import asyncio

import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.types.errors import Overloaded


def mailbox_of(limit: int) -> Mailbox[int]:
    return Mailbox(BoundedQueue("inbox", limit))


async def test_an_offer_wakes_a_sleeping_consumer() -> None:
    mailbox = mailbox_of(4)
    sleeper = asyncio.ensure_future(mailbox.wait())
    await asyncio.sleep(0)
    assert not sleeper.done()
    mailbox.offer(1, 0)
    await asyncio.wait_for(sleeper, 5)
    assert mailbox.take(4, 0) == [1]


async def test_an_offer_before_the_wait_is_not_lost() -> None:
    mailbox = mailbox_of(4)
    mailbox.offer(1, 0)
    await asyncio.wait_for(mailbox.wait(), 5)


async def test_what_a_take_leaves_behind_wakes_again_and_emptiness_sleeps() -> None:
    mailbox = mailbox_of(4)
    mailbox.offer(1, 0)
    mailbox.offer(2, 0)
    assert list(mailbox) == [1, 2]
    mailbox.take(1, 0)
    assert list(mailbox) == [2]
    await asyncio.wait_for(mailbox.wait(), 5)
    mailbox.take(1, 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mailbox.wait(), 0.01)


async def test_a_filled_queue_can_be_wrapped() -> None:
    queue: BoundedQueue[int] = BoundedQueue("inbox", 4)
    queue.offer(1, 0)
    await asyncio.wait_for(Mailbox(queue).wait(), 5)


async def test_a_full_mailbox_refuses_and_stays_awake() -> None:
    mailbox = mailbox_of(1)
    mailbox.offer(1, 0)
    with pytest.raises(Overloaded):
        mailbox.offer(2, 0)
    await asyncio.wait_for(mailbox.wait(), 5)
    assert len(mailbox) == 1
    assert mailbox.stage.conserved()


@pytest.mark.parametrize("batch", [1, 3, 7])
async def test_a_consumer_gets_all_of_an_uneven_flow_in_order(batch: int) -> None:
    mailbox = mailbox_of(16)
    received: list[int] = []

    async def consume() -> None:
        while len(received) < 200:
            await mailbox.wait()
            taken = mailbox.take(batch, len(received))
            assert taken
            received.extend(taken)
            if len(received) % 2:
                await asyncio.sleep(0)

    async def produce() -> None:
        item = 0
        while item < 200:
            while item < 200 and len(mailbox) < 1 + item % 16:
                mailbox.offer(item, 0)
                item += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(consume())
        group.create_task(produce())
    assert received == list(range(200))
    assert mailbox.stage.conserved()


async def test_a_producer_can_wait_for_room() -> None:
    mailbox = mailbox_of(2)
    await mailbox.wait_for_room()
    mailbox.offer(1, 0)
    await mailbox.wait_for_room()
    mailbox.offer(2, 0)
    waiting = asyncio.create_task(mailbox.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    mailbox.take(1, 1)
    await waiting
    mailbox.offer(3, 1)
    assert mailbox.take(5, 2) == [2, 3]
