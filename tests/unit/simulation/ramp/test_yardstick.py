"""The yardstick is always the same work, and counts its own processor time alone."""

from time import perf_counter

import pytest

from node.simulation.ramp.yardstick import APART_S, Yardstick, _work


def test_the_work_is_always_the_same() -> None:
    assert _work() == _work()


def test_a_reading_is_that_of_the_second_piece_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    times = iter((1.25, 1.5))

    def clock() -> float:
        done.append("clock")
        return next(times)

    monkeypatch.setattr("node.simulation.ramp.yardstick._work", lambda: done.append("work"))
    monkeypatch.setattr("node.simulation.ramp.yardstick.thread_time", clock)
    yardstick = Yardstick()
    assert yardstick.mean_ms is None
    yardstick.read()
    assert done == ["work", "clock", "work", "clock"]
    assert yardstick.mean_ms == pytest.approx(250.0)


async def test_it_is_read_for_as_long_as_something_else_is_measured() -> None:
    yardstick, started = Yardstick(), perf_counter()
    await yardstick.read_for(3.5 * APART_S)
    assert perf_counter() - started >= 3.5 * APART_S
    read = len(yardstick.readings_ms)
    assert 1 <= read <= 4
    await yardstick.read_for(-1.0)
    assert len(yardstick.readings_ms) == read
