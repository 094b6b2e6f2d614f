"""Signatures recovered on the node's own loop: for one core, and for a simulated clock."""

import asyncio

from node.ingress.admission_process import Responder


class InlineWorker:
    """Answers at once, in the caller's thread; see ``node.ports.worker.Worker``."""

    pid: int | None = None

    def __init__(self) -> None:
        self._respond = Responder()
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()

    def write(self, frame: bytes) -> None:
        """Answer a frame; the first one only sets this worker up."""
        answer = self._respond(frame)
        if answer is not None:
            self._answers.put_nowait(answer)

    async def read(self) -> bytes:
        """Return the next answer."""
        return await self._answers.get()

    async def close(self) -> None:
        """Have nothing to end."""


async def start_inline() -> InlineWorker:
    """Start one."""
    return InlineWorker()
