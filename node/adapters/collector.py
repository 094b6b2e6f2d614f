"""The garbage collector of a process that keeps what it is given: its pauses, bounded and measured.

A full collection looks at everything that is alive, so its pause grows with the state. Here what
one has looked at is frozen, which means that no later one looks at it again: each looks only at
what came since, and that is bounded, since it begins after so many objects (``THRESHOLDS``).

How many objects are young Python counts by what came less what went, whatever its age. Where old
ones go as new ones come, as orders do, that stays near nothing while the young become as many as
the orders. So ``look`` is to be called again and again, and counts them.

What is frozen still goes when nothing holds it any more. Only what is alive at that moment and
later becomes garbage *in a cycle* stays for good. So few things may end in one: no connection does,
and no refusal of a command (tests/integration/test_collector.py). What is left is what is under
way at a freeze and fails in a way of its own: some hundred bytes for each freeze, which takes
thousands of new objects.
"""

import gc
from asyncio import sleep
from time import perf_counter_ns
from types import TracebackType
from typing import Any, Final, Self

GENERATIONS: Final = 3

THRESHOLDS: Final = (700, 10, 2)
"""A full collection begins after three of the middle generation, each after eleven of the youngest,
each after 700 new objects: it looks at 24,000 at most."""


YOUNG_MAX: Final = 8_000
"""Past that ``look`` does not wait for them to be counted; they come with the next full one."""

LOOK_EACH_S: Final = 0.1


class Collector:
    """Entered for as long as the process serves. One for a process; times are in nanoseconds."""

    def __init__(self) -> None:
        self.total_ns = [0] * GENERATIONS
        self.longest_ns = [0] * GENERATIONS
        self._begun_ns = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()
        # A full one waits until a quarter of what the last one left has come: now that is nothing.
        gc.collect()
        self._before = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        gc.callbacks.append(self._called)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        gc.callbacks.remove(self._called)
        gc.set_threshold(*self._before)

    def look(self) -> None:
        """Collect, if there are too many young objects."""
        if len(gc.get_objects(generation=0)) > YOUNG_MAX:
            gc.collect()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await sleep(LOOK_EACH_S)
            self.look()

    def _called(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._begun_ns = perf_counter_ns()
            return
        generation = info["generation"]
        if generation == GENERATIONS - 1:
            gc.freeze()
        took_ns = perf_counter_ns() - self._begun_ns
        self.total_ns[generation] += took_ns
        if took_ns > self.longest_ns[generation]:
            self.longest_ns[generation] = took_ns
