"""What Prometheus reads back is what the stages counted."""

import itertools
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from node.adapters.prometheus import CONTENT_TYPE, PrometheusExporter
from node.capacity.registry import Capacity

SECOND = 1_000_000_000


class FakeClock:
    """A clock that a test sets by hand."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def exporter_of(capacity: Capacity) -> PrometheusExporter:
    """Return an exporter whose window begins with the node."""
    begin = capacity.mark(0)
    return PrometheusExporter(capacity, FakeClock(), lambda: begin)


def scrape(exporter: PrometheusExporter) -> list[Sample]:
    text = exporter.render().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value_of(samples: list[Sample], name: str, **labels: str) -> float:
    (value,) = (s.value for s in samples if (s.name, s.labels) == ("plimsoll_" + name, labels))
    return value


def names_of(samples: list[Sample], **labels: str) -> set[str]:
    return {s.name for s in samples if labels.items() <= s.labels.items()}


def test_items_conserve_in_what_is_exported() -> None:
    capacity = Capacity(started_ns=0)
    hands = ["x"]
    stage = capacity.stage("match", 8, hands.__len__)
    stage.enter(5)
    stage.leave(3)
    stage.refuse("expired")
    stage.turn_away("full", 2)
    seen = scrape(exporter_of(capacity))
    assert value_of(seen, "stage_items_total", stage="match", outcome="in") == 7
    assert value_of(seen, "stage_items_total", stage="match", outcome="out") == 3
    assert value_of(seen, "stage_items_total", stage="match", outcome="refused") == 3
    assert value_of(seen, "stage_held_items", stage="match") == 1
    assert value_of(seen, "stage_refused_items_total", stage="match", cause="expired") == 1
    assert value_of(seen, "stage_refused_items_total", stage="match", cause="full") == 2
    assert value_of(seen, "queue_depth", stage="match") == 1
    assert value_of(seen, "queue_peak_depth", stage="match") == 5
    assert value_of(seen, "queue_capacity", stage="match") == 8


def test_times_are_in_seconds_and_buckets_are_exact_at_their_edges() -> None:
    capacity = Capacity(started_ns=0)
    stage = capacity.stage("match", None, lambda: 0)
    for service_ns in (255, 256, 1_023, 1_024, 60 * SECOND):
        stage.busy(0, service_ns, 1)
    stage.waited(SECOND)
    seen = scrape(exporter_of(capacity))
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in seen
        if sample.name == "plimsoll_stage_service_seconds_bucket"
    }
    assert buckets[255e-9] == 1
    assert buckets[1.023e-6] == 3
    assert buckets[4.095e-6] == 4
    assert buckets[float("inf")] == 5
    assert list(buckets.values()) == sorted(buckets.values())
    assert value_of(seen, "stage_service_seconds_count", stage="match") == 5
    assert value_of(seen, "stage_busy_seconds_total", stage="match") == 60.000_002_558
    assert value_of(seen, "stage_wait_seconds_sum", stage="match") == 1


def test_ratios_are_over_the_recent_window() -> None:
    capacity = Capacity(started_ns=0)
    stage = capacity.stage("match", None, lambda: 0)
    clock = FakeClock()
    begins = [capacity.mark(0)]
    exporter = PrometheusExporter(capacity, clock, lambda: begins[-1])
    stage.busy(0, 5 * SECOND, 100)
    clock.now_ns = 10 * SECOND
    first = scrape(exporter)
    assert value_of(first, "stage_utilization_ratio", stage="match") == 0.5
    assert value_of(first, "capacity_headroom_ratio", stage="match") == 0.5
    assert value_of(first, "capacity_measured_items_per_second", stage="match") == 20
    begins.append(capacity.mark(10 * SECOND))
    clock.now_ns = 30 * SECOND
    later = scrape(exporter)
    assert value_of(later, "stage_utilization_ratio", stage="match") == 0


def test_what_an_empty_window_cannot_tell_is_left_out() -> None:
    capacity = Capacity(started_ns=0)
    capacity.stage("idle", None, lambda: 0)
    names = names_of(scrape(exporter_of(capacity)), stage="idle")
    assert "plimsoll_stage_items_total" in names
    assert "plimsoll_capacity_measured_items_per_second" not in names
    assert "plimsoll_stage_utilization_ratio" not in names
    assert "plimsoll_queue_capacity" not in names
    assert "plimsoll_stage_service_seconds_count" not in names


def test_figures_of_one_s_own_are_exported_in_base_units() -> None:
    capacity = Capacity(started_ns=0)
    capacity.gauge("mark_age_seconds", "Age of the mark.", lambda: 1_500_000_000, per_unit=SECOND)
    capacity.counter(
        "risk_checks",
        "Checks.",
        lambda: {("cold",): 3, ("hot",): 4},
        labels=("tier",),
    )
    fsync = capacity.histogram("journal_fsync_seconds", "Time of an fsync.", per_unit=SECOND)
    group = capacity.histogram("journal_group_records", "Records for each fsync.")
    fsync.record(SECOND // 2)
    group.record(64)
    seen = scrape(exporter_of(capacity))
    assert value_of(seen, "mark_age_seconds") == 1.5
    assert value_of(seen, "risk_checks_total", tier="cold") == 3
    assert value_of(seen, "risk_checks_total", tier="hot") == 4
    assert value_of(seen, "journal_fsync_seconds_sum") == 0.5
    assert value_of(seen, "journal_group_records_bucket", le="63.0") == 0
    assert value_of(seen, "journal_group_records_bucket", le="127.0") == 1


def test_a_scrape_reads_anew_and_counts_itself_nowhere() -> None:
    capacity = Capacity(started_ns=0)
    reads = itertools.count(1)
    capacity.gauge("reads", "Reads.", reads.__next__)
    exporter = exporter_of(capacity)
    assert value_of(scrape(exporter), "reads") == 1
    assert value_of(scrape(exporter), "reads") == 2


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_the_process_is_exported_beside_the_stages() -> None:
    names = names_of(scrape(exporter_of(Capacity(started_ns=0))))
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= names


def test_the_body_is_prometheus_text() -> None:
    assert CONTENT_TYPE.startswith("text/plain; version=")
