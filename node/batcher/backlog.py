"""What is on its way to L1 and not there yet, and whether that is too much.

An L1 that is away must not grow a queue without end: past its limit the backlog asks for the gate
to new risk to be closed. It opens again at half the limit, so that it does not flap at the edge.

Batches that an L1 reorg gave back are held as well, but do not count towards the limit: they were
carried once, they are posted again whatever comes in, and refusing new orders makes none of them
smaller.

Every figure is a sum over what is held at this moment. A counter moved up and down beside it could
go below zero or stick, and go on refusing for ever (Optimism's batcher did: #12324, #14559).
"""

from collections import deque


class Backlog:
    """Batches by index with their bytes, and those that still wait for their index."""

    __slots__ = (
        "_batches_max",
        "_bytes_max",
        "_early",
        "_next",
        "_returned",
        "_unposted",
        "_waiting",
        "full",
    )

    def __init__(self, batches_max: int, bytes_max: int) -> None:
        self._batches_max = batches_max
        self._bytes_max = bytes_max
        self._unposted: dict[int, int] = {}
        self._returned: dict[int, int] = {}
        self._waiting: deque[int] = deque()
        self._next = 0
        self._early: set[int] = set()
        self.full = False

    @property
    def batches(self) -> int:
        """Return the number of batches that are not posted."""
        return len(self._unposted) + len(self._waiting) + len(self._returned)

    @property
    def unposted_bytes(self) -> int:
        """Return the bytes of the batches that are not posted; estimates where not sealed."""
        return self._counted_bytes() + sum(self._returned.values())

    @property
    def returned(self) -> int:
        """Return how many of them an L1 reorg gave back."""
        return len(self._returned)

    def wait(self, data_bytes: int) -> None:
        """Count a batch that is closed but not yet sealed, by its estimated bytes."""
        self._waiting.append(data_bytes)
        self._judge()

    def wait_on(self, data_bytes: int) -> None:
        """Count what is left of the batch that was sealed last: it waits longest of all."""
        self._waiting.appendleft(data_bytes)
        self._judge()

    def seal(self, index: int, data_bytes: int) -> None:
        """Count the batch that waits longest as sealed; its real bytes replace the estimate."""
        self._waiting.popleft()
        self.add(index, data_bytes)

    def add(self, index: int, data_bytes: int) -> None:
        """Count batch ``index``, sealed just now or in an earlier run, as not posted."""
        self._next = max(self._next, index + 1)
        if index in self._early:
            self._early.remove(index)
        else:
            self._unposted[index] = data_bytes
        self._judge()

    def give_back(self, index: int, data_bytes: int) -> None:
        """Hold batch ``index``, which an L1 reorg has dropped; one never posted stays as it is."""
        self._early.discard(index)
        if index >= self._next or index in self._unposted:
            return
        self._returned[index] = data_bytes
        self._judge()

    def post(self, index: int) -> None:
        """Count batch ``index`` as posted; harmless where it was already.

        It may be posted before it is counted here: settlement also finds batches on the disk.
        """
        if index >= self._next:
            self._early.add(index)
        self._unposted.pop(index, None)
        self._returned.pop(index, None)
        self._judge()

    def _counted_bytes(self) -> int:
        return sum(self._unposted.values()) + sum(self._waiting)

    def _judge(self) -> None:
        batches, data_bytes = len(self._unposted) + len(self._waiting), self._counted_bytes()
        if batches >= self._batches_max or data_bytes >= self._bytes_max:
            self.full = True
        elif 2 * batches <= self._batches_max and 2 * data_bytes <= self._bytes_max:
            self.full = False
