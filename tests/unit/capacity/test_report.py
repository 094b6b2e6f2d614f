"""Utilization, limit, headroom and the loop's law, over windows and lifetimes, full and empty."""

import msgspec
import pytest

from node.capacity.report import (
    Quantiles,
    StageReport,
    lifetime_report,
    loop_limit,
    window_report,
)
from node.capacity.stage import Stage
from node.types.units import NS_PER_S


def stage_named(name: str, servers: int = 1) -> Stage:
    return Stage(name, capacity=100, held=lambda: 0, servers=servers)


def worked(stage: Stage, busy_ns: int, items: int) -> Stage:
    stage.enter(items)
    stage.busy(0, busy_ns, items)
    stage.leave(items)
    return stage


def report_of(stage: Stage, elapsed_ns: int = NS_PER_S) -> StageReport:
    return lifetime_report(stage.snapshot(), elapsed_ns)


def test_a_stage_busy_for_a_quarter_of_the_time_could_do_four_times_as_much() -> None:
    report = report_of(worked(stage_named("match"), NS_PER_S // 4, 1_000))
    assert (report.utilization, report.headroom, report.limit) == (0.25, 0.75, 4_000)
    rate = report.done / report.elapsed_s
    assert report.limit is not None
    assert report.headroom == 1 - rate / report.limit


def test_several_servers_share_the_load() -> None:
    report = report_of(worked(stage_named("verify", servers=2), NS_PER_S, 1_000))
    assert (report.utilization, report.limit) == (0.5, 2_000)


def test_times_are_in_microseconds() -> None:
    stage = stage_named("match")
    stage.busy(0, 32_000, 1)
    stage.waited(63)
    report = report_of(stage)
    assert report.service_us is not None
    assert 32 <= report.service_us.p50 <= 33
    assert report.wait_us == Quantiles(p50=0.063, p99=0.063)
    assert report.busy_s == 0.000_032


@pytest.mark.parametrize("elapsed_ns", [0, NS_PER_S])
def test_an_idle_stage_has_a_report_without_limit_or_times(elapsed_ns: int) -> None:
    report = report_of(stage_named("idle"), elapsed_ns)
    assert (report.limit, report.service_us, report.wait_us) == (None, None, None)
    assert report.utilization == (0 if elapsed_ns else None)
    assert report.headroom == (1 if elapsed_ns else None)
    assert report.conserved


def test_work_that_took_no_measurable_time_gives_no_limit() -> None:
    assert report_of(worked(stage_named("fast"), 0, 5)).limit is None


def test_a_window_sees_only_what_happened_in_it() -> None:
    hands = ["x"]
    stage = Stage("match", capacity=8, held=hands.__len__)
    stage.enter(11)
    stage.turn_away("full")
    stage.busy(0, 1_000, 10)
    stage.leave(10)
    earlier = stage.snapshot()
    stage.enter()
    hands.append("y")
    stage.turn_away("late", 2)
    stage.busy(5_000, 5_500, 1)
    stage.leave()
    hands.pop()
    report = window_report(earlier, stage.snapshot(), 2_000)
    assert (report.held_before, report.arrived, report.done, report.held) == (1, 3, 1, 1)
    assert report.refused == {"late": 2}
    assert report.utilization == 0.25
    assert report.conserved


def test_a_report_tells_when_the_law_is_broken() -> None:
    stage = stage_named("leaky")
    stage.enter()
    assert not report_of(stage).conserved


def test_a_window_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError):
        report_of(stage_named("match"), -1)


def test_in_and_out_are_called_so_outside_of_python() -> None:
    fields = msgspec.to_builtins(report_of(worked(stage_named("match"), 10, 2)))
    assert (fields["in"], fields["out"], fields["held"], fields["refused"]) == (2, 2, 0, {})


def test_stages_on_one_loop_add_their_times() -> None:
    # For each of 1,000 actions: one admission of 40 us and 20 orders of 3 us, so 100 us in all.
    admit = report_of(worked(stage_named("admit"), 40_000_000, 1_000))
    match = report_of(worked(stage_named("match"), 60_000_000, 20_000))
    assert loop_limit([admit, match], arrivals=1_000) == pytest.approx(10_000)


def test_an_empty_window_has_no_loop_limit() -> None:
    idle = report_of(stage_named("idle"))
    assert loop_limit([idle], arrivals=0) is None
    assert loop_limit([idle], arrivals=5) is None
