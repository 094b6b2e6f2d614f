"""How old the oldest command is that L1 could still take back: what each block states as its lag.

One number for all that a command waits for after it is durable: its batch, a place in an L1 block,
and that block's finality. It grows by itself while L1 is away, drops batches or asks too much.
"""

from collections import deque
from typing import Final

from node.types.durable import DurableBlock
from node.types.ids import Sequence
from node.types.units import Millis

GRAIN_MS: Final = 250
"""Blocks closer together than this share an entry, which is as old as its first block."""
ENTRIES_MAX: Final = 8_192
"""Past so many entries neighbours are joined: what is kept does not grow with an outage."""


class FinalityLag:
    """Follows durable blocks and what of them has become final; an outlet that has always room."""

    def __init__(self) -> None:
        """Begin where nothing waits."""
        self._waiting: deque[tuple[Millis, Sequence]] = deque()

    async def wait_for_room(self) -> None:
        """Return at once."""

    def offer(self, item: DurableBlock, now_ns: int = 0) -> None:
        """Take note of a durable block; ``now_ns`` is not needed: its own time counts."""
        del now_ns
        time, last = item.block.time, item.block.last_sequence
        if self._waiting and time - self._waiting[-1][0] < GRAIN_MS:
            time, _ = self._waiting.pop()
        elif len(self._waiting) >= ENTRIES_MAX:
            self._join_neighbours()
        self._waiting.append((time, last))

    def finalized(self, last: Sequence) -> None:
        """Take note that L1 will not take back the commands up to ``last``."""
        while self._waiting and self._waiting[0][1] <= last:
            self._waiting.popleft()

    def age(self, time: Millis) -> Millis:
        """Return the age, at ``time``, of the oldest command that is not final; 0 for none.

        Never less than its true age, and more by ``GRAIN_MS`` at most, but for an outage so long
        that neighbours were joined.
        """
        return Millis(max(0, time - self._waiting[0][0])) if self._waiting else Millis(0)

    def _join_neighbours(self) -> None:
        entries = list(self._waiting)
        pairs = zip(entries[::2], entries[1::2], strict=True)
        self._waiting = deque((first[0], second[1]) for first, second in pairs)
