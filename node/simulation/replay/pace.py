"""When each thing is due: by the clock at a multiple of real time, or as soon as there is room."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter_ns

from node.types.errors import ConfigInvalid

SENDS_PER_TURN = 16
"""So many sends in a row, when late, before answers get their turn on the event loop."""

FASTEST = 0.0
"""The speed that stands for "as fast as the node takes it"."""


def speed_from_text(text: str) -> float:
    """Return the speed in ``text``: a multiple of real time, or ``max``. Raises ``ConfigInvalid``.

    ``FASTEST`` stands for max.
    """
    if text == "max":
        return FASTEST
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 10_000:
        raise ConfigInvalid(faults=(f"speed: {text!r} given, 0.001 … 10000 or max allowed",))
    return speed


class Pace:
    """Turns times of a source into moments of a clock; the first one given starts the clock.

    At ``FASTEST`` everything is due at once, at most ``window`` without an answer; otherwise
    there is no bound on what waits for its answer, as there is none on what real clients send.
    """

    def __init__(
        self,
        speed: float,
        window: int,
        now_ns: Callable[[], int] = perf_counter_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.now_ns = now_ns
        self._speed = speed
        self._sleep = sleep
        self._room = asyncio.Semaphore(window) if speed == FASTEST else None
        self._origin_ns: int | None = None
        self._late_in_a_row = 0

    @property
    def fastest(self) -> bool:
        """Return whether no clock is followed."""
        return self._room is not None

    async def until(self, time_ns: int) -> int:
        """Wait until what stands at ``time_ns`` of the source is due; return that moment.

        At ``FASTEST`` it does not wait, but now and then lets the event loop turn.
        """
        if self._origin_ns is None:
            self._origin_ns = self.now_ns() - self._scaled(time_ns)
        due_ns = self._origin_ns + self._scaled(time_ns)
        wait_ns = due_ns - self.now_ns()
        if self._room is None and wait_ns > 0:
            self._late_in_a_row = 0
            await self._sleep(wait_ns / 1e9)
        else:
            self._late_in_a_row += 1
            if self._late_in_a_row % SENDS_PER_TURN == 0:
                await self._sleep(0)
        return due_ns

    async def enter(self) -> None:
        """Wait until there is room for one more action without an answer."""
        if self._room is not None:
            await self._room.acquire()

    def leave(self) -> None:
        """An action was answered."""
        if self._room is not None:
            self._room.release()

    def _scaled(self, time_ns: int) -> int:
        return time_ns if self._speed == FASTEST else round(time_ns / self._speed)
