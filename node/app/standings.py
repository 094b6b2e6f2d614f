"""Where each batch stands on L1, and what follows from it: the log's cursors, and counts."""

from asyncio import get_running_loop
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import Final

from node.capacity.histogram import Histogram
from node.ports.clock import Clock
from node.ports.replica import Sealer
from node.publisher.finality import Cursors
from node.types.blocks import Batch
from node.types.ids import Sequence
from node.types.marks import Mark, Standing
from node.types.units import NS_PER_MS

SILENT_AFTER_S: Final = 10.0
"""A batch is executed again in a second; a replica that is started anew may take longer."""


class Standings:
    """Follows batches from the moment they are sealed until they are final."""

    def __init__(self, base: Sequence, clock: Clock, in_flight_max: int) -> None:
        """Begin where everything up to command ``base`` is final already.

        So many batches wait in L1's pool at most as ``in_flight_max`` says.
        """
        self._base = base
        self._clock = clock
        self._in_flight_max = in_flight_max
        self._sealed_ns: dict[int, int] = {}
        self._posted_ns: dict[int, int] = {}
        self._standing: dict[int, Standing] = {}
        self._last_sequence: dict[int, Sequence] = {}
        self._data_bytes: dict[int, int] = {}
        self._commands: dict[int, int] = {}
        self.reached: Counter[Standing] = Counter()
        self.da_bytes = 0
        self.da_commands = 0
        self.flights_ms = Histogram()
        """From when a batch could be sent to inclusion, in milliseconds, of all sent from here.

        One can be sent once it is sealed and the batch ``in_flight_max`` before it is included.
        So by Little's law ``in_flight_max`` over it is what L1 takes, whatever waits for it. An
        outage is in the flights of the ``in_flight_max`` batches that could be sent during it, so
        take the median and not the mean. What a reorg took back has its first flight alone.
        """
        self.finality_ms = Histogram()
        """From sealing to finality, in milliseconds, of every batch."""
        self.lag_ns: dict[Standing, int] = {}
        """How long the last batch took from being sealed to each standing, in nanoseconds."""

    def sealed(self, batch: Batch) -> None:
        """Note a batch that is ready to be posted; a second time changes nothing."""
        index = batch.header.index
        if index not in self._standing:
            assert index > next(reversed(self._standing), -1), "batches are sealed in order"
            self._standing[index] = Standing.SEALED
            self._last_sequence[index] = batch.header.last_sequence
            self._data_bytes[index] = len(batch.data)
            header = batch.header
            self._commands[index] = header.last_sequence - header.first_sequence + 1
            self._sealed_ns[index] = self._clock.now_ns()
            self.reached[Standing.SEALED] += 1

    def data_bytes(self, index: int) -> int:
        """Return the length of a batch's data (0 where it is final and forgotten)."""
        return self._data_bytes.get(index, 0)

    def moved(self, mark: Mark) -> Cursors:
        """Take note of a mark and return how far the log has come."""
        if mark.index in self._standing:
            self._count(self._standing[mark.index], mark)
            self._standing[mark.index] = mark.standing
        cursors = self.cursors()
        self._forget_final()
        return cursors

    @property
    def unposted(self) -> int:
        """Return how many sealed batches are in no block of L1."""
        return sum(standing < Standing.POSTED for standing in self._standing.values())

    def _count(self, before: Standing, mark: Mark) -> None:
        """Count forward steps once each, and take them back when a reorg does."""
        for standing in (Standing.POSTED, Standing.SAFE, Standing.FINAL):
            step = (mark.standing >= standing) - (before >= standing)
            self.reached[standing] += step
            if step > 0:
                lag_ns = self.lag_ns[standing] = self._clock.now_ns() - self._sealed_ns[mark.index]
                if standing is Standing.FINAL:
                    self.finality_ms.record(lag_ns // NS_PER_MS)
            if standing is Standing.POSTED:
                if step > 0:
                    self._land(mark.index, sent=before is Standing.PENDING)
                self.da_bytes += step * self.data_bytes(mark.index)
                self.da_commands += step * self._commands[mark.index]

    def _land(self, index: int, *, sent: bool) -> None:
        """Note that a batch is included; of one that a process before sent no flight is known."""
        again = index in self._posted_ns
        now_ns = self._posted_ns[index] = self._clock.now_ns()
        if sent and not again:
            ahead_ns = self._posted_ns.get(index - self._in_flight_max, 0)
            flight_ns = now_ns - max(self._sealed_ns[index], ahead_ns)
            self.flights_ms.record(flight_ns // NS_PER_MS)

    def cursors(self) -> Cursors:
        """Return where the unbroken runs of batches that stand so far end.

        One pass, which the first batch in no block of L1 ends: thousands may wait behind it after
        an outage. The batches stand in the order in which they were sealed.
        """
        posted = safe = final = self._base
        lowest = Standing.FINAL
        for index, standing in self._standing.items():
            lowest = min(lowest, standing)
            if lowest < Standing.POSTED:
                break
            posted = self._last_sequence[index]
            if lowest >= Standing.SAFE:
                safe = posted
            if lowest is Standing.FINAL:
                final = posted
        sealed = next(reversed(self._last_sequence.values()), self._base)
        return Cursors(posted=posted, safe=safe, final=final, sealed=sealed)

    def _forget_final(self) -> None:
        """Let go of the batches up to the first that is not final."""
        standing = self._standing
        for index in [*takewhile(lambda index: standing[index] is Standing.FINAL, standing)]:
            self._base = self._last_sequence.pop(index)
            del self._standing[index], self._data_bytes[index], self._sealed_ns[index]
            del self._commands[index]
            # The flight of a batch behind it may still begin with its own end.
            self._posted_ns.pop(index - self._in_flight_max, None)


class NotingSealer:
    """A ``Sealer`` that tells others of every batch it makes."""

    def __init__(self, sealer: Sealer, *told: Callable[[Batch], None]) -> None:
        self._sealer = sealer
        self._told = told
        self._asked_s: float | None = None

    @property
    def silent(self) -> bool:
        """Return whether a batch has been asked for so long ago that something must be wrong."""
        asked_s = self._asked_s
        return asked_s is not None and get_running_loop().time() - asked_s > SILENT_AFTER_S

    async def seal(self, blocks: tuple[bytes, ...], first_sequence: Sequence, cause: str) -> Batch:
        """Return the blocks as the next batch; see ``node.ports.replica.Sealer``."""
        self._asked_s = get_running_loop().time()
        try:
            batch = await self._sealer.seal(blocks, first_sequence, cause)
        finally:
            self._asked_s = None
        for tell in self._told:
            tell(batch)
        return batch
