"""A worker in a process of its own: frames over its standard input and output."""

import asyncio
import sys
from functools import partial
from typing import Final

from node.adapters.child_environment import child_environment
from node.adapters.process_end import end_within
from node.ports.worker import StartWorker

LENGTH_BYTES: Final = 4
"""Of the big-endian length before each frame."""

_END_WITHIN_S: Final = 1.0


class WorkerProcess:
    """A live process that speaks length-prefixed frames; see ``node.ports.worker.Worker``."""

    def __init__(self, process: asyncio.subprocess.Process, ends_within_s: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._ends_within_s = ends_within_s
        self._writer = process.stdin
        self._reader = process.stdout

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def write(self, frame: bytes) -> None:
        """Hand over a frame; nothing is left to take it once the process is gone."""
        # uvloop raises for a closed pipe, and answers may still be unread: ``read`` tells the end.
        if not self._writer.is_closing():
            self._writer.write(len(frame).to_bytes(LENGTH_BYTES) + frame)

    async def read(self) -> bytes:
        """Return the next answer. Raises ``ConnectionError`` once the process is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
            return await self._reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError from error

    async def wait(self) -> int:
        """Return the exit code, once there is one."""
        return await self._process.wait()

    async def close(self) -> None:
        """Close its input, at whose end it ends; one that hangs must not hold up its parent."""
        self._writer.close()
        await end_within(self._process, self._ends_within_s)


def processes_of(module: str) -> StartWorker:
    """Return what starts a process that executes ``module``."""
    return partial(start_process, module)


async def start_process(module: str, ends_within_s: float = _END_WITHIN_S) -> WorkerProcess:
    """Start a process that executes ``module``, and is killed that long after its input's end."""
    return WorkerProcess(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
            # Ctrl-C reaches the parent alone, which then ends its processes in their order.
            start_new_session=True,
        ),
        ends_within_s,
    )
