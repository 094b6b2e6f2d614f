"""The generator's process, as the ramp sees it."""

import asyncio
import sys
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from node.adapters.child_environment import child_environment
from node.adapters.process_end import end_within
from node.simulation.ramp.messages import (
    LENGTH_BYTES,
    Fire,
    Prepare,
    Prepared,
    Sample,
    Setup,
    framed,
)
from node.types.errors import Unavailable

A = TypeVar("A", Prepared, Sample)

ENDS_WITHIN_S = 5.0


class GeneratorFailed(Unavailable):
    """The load generator ended before its work was done: its message stands above."""

    code = 2123


class GeneratorProcess:
    """``async with GeneratorProcess(setup)``: points are prepared, then fired."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "node.simulation.ramp.generator"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
            # Ctrl-C reaches the ramp alone, which then ends its processes in their order.
            start_new_session=True,
        )
        self._send(self._setup)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.close()
        await end_within(process, ENDS_WITHIN_S)

    async def prepare(self, request: Prepare) -> int:
        """Let a point be prepared; return how many actions it has. Raises ``GeneratorFailed``."""
        return (await self._ask(request, Prepared)).actions

    async def fire(self, request: Fire) -> Sample:
        """Let the prepared point run; return its sample. Raises ``GeneratorFailed``."""
        return await self._ask(request, Sample)

    async def _ask(self, request: msgspec.Struct, answer: type[A]) -> A:
        self._send(request)
        stdout = self._running.stdout
        assert stdout is not None
        try:
            length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES))
            return msgspec.msgpack.decode(await stdout.readexactly(length), type=answer)
        except asyncio.IncompleteReadError:
            raise GeneratorFailed(exit_code=await self._running.wait()) from None

    def _send(self, message: msgspec.Struct) -> None:
        stdin = self._running.stdin
        assert stdin is not None
        stdin.write(framed(message))

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the generator has not been started"
        return self._process
