"""The demo's programs: each in a process of its own, with its log in the demo's folder."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from node.adapters.child_environment import child_environment
from node.types.errors import Unavailable

POLL_S = 0.05
ABORT_WITHIN_S = 5.0


class ChildFailed(Unavailable):
    """The program ``name`` ended with ``exit_code``, or was not ready in time; see ``log``."""

    code = 2121


class Child:
    """``async with Child(…)`` runs ``python -m node`` with the given arguments.

    It is in a session of its own: Ctrl-C reaches the demo alone, which then ends its children in
    their order. Leaving the context ends it, by force if need be.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "node",
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=child_environment(),
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop(ABORT_WITHIN_S)

    @property
    def ended(self) -> bool:
        """Return whether the program is over."""
        return self._running.returncode is not None

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._running.pid

    async def wait(self) -> int:
        """Return the exit code, once there is one."""
        return await self._running.wait()

    async def must_run(self) -> None:
        """Raise ``ChildFailed`` when the program ends, however it does."""
        raise ChildFailed(name=self.name, exit_code=await self.wait(), log=str(self.log))

    async def file(self, path: Path, within_s: float) -> dict[str, Any]:
        """Return the JSON that the program writes to ``path``. Raises ``ChildFailed``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not self.ended:
                    if (found := _read(path)) is not None:
                        return found
                    await asyncio.sleep(POLL_S)
        # What ended may have written it as the last thing it did.
        if (found := _read(path)) is not None:
            return found
        exit_code = self._running.returncode
        raise ChildFailed(name=self.name, exit_code=exit_code, log=str(self.log))

    async def stop(self, within_s: float) -> int:
        """Ask the program to end, wait ``within_s``, then end it; return its exit code."""
        process = self._running
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(within_s):
                    await process.wait()
            except TimeoutError:
                self._kill(process.pid)
                await process.wait()
        return await process.wait()

    def _kill(self, pid: int) -> None:
        """End the program and whatever it started: all of them are of its session."""
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the program has not been started"
        return self._process


def _read(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, None as long as there is no such file."""
    try:
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    return found
