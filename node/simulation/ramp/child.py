"""The generator's process, as the ramp sees it."""

from types import TracebackType
from typing import Self, TypeVar

import msgspec

from node.adapters.worker_process import WorkerProcess, start_process
from node.simulation.ramp.messages import Fire, Prepare, Prepared, Sample, Setup
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
        self._process: WorkerProcess | None = None

    async def __aenter__(self) -> Self:
        self._process = await start_process("node.simulation.ramp.generator", ENDS_WITHIN_S)
        self._send(self._setup)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._running.close()

    async def prepare(self, request: Prepare) -> int:
        """Let a point be prepared; return how many actions it has. Raises ``GeneratorFailed``."""
        return (await self._ask(request, Prepared)).actions

    async def fire(self, request: Fire) -> Sample:
        """Let the prepared point run; return its sample. Raises ``GeneratorFailed``."""
        return await self._ask(request, Sample)

    async def _ask(self, request: msgspec.Struct, answer: type[A]) -> A:
        self._send(request)
        try:
            return msgspec.msgpack.decode(await self._running.read(), type=answer)
        except ConnectionError:
            raise GeneratorFailed(exit_code=await self._running.wait()) from None

    def _send(self, message: msgspec.Struct) -> None:
        self._running.write(msgspec.msgpack.encode(message))

    @property
    def _running(self) -> WorkerProcess:
        assert self._process is not None, "the generator has not been started"
        return self._process
