"""How late the event loop is: the first sign that its stages together have reached their limit."""

import asyncio

from node.capacity.histogram import Histogram
from node.ports.clock import Clock
from node.types.units import NS_PER_S

INTERVAL_S = 0.1


class LoopLag:
    """Sleeps again and again and notes how much too long it slept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lag_ns = Histogram()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due_ns = self._clock.now_ns() + int(INTERVAL_S * NS_PER_S)
            await asyncio.sleep(INTERVAL_S)
            self.lag_ns.record(max(0, self._clock.now_ns() - due_ns))
