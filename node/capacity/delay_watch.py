"""Is a queue late? By how long its items wait, never by how many they are.

A queue that is long and drains is a burst, and a burst is what queues are for. A queue whose
*quickest* item (or turn, where keys take turns) has waited more than ``target`` for a whole
``interval`` is a standing one: it makes everyone wait and serves nobody (Nichols and Jacobson,
Controlling Delay, 2012; the target of 20 ms of queueing is that of DAGOR, 2018). It stops being
late as soon as one item waited less than half the target: the gap between the two keeps it from
changing its mind with every block.
"""

import msgspec

from node.types.units import NS_PER_MS


class DelayLimits(msgspec.Struct, frozen=True):
    """How long items may wait, and how long a queue may stand above that: milliseconds."""

    target_ms: int = 20
    interval_ms: int = 100

    @property
    def target_ns(self) -> int:
        """Return the target in nanoseconds."""
        return self.target_ms * NS_PER_MS

    @property
    def interval_ns(self) -> int:
        """Return the interval in nanoseconds."""
        return self.interval_ms * NS_PER_MS

    def retry_after_ms(self, delay_ns: int) -> int:
        """Return when asking again makes sense: once a queue that stands at ``delay_ns`` drained.

        It drains to its target in the time that it is above it, if nothing more comes in; and it is
        not judged anew before an interval has passed. Rounded up.
        """
        return max(self.interval_ms, -(-delay_ns // NS_PER_MS) - self.target_ms)


class DelayWatch:
    """Judges one queue; all times are nanoseconds of one clock."""

    __slots__ = ("_above_since_ns", "_limits", "late")

    def __init__(self, limits: DelayLimits) -> None:
        """Start in time."""
        self._limits = limits
        self._above_since_ns: int | None = None
        self.late = False

    def served(self, least_ns: int, now_ns: int) -> None:
        """Take in that items were served, the quickest of which had waited ``least_ns``."""
        target_ns = self._limits.target_ns
        if least_ns < (target_ns // 2 if self.late else target_ns):
            self.reset()
        else:
            self.stood(least_ns, now_ns)

    def stood(self, oldest_ns: int, now_ns: int) -> None:
        """Take in that the next item to be served has waited ``oldest_ns`` and still waits.

        That bounds its wait from below. It can show that a queue is late which nobody serves at
        all, and never that it is in time.
        """
        limits = self._limits
        if oldest_ns < limits.target_ns:
            return
        if self._above_since_ns is None:
            # It has been above the target ever since the item's own wait passed it.
            self._above_since_ns = now_ns - (oldest_ns - limits.target_ns)
        if now_ns - self._above_since_ns >= limits.interval_ns:
            self.late = True

    def reset(self) -> None:
        """Take in that the queue is empty, or that it is in time again."""
        self._above_since_ns = None
        self.late = False
