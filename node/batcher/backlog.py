"""What is on its way to L1 and not there yet, and whether that is too much.

An L1 that is away must not grow a queue without end: past its limit the backlog asks for the gate
to new risk to be closed. It opens again at half the limit, so that it does not flap at the edge.
"""

from collections import deque


class Backlog:
    """Batches by index with their bytes, and those that still wait for their index."""

    __slots__ = (
        "_batches_max",
        "_bytes",
        "_bytes_max",
        "_early",
        "_next",
        "_unposted",
        "_waiting",
        "full",
    )

    def __init__(self, batches_max: int, bytes_max: int) -> None:
        self._batches_max = batches_max
        self._bytes_max = bytes_max
        self._unposted: dict[int, int] = {}
        self._waiting: deque[int] = deque()
        self._bytes = 0
        self._next = 0
        self._early: set[int] = set()
        self.full = False

    @property
    def batches(self) -> int:
        """Return the number of batches that are not posted."""
        return len(self._unposted) + len(self._waiting)

    @property
    def unposted_bytes(self) -> int:
        """Return the bytes of the batches that are not posted; estimates where not sealed."""
        return self._bytes

    def wait(self, data_bytes: int) -> None:
        """Count a batch that is closed but not yet sealed, by its estimated bytes."""
        self._waiting.append(data_bytes)
        self._bytes += data_bytes
        self._judge()

    def wait_on(self, data_bytes: int) -> None:
        """Count what is left of the batch that was sealed last: it waits longest of all."""
        self._waiting.appendleft(data_bytes)
        self._bytes += data_bytes
        self._judge()

    def seal(self, index: int, data_bytes: int) -> None:
        """Count the batch that waits longest as sealed; its real bytes replace the estimate."""
        self._bytes -= self._waiting.popleft()
        self.add(index, data_bytes)

    def add(self, index: int, data_bytes: int) -> None:
        """Count batch ``index`` as not posted: sealed just now, or dropped by an L1 reorg."""
        self._next = max(self._next, index + 1)
        if index in self._early:
            self._early.remove(index)
        else:
            self._bytes += data_bytes - self._unposted.get(index, 0)
            self._unposted[index] = data_bytes
        self._judge()

    def post(self, index: int) -> None:
        """Count batch ``index`` as posted; harmless where it was already.

        It may be posted before it is counted here: settlement also finds batches on the disk.
        """
        if index >= self._next:
            self._early.add(index)
        self._bytes -= self._unposted.pop(index, 0)
        self._judge()

    def _judge(self) -> None:
        if self.batches >= self._batches_max or self._bytes >= self._bytes_max:
            self.full = True
        elif 2 * self.batches <= self._batches_max and 2 * self._bytes <= self._bytes_max:
            self.full = False
