"""A replay without end as a child process, which a test that fails does not leave behind."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.daemon import SOURCE


@asynccontextmanager
async def endless_replay(*arguments: str) -> AsyncIterator[Process]:
    """Give ``plimsoll replay --loop`` with ``arguments``; it is killed if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "node", "replay", "--loop", *arguments), cwd=SOURCE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
