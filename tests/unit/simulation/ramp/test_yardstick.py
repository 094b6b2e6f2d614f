"""The yardstick is always the same work, and counts its own processor time alone."""

from time import perf_counter, thread_time

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
    assert 1 <= len(yardstick.readings_ms) <= 4
    await yardstick.read_for(-1.0)
    assert len(yardstick.readings_ms) <= 4
