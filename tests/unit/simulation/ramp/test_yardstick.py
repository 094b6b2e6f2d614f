"""The yardstick is always the same work, and counts its own processor time alone."""

from time import thread_time

from node.app.cli.verify_windows import slower_of
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.yardstick import REPEATS, _work, yardstick_ms


def test_the_work_is_always_the_same() -> None:
    assert _work() == _work()


def test_the_reading_is_that_of_one_repetition() -> None:
    started = thread_time()
    told_ms = yardstick_ms()
    spent_ms = (thread_time() - started) * 1_000
    assert 0 < told_ms * REPEATS <= spent_ms


def point(yardstick_ms: float | None) -> RampPoint:
    return RampPoint(1.0, 1.0, 1.0, {}, {}, {}, yardstick_ms=yardstick_ms)


def test_a_machine_is_as_much_slower_as_the_same_work_takes_longer() -> None:
    assert slower_of([point(2.0), point(None)], [point(3.0), point(3.0)]) == 1.5
    # At two speeds, one of them for a third of the time: neither is the machine's.
    assert slower_of([point(2.0)], [point(2.0), point(2.0), point(5.0)]) == 1.5
    assert slower_of([point(None)], [point(3.0)]) is None
