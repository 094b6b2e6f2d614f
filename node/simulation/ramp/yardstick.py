"""A known piece of work, timed again and again: how fast the machine is at that moment.

A virtual machine may lend its processors to others, and the kernel charges the time that they are
gone to whoever was running. The same work then costs more, and a node looks dearer than it is. A
reading of this work over the very window in which the node was measured tells the one from the
other.
"""

import asyncio
from statistics import fmean
from time import perf_counter, thread_time
from typing import Final

from node.types.units import MS_PER_S

APART_S: Final = 0.04
"""Between two readings, in seconds: the machine's speed jumps between two levels many times a
second, and each jump is to be seen. A reading takes about 0.8 ms, so this is 2 % of a core."""

_KEYS: Final = 1_000
_STEPS: Final = 2_000


class Yardstick:
    """Readings of one known piece of work, in milliseconds of processor time."""

    def __init__(self) -> None:
        self.readings_ms: list[float] = []

    @property
    def mean_ms(self) -> float | None:
        """Return the mean of the readings, None without any.

        A mean, as costs are one: a median would tell one of two speeds, whatever the other's share.
        """
        return fmean(self.readings_ms) if self.readings_ms else None

    def read(self) -> None:
        """Do the work twice and keep how long the second took.

        The first brings it into the caches: how cold they are tells of the neighbours on this core,
        not of its speed.
        """
        _work()
        started = thread_time()
        _work()
        self.readings_ms.append((thread_time() - started) * MS_PER_S)

    async def read_for(self, seconds: float) -> None:
        """Read again and again, ``APART_S`` from one time to the next, until so long is over."""
        until = perf_counter() + seconds
        while (left := until - perf_counter()) > 0:
            self.read()
            await asyncio.sleep(min(APART_S, left))


def _work() -> int:
    """Do what the node does all day: numbers, tuples and look-ups, in as much memory as a cache."""
    table: dict[int, tuple[int, int]] = {}
    total = 0
    for step in range(_STEPS):
        key = step * 7 % _KEYS
        before = table.get(key)
        total += key if before is None else before[1] & 3
        table[key] = (step, total)
    return total
