"""Two levels of turns: every item comes out once, addresses alike, and connections within one."""

from random import Random

import pytest

from node.capacity.delay_watch import DelayLimits
from node.capacity.nested_queue import NestedQueue

LIMITS = DelayLimits(20, 100)


def names(queue: NestedQueue[str], work: int) -> list[str]:
    return [item for _, _, item in queue.take(work, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_goes_in_comes_out_once(seed: int) -> None:
    random, queue = Random(seed), NestedQueue[int](8, LIMITS)
    inside, order = set[int](), dict[tuple[int, int], list[int]]()
    for number in range(600):
        where = random.randrange(4), random.randrange(3)
        queue.add(*where, number, random.choice((1, 1, 1, 5, 20)), number)
        inside.add(number)
        order.setdefault(where, []).append(number)
        if random.random() < 0.3:
            out = [item for _, _, item in queue.take(random.randrange(1, 20), number)]
            # Of one connection the oldest go first.
            for item in out:
                (line,) = [line for line in order.values() if item in line]
                assert line.pop(0) == item
        elif random.random() < 0.1:
            victim = random.choice((queue.evict_longest, lambda: queue.evict_of(1)))()
            out = [] if victim is None else [victim]
            for item in out:
                (line,) = [line for line in order.values() if item in line]
                assert line.pop() == item
        else:
            out = []
        assert inside.issuperset(out)
        inside.difference_update(out)
        assert len(queue) == len(inside)
    assert {item for _, _, item in queue.take(1 << 20, 600)} == inside
    assert (len(queue), queue.within(1)) == (0, None)


def test_addresses_take_turns_and_within_one_its_connections() -> None:
    queue = NestedQueue[str](2, LIMITS)
    for number in range(4):
        for connection in "abc":
            queue.add(1, ord(connection), f"1{connection}{number}", 1, 0)
    queue.add(2, 1, "2a0", 1, 0)
    assert names(queue, 5) == ["1a0", "1a1", "2a0", "1b0", "1b1"]
    assert names(queue, 4) == ["1c0", "1c1", "1a2", "1a3"]


def test_room_is_taken_from_who_has_most_of_the_address_that_has() -> None:
    queue = NestedQueue[str](8, LIMITS)
    for number in range(3):
        queue.add(1, 1, f"a{number}", 1, 0)
    for connection in range(2, 6):
        queue.add(2, connection, f"b{connection}", 1, 0)
    assert queue.is_full_for(2)
    assert not queue.is_full_for(3)
    assert queue.evict_of(1) == "a2"
    assert queue.evict_of(9) is None
    assert queue.evict_longest() == "b5"
