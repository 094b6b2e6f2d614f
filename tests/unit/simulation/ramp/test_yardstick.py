"""The yardstick is always the same work, and counts its own processor time alone."""

from time import perf_counter, thread_time

from node.app.cli.verify_windows import near, slower_of
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.yardstick import APART_S, Yardstick, _work


def test_the_work_is_always_the_same() -> None:
    assert _work() == _work()


def test_a_reading_is_that_of_one_piece_of_two() -> None:
    yardstick = Yardstick()
    assert yardstick.mean_ms is None
    started = thread_time()
    yardstick.read()
    spent_ms = (thread_time() - started) * 1_000
    assert yardstick.mean_ms is not None
    assert 0 < yardstick.mean_ms < spent_ms


async def test_it_is_read_for_as_long_as_something_else_is_measured() -> None:
    yardstick, started = Yardstick(), perf_counter()
    await yardstick.read_for(3.5 * APART_S)
    assert perf_counter() - started >= 3.5 * APART_S
    assert 2 <= len(yardstick.readings_ms) <= 4
    await yardstick.read_for(-1.0)
    assert len(yardstick.readings_ms) <= 4


def point(yardstick_ms: float | None, wanted_per_s: float = 1.0) -> RampPoint:
    return RampPoint(wanted_per_s, 1.0, 1.0, {}, {}, {}, yardstick_ms=yardstick_ms)


def test_a_machine_is_as_much_slower_as_the_same_work_takes_longer() -> None:
    assert slower_of([point(2.0), point(None)], [point(3.0), point(3.0)]) == 1.5
    # At two speeds, one of them for a third of the time: neither is the machine's.
    assert slower_of([point(2.0)], [point(2.0), point(2.0), point(5.0)]) == 1.5
    assert slower_of([point(None)], [point(3.0)]) is None


def test_the_speed_of_a_ramp_is_that_of_the_points_which_decided() -> None:
    points = [point(1.0, rate) for rate in (250, 740, 760, 1_000, 1_240, 1_260)]
    assert [one.wanted_per_s for one in near(points, 1_000.0)] == [760, 1_000, 1_240]
