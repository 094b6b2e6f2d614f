"""One stage of the pipeline and its counters.

The law of conservation, which holds between any two instructions of a stage that counts rightly:

    in  =  out  +  held  +  refused

``in``, ``out`` and ``refused`` are counted; ``held`` is *measured*, by asking the queue and the
hands that hold the items. Were it derived from the counters, the law could never fail and would say
nothing.

Everything is counted in the unit of a stage's *input*. A batcher takes commands and emits batches:
a command leaves when the batch that carries it is sealed, and ``leave(len(batch.commands))`` says
so.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from node.capacity.histogram import Distribution, Histogram

LANE: Final = "lane_"
"""What the names of the sequencer's lanes begin with, as stages."""


def lane_of(stage: str) -> str:
    """Return the name of the lane that ``stage`` is, empty for every other stage."""
    return stage.removeprefix(LANE) if stage.startswith(LANE) else ""


class StageSnapshot(msgspec.Struct, frozen=True):
    """The counters of one stage at one instant."""

    name: str
    servers: int
    capacity: int | None
    arrived: int
    done: int
    refused: dict[str, int]
    held: int
    depth: int
    peak_depth: int
    busy_ns: int
    service: Distribution
    waiting: Distribution


class Stage:
    """Counters of one stage; times are nanoseconds and come from the caller.

    ``busy(start_ns, end_ns, items)``
        One server worked from start to end on so many items. Each counts with their mean in the
        service time histogram; with no items, only the busy time grows. Raises ``ValueError`` when
        end < start.
    ``waited(ns)``
        One item waited so long before it was served. Raises ``ValueError`` when negative.

    Both are the histograms' own methods, bound once: a count then costs one call, not two.
    """

    __slots__ = (
        "_refused_total",
        "arrived",
        "busy",
        "capacity",
        "done",
        "held",
        "name",
        "peak_depth",
        "refused",
        "servers",
        "service",
        "waited",
        "waiting",
        "waiting_items",
    )

    def __init__(
        self,
        name: str,
        *,
        capacity: int | None,
        held: Callable[[], int],
        waiting_items: Callable[[], int] | None = None,
        servers: int = 1,
    ) -> None:
        """Start at zero.

        ``capacity`` bounds the depth (None: the stage keeps nothing for later); ``held`` asks
        whatever holds the items, queue and hands; ``waiting_items`` asks the queue alone, where the
        two differ; ``servers`` work side by side (processes of a pool), so that busy time can grow
        that much faster than the clock.
        """
        assert servers >= 1
        self.name = name
        self.capacity = capacity
        self.held = held
        self.waiting_items = held if waiting_items is None else waiting_items
        self.servers = servers
        self.arrived = 0
        self.done = 0
        self.refused: dict[str, int] = {}
        self._refused_total = 0
        self.peak_depth = 0
        self.service = Histogram()
        self.waiting = Histogram()
        self.busy: Callable[[int, int, int], None] = self.service.record_span
        self.waited: Callable[[int], None] = self.waiting.record

    def enter(self, n: int = 1) -> None:
        """Count ``n`` items in."""
        self.arrived = arrived = self.arrived + n
        depth = arrived - self.done - self._refused_total
        if depth > self.peak_depth:
            self.peak_depth = depth

    def leave(self, n: int = 1) -> None:
        """Count ``n`` items out: their work here is finished."""
        self.done += n

    def refuse(self, cause: str, n: int = 1) -> None:
        """Count ``n`` items that had entered and were refused.

        Causes are few and fixed, never a user's text: each becomes a label.
        """
        self.refused[cause] = self.refused.get(cause, 0) + n
        self._refused_total += n

    def turn_away(self, cause: str, n: int = 1) -> None:
        """Count ``n`` items in and refused at once: never held, so no depth comes of them."""
        self.arrived += n
        self.refuse(cause, n)

    @property
    def busy_ns(self) -> int:
        """Return the nanoseconds that servers worked, summed over servers."""
        return self.service.total

    @property
    def depth(self) -> int:
        """Return the items that wait; all that is held where the stage has no queue of its own."""
        return self.waiting_items()

    def imbalance(self) -> int:
        """Return in - out - refused - held: above 0 where items got lost, below where made up."""
        return self.arrived - self.done - self._refused_total - self.held()

    def conserved(self) -> bool:
        """Return whether in = out + held + refused."""
        return self.imbalance() == 0

    def snapshot(self) -> StageSnapshot:
        """Return a frozen copy of the counters, with what is held measured now."""
        return StageSnapshot(
            name=self.name,
            servers=self.servers,
            capacity=self.capacity,
            arrived=self.arrived,
            done=self.done,
            refused=dict(self.refused),
            held=self.held(),
            depth=self.depth,
            peak_depth=self.peak_depth,
            busy_ns=self.busy_ns,
            service=self.service.snapshot(),
            waiting=self.waiting.snapshot(),
        )
