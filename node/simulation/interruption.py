"""How a command that a person waits for is broken off: by Ctrl-C, or by SIGTERM alike."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

INTERRUPTED = 130
"""The exit code that shells give to what Ctrl-C ended."""

T = TypeVar("T")


async def until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; SIGTERM cancels it, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
