"""The registry keeps order, refuses second names, and reports over lifetimes and windows."""

import pytest

from node.capacity.metric import HistogramMetric
from node.capacity.queue import BoundedQueue
from node.capacity.registry import Capacity, RollingWindow

SECOND = 1_000_000_000


def test_stages_are_reported_in_the_order_of_the_pipeline() -> None:
    capacity = Capacity(started_ns=0)
    for name in ("ingress", "lane", "transition"):
        capacity.stage(name, None, lambda: 0)
    assert [report.name for report in capacity.reports(SECOND)] == ["ingress", "lane", "transition"]


def test_a_name_is_used_once() -> None:
    capacity = Capacity(started_ns=0)
    capacity.stage("lane", None, lambda: 0)
    with pytest.raises(ValueError):
        capacity.queue("lane", 5)
    capacity.gauge("unposted_bytes", "Bytes.", lambda: 0)
    with pytest.raises(ValueError):
        capacity.histogram("unposted_bytes", "Bytes.")
    assert len(capacity.stages) == len(capacity.metrics) == 1


def test_one_leaking_stage_is_found_among_sound_ones() -> None:
    capacity = Capacity(started_ns=0)
    queue: BoundedQueue[int] = capacity.queue("lane", 5)
    leaking = capacity.stage("leaking", None, lambda: 0)
    queue.offer(1, 0)
    assert capacity.all_conserved
    leaking.enter(2)
    assert not capacity.all_conserved


def test_lifetime_begins_with_the_node() -> None:
    capacity = Capacity(started_ns=5 * SECOND)
    capacity.stage("match", None, lambda: 0).busy(0, SECOND, 10)
    (report,) = capacity.reports(9 * SECOND)
    assert (report.elapsed_s, report.utilization) == (4, 0.25)


def test_a_mark_begins_a_window_and_later_stages_join_it() -> None:
    capacity = Capacity(started_ns=0)
    old = capacity.stage("old", None, lambda: 0)
    old.busy(0, SECOND, 10)
    mark = capacity.mark(2 * SECOND)
    old.busy(0, SECOND, 30)
    capacity.stage("new", None, lambda: 0).busy(0, SECOND // 2, 1)
    reports = capacity.reports(4 * SECOND, since=mark)
    assert [(report.name, report.utilization, report.limit) for report in reports] == [
        ("old", 0.5, 30),
        ("new", 0.25, 2),
    ]


def test_figures_are_read_when_asked() -> None:
    capacity = Capacity(started_ns=0)
    backlog = [1]
    capacity.gauge("unposted_bytes", "Bytes.", backlog.__len__)
    histogram = capacity.histogram("journal_group_records", "Records.")
    backlog.append(2)
    histogram.record(7)
    gauge, group = capacity.metrics
    assert gauge.read() == 2
    assert isinstance(group, HistogramMetric)
    assert group.read().total == 7


def test_a_rolling_window_is_between_one_and_two_spans_long() -> None:
    window = RollingWindow(10, 0, 0)
    lengths = []
    for now in range(4, 100, 4):
        if window.is_due(now):
            window.move(now, now)
        lengths.append(now - window.begin)
    assert lengths[:2] == [4, 8]
    assert all(10 <= length <= 20 for length in lengths[2:])
