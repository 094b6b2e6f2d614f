"""The node's stages and figures in one place, in the order of the pipeline."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from node.capacity.histogram import Distribution, Histogram
from node.capacity.metric import HistogramMetric, Metric, Reading
from node.capacity.queue import BoundedQueue
from node.capacity.report import StageReport, lifetime_report, window_report
from node.capacity.stage import Stage, StageSnapshot

T = TypeVar("T")


class CapacityMark(msgspec.Struct, frozen=True):
    """All stages at one instant; the earlier end of a window."""

    at_ns: int
    stages: dict[str, StageSnapshot]


class Capacity:
    """Ordered collection of a node's stages and other figures.

    Names are unique among stages and among figures; a second use raises ``ValueError``, as two
    writers of one counter would spoil the law of conservation in silence.
    """

    __slots__ = ("_metrics", "_stages", "started_ns")

    def __init__(self, started_ns: int) -> None:
        """Start empty; lifetimes count from ``started_ns``, on the clock of all later calls."""
        self.started_ns = started_ns
        self._stages: dict[str, Stage] = {}
        self._metrics: dict[str, Metric | HistogramMetric] = {}

    def stage(
        self, name: str, capacity: int | None, held: Callable[[], int], *, servers: int = 1
    ) -> Stage:
        """Create and register a stage (see ``Stage``)."""
        return self.add(Stage(name, capacity=capacity, held=held, servers=servers))

    def queue(
        self,
        name: str,
        limit: int,
        *,
        in_hand: Callable[[], int] | None = None,
        servers: int = 1,
    ) -> BoundedQueue[T]:
        """Create a queue and register its stage (see ``BoundedQueue``)."""
        queue: BoundedQueue[T] = BoundedQueue(name, limit, in_hand=in_hand, servers=servers)
        self.add(queue.stage)
        return queue

    def add(self, stage: Stage) -> Stage:
        """Register a stage that exists already, and return it."""
        if stage.name in self._stages:
            raise ValueError(f"there is a stage {stage.name} already")
        self._stages[stage.name] = stage
        return stage

    def gauge(
        self,
        name: str,
        about: str,
        read: Callable[[], Reading],
        *,
        labels: tuple[str, ...] = (),
        per_unit: int = 1,
    ) -> None:
        """Register a figure that goes both ways (see ``Metric``)."""
        self._add_metric(Metric(name, about, "gauge", read, labels, per_unit))

    def counter(
        self,
        name: str,
        about: str,
        read: Callable[[], Reading],
        *,
        labels: tuple[str, ...] = (),
        per_unit: int = 1,
    ) -> None:
        """Register a figure that only grows (see ``Metric``)."""
        self._add_metric(Metric(name, about, "counter", read, labels, per_unit))

    def histogram(self, name: str, about: str, *, per_unit: int = 1) -> Histogram:
        """Create and register a histogram outside of any stage."""
        histogram = Histogram()
        self._add_metric(HistogramMetric(name, about, histogram.snapshot, per_unit))
        return histogram

    def distribution(
        self, name: str, about: str, read: Callable[[], Distribution], *, per_unit: int = 1
    ) -> None:
        """Register a histogram that belongs to someone else, such as its ``snapshot``."""
        self._add_metric(HistogramMetric(name, about, read, per_unit))

    def _add_metric(self, metric: Metric | HistogramMetric) -> None:
        if metric.name in self._metrics:
            raise ValueError(f"there is a figure {metric.name} already")
        self._metrics[metric.name] = metric

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages in the order in which they were registered."""
        return tuple(self._stages.values())

    @property
    def metrics(self) -> tuple[Metric | HistogramMetric, ...]:
        """Return the other figures in the order in which they were registered."""
        return tuple(self._metrics.values())

    @property
    def all_conserved(self) -> bool:
        """Return whether in = out + held + refused at every stage."""
        return all(stage.conserved() for stage in self.stages)

    def mark(self, now_ns: int) -> CapacityMark:
        """Return a frozen copy of all stages."""
        return CapacityMark(
            at_ns=now_ns, stages={stage.name: stage.snapshot() for stage in self.stages}
        )

    def reports(self, now_ns: int, since: CapacityMark | None = None) -> tuple[StageReport, ...]:
        """Report on every stage since a mark, or since the node began."""
        return self.reports_between(since, self.mark(now_ns))

    def reports_between(
        self, since: CapacityMark | None, until: CapacityMark
    ) -> tuple[StageReport, ...]:
        """Report on the time between two marks (from the beginning when ``since`` is None).

        A stage that was registered after ``since`` is reported over its lifetime, as it did nothing
        before.
        """
        started_ns = self.started_ns if since is None else since.at_ns
        before = {} if since is None else since.stages
        elapsed_ns = until.at_ns - started_ns
        return tuple(
            window_report(before[name], now, elapsed_ns)
            if name in before
            else lifetime_report(now, elapsed_ns)
            for name, now in until.stages.items()
        )


class RollingWindow(Generic[T]):
    """Where the recent past begins: at least ``span_ns`` ago, at most twice that.

    That holds while somebody lets it ``move`` once a span: left to those who read, it would be as
    long as nobody had. ``begin`` is the mark at its begin.
    """

    __slots__ = ("_newer", "_newer_ns", "_span_ns", "begin")

    def __init__(self, span_ns: int, now_ns: int, mark: T) -> None:
        """Open the window at ``now_ns``; until it is ``span_ns`` old it is as long as its age."""
        assert span_ns > 0
        self._span_ns = span_ns
        self._newer_ns = now_ns
        self.begin = self._newer = mark

    def is_due(self, now_ns: int) -> bool:
        """Return whether it is time to move."""
        return now_ns - self._newer_ns >= self._span_ns

    def move(self, now_ns: int, mark: T) -> None:
        """Begin where the last move was, and remember the ``mark`` of this one for the next."""
        self.begin, self._newer, self._newer_ns = self._newer, mark, now_ns
