"""A known piece of work, timed now and then: how fast the machine is at that moment.

A virtual machine may lend its processors to others, and the kernel charges the time that they are
gone to whoever was running. The same work then costs more, and a node looks dearer than it is. Two
readings of this work tell the one from the other, though not in advance.
"""

from statistics import fmean
from time import thread_time
from typing import Final

REPEATS: Final = 20
"""The mean of so many. Speed jumps between two levels, many times a second: a median would tell one
of the two and hide how long each of them lasted."""

_KEYS: Final = 1_000
_STEPS: Final = 20_000


def yardstick_ms() -> float:
    """Return how many milliseconds of processor time the work takes now; 0.1 s in all."""
    return fmean(_timed() for _ in range(REPEATS)) * 1_000


def _timed() -> float:
    started = thread_time()
    _work()
    return thread_time() - started


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
