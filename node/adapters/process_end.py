"""The end of a child process that has been asked to end: waited for, but not for ever."""

import asyncio
from contextlib import suppress


async def end_within(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Wait until ``process`` ends; kill it where that takes longer than ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        # It may have ended at the last moment.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
