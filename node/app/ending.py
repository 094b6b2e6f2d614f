"""The end of a station that has been told to stop: waited for, but not for ever."""

import asyncio

import structlog

_log = structlog.get_logger(__name__)


async def end_by(deadline: float, station: "asyncio.Task[None]") -> None:
    """Wait until ``station`` ends; cancel it where that is after ``deadline``, on the loop's clock.

    Raises what it failed with.
    """
    try:
        async with asyncio.timeout_at(deadline):
            await station
    except TimeoutError:
        _log.warning("station_cut_short", station=station.get_name())
