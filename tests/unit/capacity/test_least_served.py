"""Turns by what was done, where nobody knows beforehand what an item takes."""

from node.capacity.least_served import LeastServed
from node.capacity.share import SHARE

S = 1_000_000_000


def of(lines: dict[str, int]) -> LeastServed[str, str]:
    queue: LeastServed[str, str] = LeastServed("work")
    for key, count in lines.items():
        for number in range(count):
            queue.add(key, f"{key}{number}")
    return queue


def test_the_next_is_of_whom_least_was_done_for() -> None:
    queue = of({"a": 3, "b": 2})
    queue.spent("a", 0, 2 * S)
    queue.spent("b", 2 * S, 3 * S)
    queue.add("c", "c0")
    taken = []
    for _ in range(4):
        taken.append(queue.take(3 * S))
        queue.spent(taken[-1][0], 3 * S, 3 * S + 3 * S // 2)
    assert taken == ["c0", "b0", "a0", "b1"]
    assert len(queue) == 2


def test_those_for_whom_the_same_was_done_come_in_the_order_in_which_they_wait() -> None:
    queue = of({"b": 2, "a": 1})
    assert [queue.take(0) for _ in range(3)] == ["b0", "b1", "a0"]


def test_what_was_done_is_forgotten_in_twenty_times_as_long() -> None:
    queue = of({"a": 1, "b": 1})
    queue.spent("a", 0, S)
    assert queue.take(S) == "b0"
    queue.add("b", "b1")
    queue.spent("b", SHARE * S - 1_000, SHARE * S)
    assert queue.take(SHARE * S) == "a0"


def test_room_is_made_by_whoever_has_most_waiting() -> None:
    queue = of({"a": 3, "b": 1})
    assert queue.make_room("c") == "a2"
    assert queue.make_room("b") is None
    queue.add("c", "c0")
    assert queue.make_room("d") == "a1"
    assert queue.make_room("d") is None
    assert [queue.take(0) for _ in range(len(queue))] == ["a0", "b0", "c0"]


def test_whom_nobody_remembers_takes_no_memory() -> None:
    queue = of({})
    for second in range(1_000):
        queue.spent(str(second), second * S, second * S + 1_000)
    assert len(queue._shares) == 1
