"""A burst that drains is in time, a queue that stands is late, and the mind changes with a gap."""

import pytest

from node.capacity.delay_watch import DelayLimits, DelayWatch

MS = 1_000_000
LIMITS = DelayLimits(target_ms=20, interval_ms=100)


def test_a_queue_is_late_once_it_stood_above_the_target_for_an_interval() -> None:
    watch = DelayWatch(LIMITS)
    for at in range(0, 100, 10):
        watch.served(25 * MS, at * MS)
        assert not watch.late
    watch.served(25 * MS, 100 * MS)
    assert watch.late


def test_one_quick_item_shows_that_it_was_a_burst() -> None:
    watch = DelayWatch(LIMITS)
    for at in range(0, 1_000, 10):
        watch.served((19 if at == 90 else 25) * MS, at * MS)
        if at <= 190:
            assert not watch.late
    assert watch.late


def test_it_stays_late_until_half_the_target() -> None:
    watch = DelayWatch(LIMITS)
    watch.served(30 * MS, 0)
    watch.served(30 * MS, 100 * MS)
    watch.served(10 * MS, 110 * MS)
    assert watch.late
    watch.served(10 * MS - 1, 120 * MS)
    assert not watch.late


def test_a_queue_that_nobody_serves_becomes_late_by_itself() -> None:
    watch = DelayWatch(LIMITS)
    watch.stood(119 * MS, 119 * MS)
    assert not watch.late
    watch.stood(120 * MS, 120 * MS)
    assert watch.late
    watch.stood(1 * MS, 121 * MS)
    assert watch.late
    watch.reset()
    assert not watch.late


@pytest.mark.parametrize(("delay_ms", "hint_ms"), [(0, 100), (25, 100), (120, 100), (500, 480)])
def test_the_hint_is_an_interval_or_what_the_queue_needs_to_drain(
    delay_ms: int, hint_ms: int
) -> None:
    assert LIMITS.retry_after_ms(delay_ms * MS) == hint_ms
