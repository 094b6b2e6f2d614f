"""Whether the lag that blocks state can be true: L1's own block times say how old it was at least.

A block at time ``t`` states how old the oldest command was that was not final. A command that L1
holds in a block mined after ``t`` was not even posted then. So of all batches posted after ``t``
the first one's first command proves a lag of ``t`` minus its time, and less was understated.

What is proved is the wait up to inclusion; finality comes on top of it. It holds as far as L1 and
the sequencer agree on the time: a development chain whose blocks come faster than its one-second
timestamps can follow runs ahead of every clock, and proves nothing.
"""

from collections import deque
from collections.abc import Iterable

from node.types.commands import Command, OpenBlock


class LagAudit:
    """Takes batches in order; ``understated_ms`` is the largest understatement proved so far."""

    def __init__(self) -> None:
        """Begin with nothing proved."""
        self._unposted: deque[tuple[int, int]] = deque()
        self.understated_ms = 0

    def take(self, commands: Iterable[Command], posted_ms: int) -> None:
        """Compare what the blocks of a batch state, which L1 took at ``posted_ms``."""
        blocks = [command for command in commands if isinstance(command, OpenBlock)]
        if not blocks:
            return
        self._unposted.append((posted_ms, blocks[0].time))
        for block in blocks:
            while self._unposted and self._unposted[0][0] <= block.time:
                self._unposted.popleft()
            if self._unposted:
                proved = block.time - self._unposted[0][1]
                self.understated_ms = max(self.understated_ms, proved - block.lag)
