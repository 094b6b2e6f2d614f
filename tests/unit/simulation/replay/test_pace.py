"""A pace against a clock that the test moves."""

import asyncio

import pytest

from node.simulation.replay.pace import FASTEST, SENDS_PER_TURN, Pace, speed_from_text
from node.types.errors import ConfigInvalid

MS = 1_000_000


class FakeClock:
    """Time passes only where the test lets it, and while somebody sleeps."""

    def __init__(self) -> None:
        self.ns = 5_000 * MS
        self.sleeps: list[float] = []

    def now_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.ns += round(seconds * 1e9)


def paced(speed: float, clock: FakeClock, window: int = 1) -> Pace:
    return Pace(speed, window, clock.now_ns, clock.sleep)


async def test_the_first_item_is_due_at_once_wherever_the_source_begins() -> None:
    clock = FakeClock()
    assert await paced(1.0, clock).until(700 * MS) == 5_000 * MS
    assert clock.sleeps == []


@pytest.mark.parametrize(("speed", "due_ms"), [(1.0, 5_100), (4.0, 5_025), (0.5, 5_200)])
async def test_times_are_scaled_by_the_speed(speed: float, due_ms: int) -> None:
    clock = FakeClock()
    pace = paced(speed, clock)
    await pace.until(0)
    assert await pace.until(100 * MS) == due_ms * MS
    assert clock.ns == due_ms * MS


async def test_a_stall_of_the_sender_moves_no_due_time() -> None:
    clock = FakeClock()
    pace = paced(1.0, clock)
    await pace.until(0)
    clock.ns += 1_000 * MS
    due = [await pace.until(n * 10 * MS) for n in range(1, 5)]
    assert due == [(5_000 + n * 10) * MS for n in range(1, 5)]
    assert clock.sleeps == []


async def test_a_late_sender_lets_the_loop_turn_now_and_then() -> None:
    clock = FakeClock()
    pace = paced(1.0, clock)
    await pace.until(0)
    clock.ns += 10_000 * MS
    for n in range(2 * SENDS_PER_TURN):
        await pace.until(n)
    assert clock.sleeps == [0, 0]


async def test_the_fastest_pace_waits_for_room_and_for_no_clock() -> None:
    clock = FakeClock()
    pace = paced(FASTEST, clock, window=2)
    assert pace.fastest
    await pace.until(3_600_000 * MS)
    assert clock.ns == 5_000 * MS
    await pace.enter()
    await pace.enter()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pace.enter(), 0.01)
    pace.leave()
    await asyncio.wait_for(pace.enter(), 1)


async def test_a_clocked_pace_has_room_without_end() -> None:
    pace = paced(1.0, FakeClock(), window=1)
    for _ in range(5):
        await asyncio.wait_for(pace.enter(), 1)


@pytest.mark.parametrize(("text", "speed"), [("max", FASTEST), ("2", 2.0), ("0.25", 0.25)])
def test_speeds_are_read(text: str, speed: float) -> None:
    assert speed_from_text(text) == speed


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "nan", "inf", "1e9"])
def test_other_speeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        speed_from_text(text)
