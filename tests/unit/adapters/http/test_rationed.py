"""A dear answer is worked out a fixed share of the time at most, however often it is asked for."""

from collections.abc import Callable

import pytest

from node.adapters.http.rationed import SHARE, Rationed


class Desk:
    """Answers how often it has worked, each time for ``cost`` nanoseconds."""

    def __init__(self, cost: int) -> None:
        self.now = 0
        self.worked = 0
        self.cost = cost
        self.ask: Callable[[], bytes] = Rationed(self.work, lambda: self.now)

    def work(self) -> bytes:
        self.worked += 1
        self.now += self.cost
        return b"%d" % self.worked


@pytest.mark.parametrize("cost", [1, 1_000, 70_000_000])
def test_the_work_is_a_fixed_share_of_the_time(cost: int) -> None:
    desk = Desk(cost)
    while desk.now < 100 * SHARE * cost:
        desk.ask()
        desk.now += max(1, cost // 10)
    assert 90 <= desk.worked <= 100


def test_what_costs_nothing_is_always_fresh() -> None:
    desk = Desk(0)
    assert [desk.ask(), desk.ask()] == [b"1", b"2"]


def test_an_answer_is_kept_until_its_cost_has_been_earned() -> None:
    desk = Desk(10)
    assert desk.ask() == b"1"
    desk.now += 10 * SHARE - 1
    assert desk.ask() == b"1"
    desk.now += 1
    assert desk.ask() == b"2"
