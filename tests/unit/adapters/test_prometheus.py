"""What Prometheus reads back is what the stages counted."""

import itertools
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from node.adapters.prometheus import CONTENT_TYPE, PrometheusExporter
from node.capacity.loadline import Backlog, StageLine
from node.capacity.registry import Capacity

SECOND = 1_000_000_000


def exporter_of(capacity: Capacity, *lines: StageLine) -> PrometheusExporter:
    """Return an exporter beside a load line of these stages."""
    return PrometheusExporter(capacity, lambda: 0, lambda: lines)


def line_of(
    name: str, utilization: float | None, limit: float | None, headroom: float | None
) -> StageLine:
    """Return a stage of the load line at which nothing waits."""
    return StageLine(
        name, "loop", utilization, limit, headroom, 0, None, 0, Backlog(0), None, None, {}
    )


def scrape(exporter: PrometheusExporter) -> list[Sample]:
    text = exporter.render().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value_of(samples: list[Sample], name: str, **labels: str) -> float:
    # An empty label is as good as none.
    told = ((s, {key: value for key, value in s.labels.items() if value}) for s in samples)
    (value,) = (s.value for s, found in told if (s.name, found) == ("plimsoll_" + name, labels))
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


def test_ratios_and_limits_are_those_of_the_load_line() -> None:
    """Not of the stage alone: it is busy for half of the time, and shares what it runs on."""
    capacity = Capacity(started_ns=0)
    capacity.stage("match", None, lambda: 0).busy(0, 5 * SECOND, 100)
    seen = scrape(exporter_of(capacity, line_of("match", 0.5, 12.5, 0.2)))
    assert value_of(seen, "stage_utilization_ratio", stage="match") == 0.5
    assert value_of(seen, "capacity_headroom_ratio", stage="match") == 0.2
    assert value_of(seen, "capacity_measured_items_per_second", stage="match") == 12.5


def test_what_an_empty_window_cannot_tell_is_left_out() -> None:
    capacity = Capacity(started_ns=0)
    capacity.stage("idle", None, lambda: 0)
    names = names_of(scrape(exporter_of(capacity, line_of("idle", None, None, None))), stage="idle")
    assert "plimsoll_stage_items_total" in names
    assert "plimsoll_capacity_measured_items_per_second" not in names
    assert "plimsoll_stage_utilization_ratio" not in names
    assert "plimsoll_queue_capacity" not in names
    assert "plimsoll_stage_service_seconds_count" not in names


@pytest.mark.parametrize(("name", "lane"), [("lane_taking", "taking"), ("match", "")])
def test_a_lane_is_told_by_its_own_name_too(name: str, lane: str) -> None:
    capacity = Capacity(started_ns=0)
    stage = capacity.stage(name, 8, lambda: 0)
    stage.waited(SECOND)
    stage.busy(0, SECOND, 1)
    stage.turn_away("full")
    seen = scrape(exporter_of(capacity, line_of(name, 0.5, 12.5, 0.2)))
    of_stages = [sample for sample in seen if "stage" in sample.labels]
    assert len({sample.name for sample in of_stages}) == 16
    assert {(s.labels["stage"], s.labels["lane"]) for s in of_stages} == {(name, lane)}


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
