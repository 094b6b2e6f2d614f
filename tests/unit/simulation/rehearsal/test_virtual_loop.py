"""Simulated time: nothing waits, work that is charged for makes others late, one order only."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from node.simulation.rehearsal.virtual_loop import NothingLeft, VirtualClock, VirtualLoop


def run(work: Callable[[VirtualLoop], Awaitable[None]]) -> VirtualLoop:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)

        async def begin() -> None:
            await work(loop)

        runner.run(begin())
        return loop


def test_an_hour_of_sleep_is_over_at_once() -> None:
    async def sleep(_loop: VirtualLoop) -> None:
        await asyncio.sleep(3_600)

    assert 3_600 <= run(sleep).time() < 3_600.1


def test_timers_fire_in_their_order_and_at_their_time() -> None:
    fired: list[tuple[str, float]] = []

    async def work(loop: VirtualLoop) -> None:
        async def after(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append((name, round(loop.time(), 6)))

        await asyncio.gather(after("b", 2), after("a", 1), after("c", 2.5))

    run(work)
    assert fired == [("a", 1.0), ("b", 2.0), ("c", 2.5)]


def test_what_is_due_while_the_loop_is_busy_is_late() -> None:
    late: list[float] = []

    async def work(loop: VirtualLoop) -> None:
        loop.call_later(1.0, lambda: late.append(loop.time()))
        await asyncio.sleep(0.5)
        loop.spend(2.0)
        await asyncio.sleep(0)

    loop = run(work)
    assert late == [pytest.approx(2.5)]
    assert loop.spent_ns == 2_000_000_000


def test_what_a_thread_takes_passes_beside_the_loop() -> None:
    done: list[tuple[str, float]] = []

    async def work(loop: VirtualLoop) -> None:
        def write() -> str:
            loop.spend_beside(2.0)
            return "ok"

        async def written() -> None:
            assert await loop.run_in_executor(None, write) == "ok"
            done.append(("written", round(loop.time(), 6)))

        writing = asyncio.ensure_future(written())
        await asyncio.sleep(0.5)
        loop.spend(1.0)
        done.append(("worked", round(loop.time(), 6)))
        await writing
        assert await asyncio.to_thread(sum, (1, 2)) == 3

    loop = run(work)
    assert done == [("worked", 1.5), ("written", 2.0)]
    assert loop.spent_ns == 1_000_000_000


def test_threads_are_run_in_place_and_their_errors_are_raised() -> None:
    async def work(_loop: VirtualLoop) -> None:
        assert await asyncio.to_thread(sum, (1, 2)) == 3
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    assert run(work).time() == 0


def test_a_deadlock_is_told_and_does_not_hang() -> None:
    async def work(_loop: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeft):
        run(work)


def test_the_clock_tells_the_loops_time_and_a_date() -> None:
    async def work(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, 1_700_000_000_000)
        await asyncio.sleep(1.5)
        assert (clock.now_ns(), clock.now_ms()) == (1_500_000_000, 1_700_000_001_500)

    run(work)
