"""How much work fits into a block that must not take longer than so many milliseconds.

Lanes do not preempt: whoever comes while a block is being built waits until it is done. So what an
urgent newcomer waits at most is decided by how long blocks take, and work is only a guess at that
until it is measured.

It is measured in the time that the thread worked. While the machine runs something else, who waits
does so whatever the block holds: smaller blocks would only add what each costs by itself.
"""

from node.types.units import NS_PER_MS

PRIOR_NS = 30_000
"""What a unit of work is taken to cost before any was measured: an order on a slow machine."""

FADING = 7 / 8
"""How much a block still counts one block later: a change of the flow is known after some eight."""

WORK_MIN = 16
"""The least that a block may hold: below it, what a block costs by itself would eat the time."""


class Pace:
    """Measures time for work, and says how much work a block may hold.

    The estimate is a ratio of two fading sums, so that a block counts by its work: the fixed cost
    of many small ones does not make a unit look dear once the load has come.
    """

    __slots__ = ("_block_ns", "_ns", "_work", "_work_max")

    def __init__(self, block_ms: float, work_max: int) -> None:
        """``block_ms`` is what a block may take to apply, ``work_max`` what it holds at most."""
        self._block_ns = block_ms * NS_PER_MS
        self._work_max = work_max
        self._work = float(WORK_MIN)
        self._ns = self._work * PRIOR_NS

    @property
    def ns_per_work(self) -> float:
        """Return the nanoseconds that a unit of work took lately."""
        return self._ns / self._work

    def note(self, ns: int, work: int) -> None:
        """Take in that a block of ``work`` took ``ns`` of the thread's time to apply."""
        self._ns = self._ns * FADING + ns
        self._work = self._work * FADING + work

    def budget(self) -> int:
        """Return the work for the next block: as much as fits, within the two limits."""
        ns = self.ns_per_work
        fits = int(self._block_ns / ns) if ns > 0 else self._work_max
        return min(self._work_max, max(WORK_MIN, fits))
