"""Where frames of work are answered: in a process of its own, or on the loop itself."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Worker(Protocol):
    """Answers each frame with one frame, in their order; the first frame in sets it up."""

    @property
    def pid(self) -> int | None:
        """Return the id of its process, None where it has none of its own."""
        ...

    def write(self, frame: bytes) -> None:
        """Hand over a frame: taken on even if the worker is busy, lost where it is gone."""
        ...

    async def read(self) -> bytes:
        """Return the next answer. Raises ``ConnectionError`` once the worker is gone."""
        ...

    async def close(self) -> None:
        """Let it end, and wait for that."""
        ...


StartWorker = Callable[[], Awaitable[Worker]]
