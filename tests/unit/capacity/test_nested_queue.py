"""Two levels of turns: every item comes out once, addresses alike, and connections within one."""

from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.capacity.delay_watch import DelayLimits
from node.capacity.nested_queue import NestedQueue

LIMITS = DelayLimits(20, 100)
DEAREST = 20

_bring = st.lists(
    st.tuples(st.integers(0, 4), st.one_of(st.just(1), st.integers(1, DEAREST))), max_size=60
)
_takes = st.lists(st.integers(1, 2 * DEAREST), max_size=40)
_quanta = st.integers(1, 2 * DEAREST)
_mixed = [(0, DEAREST)] * 20 + [(1, 1)] * 40


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
            victim = random.choice((queue.evict_longest, lambda: queue.evict(1)))()
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
    assert queue.evict(1) == "a2"
    assert queue.evict(9) is None
    assert queue.evict_longest() == "b5"


@given(st.lists(_bring, min_size=2, max_size=4), _takes, _quanta)
@example([_mixed, [(0, 7)] * 60], [9] * 40, 8)
@example([_mixed, [(0, 1)] * 60, _mixed[::-1]], [DEAREST] * 40, 1)
def test_addresses_that_wait_all_the_time_are_served_alike(
    brought: list[list[tuple[int, int]]], takes: list[int], quantum: int
) -> None:
    queue, waiting = NestedQueue[tuple[int, int, int]](quantum, LIMITS), Counter[int]()
    lines: dict[tuple[int, int], list[int]] = defaultdict(list)
    for address, messages in enumerate(brought):
        for number, (connection, work) in enumerate(messages):
            queue.add(address, connection, (address, connection, number), work, 0)
            lines[address, connection].append(number)
            waiting[address] += 1
    served = dict.fromkeys(range(len(brought)), 0)
    for budget in takes:
        entries = queue.take(budget, 1)
        work = sum(entry[1] for entry in entries)
        assert work >= budget > work - entries[-1][1] if len(queue) else work or not entries
        for _, work, (address, connection, number) in entries:
            assert lines[address, connection].pop(0) == number
            served[address] += work
            waiting[address] -= 1
            alike = [served[each] for each in served if waiting[each]]
            assert max(alike, default=0) - min(alike, default=0) < quantum + DEAREST
    rest = Counter((address, connection) for *_, (address, connection, _) in queue.take(1 << 30, 1))
    assert rest == Counter({line: len(numbers) for line, numbers in lines.items()})


@given(_bring.filter(bool), _bring.filter(bool), st.integers(0, 40), _quanta)
@example(_mixed, _mixed, 12, 8)
def test_who_comes_back_has_saved_nothing_up_and_missed_nothing(
    ours: list[tuple[int, int]], theirs: list[tuple[int, int]], before: int, quantum: int
) -> None:
    queue = NestedQueue[str](quantum, LIMITS)
    for connection, work in theirs:
        queue.add(2, connection, "theirs", work, 0)
    # Served and gone again as often, while the other waits: whatever it could have kept is gone.
    for _ in range(before):
        queue.add(1, 1, "earlier", 1, 0)
        while queue.length(1):
            queue.take(1, 0)
    for connection, work in ours:
        queue.add(1, connection, "ours", work, 0)
    served = Counter[str]()
    while queue.length(1) and queue.length(2):
        ((_, work, whose),) = queue.take(1, 0)
        served[whose] += work
        if queue.length(1) and queue.length(2):
            assert abs(served["ours"] - served["theirs"]) < quantum + 2 * DEAREST


def test_a_turn_is_paid_with_what_is_served_in_it() -> None:
    queue = NestedQueue[str](8, LIMITS)
    for number in range(8):
        # The long one came second, and the other connection is served before it.
        queue.add(1, 1, f"1 short {number}", 1, 0)
        if not number:
            queue.add(1, 2, "1 long", 8, 0)
        queue.add(2, 1, f"2 long {number}", 8, 0)
    shorts = [f"1 short {number}" for number in range(8)]
    assert names(queue, 24) == [*shorts, "2 long 0", "1 long"]


def test_what_was_put_out_is_not_paid_for() -> None:
    queue = NestedQueue[str](8, LIMITS)
    queue.add(1, 1, "1a", 7, 0)
    queue.add(1, 2, "1b", 8, 0)
    queue.add(1, 3, "1c", 1, 0)
    queue.add(2, 1, "2a", 1, 0)
    assert names(queue, 7) == ["1a"]
    # One unit of credit is left of the turn, and what is next costs eight.
    assert queue.evict(1) == "1c"
    assert names(queue, 9) == ["2a", "1b"]
