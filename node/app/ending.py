"""The end of a station, or of a start, that has been told to stop: waited for, but not for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

LOOK_EVERY_S: Final = 0.02

_log = structlog.get_logger(__name__)


async def done_unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Return whether ``work`` was done before ``stopping`` was set; if not, it is cancelled."""
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(work), group.create_task(_set(stopping))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
    return not both[0].cancelled()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def end_by(deadline: float, station: "asyncio.Task[None]") -> None:
    """Wait until ``station`` ends; cancel it where that is after ``deadline``, on the loop's clock.

    Raises what it failed with.
    """
    try:
        async with asyncio.timeout_at(deadline):
            await station
    except TimeoutError:
        _log.warning("station_cut_short", station=station.get_name())


async def reached_by(deadline: float, reached: Callable[[], bool]) -> bool:
    """Wait for what nobody announces; return whether it came by ``deadline``, on the loop's clock.

    It looks again and again, which may be done where it happens once.
    """
    while not reached():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True
