"""The capacity registry in the words of Prometheus.

The counters are our own integers, as a count through a metrics library costs more than matching an
order. Only when somebody scrapes are they translated, so that the hot path pays nothing for it.

==============================================  =========================================
plimsoll_stage_items_total{outcome}             in, out, refused
plimsoll_stage_held_items                       measured: in = out + held + refused
plimsoll_stage_refused_items_total{cause}       of ``refused``, which
plimsoll_stage_service_seconds                  histogram
plimsoll_stage_wait_seconds                     histogram
plimsoll_stage_busy_seconds_total               summed over servers
plimsoll_stage_utilization_ratio                of the stage alone, over the recent window
plimsoll_capacity_headroom_ratio                the load line's: 1 - rate / limit
plimsoll_capacity_measured_items_per_second     the load line's limit of the stage
plimsoll_queue_depth, _peak_depth, _capacity    items
==============================================  =========================================

Each bears the labels ``stage`` and ``lane``: the latter is empty, which to Prometheus is absent,
for a stage that is no lane of the sequencer. Beside them stands every figure that was registered
with ``Capacity.gauge``, ``counter`` and ``histogram``, with the prefix added.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from node.capacity.histogram import Distribution
from node.capacity.loadline import StageLine
from node.capacity.metric import HistogramMetric, Metric, Reading
from node.capacity.registry import Capacity
from node.capacity.stage import StageSnapshot, lane_of
from node.types.units import NS_PER_S

PREFIX = "plimsoll_"
CONTENT_TYPE = CONTENT_TYPE_LATEST

TIME_BUCKET_POWERS = range(8, 36, 2)
"""Bucket edges of times, as powers of two of a nanosecond: 0.26 us to 17 s, each four times the one
before. Finer quantiles are in the stage reports, and each line of a scrape costs some 10 us."""
COUNT_BUCKET_POWERS = range(21)
"""Bucket edges of other histograms (records, bytes): from 1 to about a million."""

_OF_STAGE: Final = ("stage", "lane")


class PrometheusExporter(Collector):
    """Translates a ``Capacity`` at each scrape, together with the process's memory and CPU time."""

    def __init__(
        self,
        capacity: Capacity,
        clock_ns: Callable[[], int],
        lines: Callable[[], Iterable[StageLine]],
    ) -> None:
        """``clock_ns`` must be the clock that ``capacity`` was started on.

        ``lines`` returns the stages of the load line: their ratios and limits are told as they are.
        """
        self._capacity = capacity
        self._clock_ns = clock_ns
        self._lines = lines
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """Return the body of a scrape, of type ``CONTENT_TYPE``."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Family]:
        """Return nothing, so that being registered does not count as a scrape."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield every family of figures, read now."""
        snapshots = tuple(self._capacity.mark(self._clock_ns()).stages.values())
        yield from _item_families(snapshots)
        yield from _time_families(snapshots)
        yield from _depth_families(snapshots)
        yield from _ratio_families(self._lines())
        for metric in self._capacity.metrics:
            yield _figure_family(metric)


def _labels(stage: str) -> list[str]:
    return [stage, lane_of(stage)]


def _item_families(stages: tuple[StageSnapshot, ...]) -> Iterator[Family]:
    items = CounterMetricFamily(
        PREFIX + "stage_items",
        "Items by outcome: in, out, refused.",
        labels=[*_OF_STAGE, "outcome"],
    )
    held = GaugeMetricFamily(
        PREFIX + "stage_held_items", "Items inside, as measured.", labels=_OF_STAGE
    )
    refused = CounterMetricFamily(
        PREFIX + "stage_refused_items", "Items refused, by cause.", labels=[*_OF_STAGE, "cause"]
    )
    for stage in stages:
        labels = _labels(stage.name)
        items.add_metric([*labels, "in"], stage.arrived)
        items.add_metric([*labels, "out"], stage.done)
        items.add_metric([*labels, "refused"], sum(stage.refused.values()))
        held.add_metric(labels, stage.held)
        for cause, count in stage.refused.items():
            refused.add_metric([*labels, cause], count)
    yield from (items, held, refused)


def _time_families(stages: tuple[StageSnapshot, ...]) -> Iterator[Family]:
    busy = CounterMetricFamily(
        PREFIX + "stage_busy_seconds", "Time spent working, over all servers.", labels=_OF_STAGE
    )
    service = HistogramMetricFamily(
        PREFIX + "stage_service_seconds", "Time of work on one item.", labels=_OF_STAGE
    )
    waiting = HistogramMetricFamily(
        PREFIX + "stage_wait_seconds", "Time an item waited to be served.", labels=_OF_STAGE
    )
    for stage in stages:
        labels = _labels(stage.name)
        busy.add_metric(labels, stage.busy_ns / NS_PER_S)
        _add_distribution(service, labels, stage.service, NS_PER_S)
        _add_distribution(waiting, labels, stage.waiting, NS_PER_S)
    yield from (busy, service, waiting)


def _depth_families(stages: tuple[StageSnapshot, ...]) -> Iterator[Family]:
    depth = GaugeMetricFamily(PREFIX + "queue_depth", "Items that wait.", labels=_OF_STAGE)
    peak = GaugeMetricFamily(
        PREFIX + "queue_peak_depth", "Highest depth since the start.", labels=_OF_STAGE
    )
    capacity = GaugeMetricFamily(
        PREFIX + "queue_capacity", "Items that may wait.", labels=_OF_STAGE
    )
    for stage in stages:
        labels = _labels(stage.name)
        depth.add_metric(labels, stage.depth)
        peak.add_metric(labels, stage.peak_depth)
        if stage.capacity is not None:
            capacity.add_metric(labels, stage.capacity)
    yield from (depth, peak, capacity)


def _ratio_families(lines: Iterable[StageLine]) -> Iterator[Family]:
    utilization = GaugeMetricFamily(
        PREFIX + "stage_utilization_ratio",
        "Share of the time of the stage's own servers spent working, recently.",
        labels=_OF_STAGE,
    )
    headroom = GaugeMetricFamily(
        PREFIX + "capacity_headroom_ratio",
        "1 - arrivals / limit, recently; stages that share what they run on share it.",
        labels=_OF_STAGE,
    )
    limit = GaugeMetricFamily(
        PREFIX + "capacity_measured_items_per_second",
        "What the stage could carry by the law of what it runs on, in items of its own.",
        labels=_OF_STAGE,
    )
    for line in lines:
        for family, value in (
            (utilization, line.utilization),
            (headroom, line.headroom),
            (limit, line.limit_per_s),
        ):
            # What an empty window cannot tell is left out: no sample, not a false zero.
            if value is not None:
                family.add_metric(_labels(line.name), value)
    yield from (utilization, headroom, limit)


def _figure_family(metric: Metric | HistogramMetric) -> Family:
    name = PREFIX + metric.name
    if isinstance(metric, HistogramMetric):
        histogram = HistogramMetricFamily(name, metric.about, labels=[])
        _add_distribution(histogram, [], metric.read(), metric.per_unit)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, metric.about, labels=list(metric.labels))
    for values, reading in _samples(metric.read()):
        family.add_metric(list(values), reading / metric.per_unit)
    return family


def _samples(reading: Reading) -> Iterable[tuple[tuple[str, ...], int]]:
    return reading.items() if isinstance(reading, Mapping) else [((), reading)]


def _add_distribution(
    family: HistogramMetricFamily, labels: list[str], distribution: Distribution, per_unit: int
) -> None:
    """Add one histogram, unless nothing was ever observed. Its edges are powers of two.

    An edge is the last value below the power, as ``le`` includes it: every count is then exact, for
    the recorder's own buckets never reach across a power of two.
    """
    if not distribution.count:
        return
    powers = TIME_BUCKET_POWERS if per_unit == NS_PER_S else COUNT_BUCKET_POWERS
    buckets = [
        (str(((1 << power) - 1) / per_unit), float(count))
        for power, count in zip(powers, distribution.counts_below(powers), strict=True)
    ]
    buckets.append(("+Inf", float(distribution.count)))
    family.add_metric(labels, buckets, sum_value=distribution.total / per_unit)
