"""The end of a child process: nobody waits for ever, and a cancellation arrives."""

import asyncio

import pytest

from node.adapters.process_end import end_within


class Child:
    """Ends when it is told to, or killed; ``late``: when it is to be killed, it has just ended."""

    def __init__(self, *, late: bool = False) -> None:
        self._ended = asyncio.Event()
        self._late = late
        self.kills = 0

    async def wait(self) -> int:
        await self._ended.wait()
        return 0

    def end(self) -> None:
        self._ended.set()

    def kill(self) -> None:
        self.kills += 1
        self.end()
        if self._late:
            raise ProcessLookupError


async def wait_for_end(child: Child, seconds: float) -> None:
    await end_within(child, seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [False, True])
async def test_a_child_that_hangs_is_killed_even_where_it_ends_just_then(late: bool) -> None:
    child = Child(late=late)
    async with asyncio.timeout(10):
        await wait_for_end(child, 0)
    assert child.kills == 1


async def test_a_child_that_ends_in_time_is_not_killed() -> None:
    child = Child()
    child.end()
    await wait_for_end(child, 10)
    assert child.kills == 0


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_arrives_however_soon_after_the_end_it_comes(turns: int) -> None:
    child, never = Child(), asyncio.Event()

    async def keep() -> None:
        await wait_for_end(child, 10)
        await never.wait()

    keeping = asyncio.create_task(keep())
    await asyncio.sleep(0)
    child.end()
    for _ in range(turns):
        await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping], timeout=5)
    assert keeping.cancelled()
