"""An event loop whose time is simulated, and the clock that tells it.

Nothing ever waits: when nothing is ready, time moves to the next timer. Work takes no time either,
unless it is charged for with ``spend``, which moves the time on while the loop is busy: what was
due meanwhile is late, exactly as on a loop that really worked so long. Threads are run in place, so
that one order of events is the only one there is; what one is charged with ``spend_beside`` passes
before its caller goes on, and the loop is free meanwhile.
"""

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any

from node.types.units import NS_PER_MS, NS_PER_S, Millis


class NothingLeft(RuntimeError):
    """Everybody waits, and no timer will ever wake anybody: a deadlock."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs as fast as its work goes; ``time`` counts from 0."""

    def __init__(self) -> None:
        """Start at 0."""
        self.now_ns = 0
        self.spent_ns = 0
        self.beside_ns = 0
        super().__init__(_Impatient(self))

    def time(self) -> float:
        """Return the simulated seconds."""
        return self.now_ns / NS_PER_S

    def spend(self, seconds: float) -> None:
        """Be busy for so long."""
        span_ns = round(seconds * NS_PER_S)
        self.now_ns += span_ns
        self.spent_ns += span_ns

    def spend_beside(self, seconds: float) -> None:
        """Let the thread that this is called in be busy for so long; its own clock moves on."""
        self.beside_ns += round(seconds * NS_PER_S)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Call ``func`` at once; the future is done when it has taken what it was charged with."""
        del executor
        future = self.create_future()
        outside_ns, self.beside_ns = self.beside_ns, 0
        try:
            settle, outcome = future.set_result, func(*args)
        except Exception as error:  # noqa: BLE001 - whoever awaits it is to get it
            settle, outcome = future.set_exception, error
        taken_ns, self.beside_ns = self.beside_ns, outside_ns
        if taken_ns:
            # Whoever waited may have been cancelled meanwhile.
            self.call_later(taken_ns / NS_PER_S, lambda: future.done() or settle(outcome))
        else:
            settle(outcome)
        return future


class _Impatient(selectors.DefaultSelector):
    """Never waits for a file: moves the loop's time instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise NothingLeft
            # Rounded up: a timer must be due once its time has come.
            self._loop.now_ns += math.ceil(max(timeout, 0) * NS_PER_S)
        return ready


class VirtualClock:
    """A ``Clock`` on a virtual loop; the Unix time begins at ``start_ms``."""

    def __init__(self, loop: VirtualLoop, start_ms: int) -> None:
        self._loop = loop
        self._start_ms = start_ms

    def now_ns(self) -> int:
        """Return the simulated nanoseconds, in a thread those that it has spent included."""
        return self._loop.now_ns + self._loop.beside_ns

    def now_ms(self) -> Millis:
        """Return the simulated Unix time in milliseconds, rounded down."""
        return Millis(self._start_ms + self.now_ns() // NS_PER_MS)
