"""Turns by work: each key its own order, none above the others, and room from who has the most."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.capacity.delay_watch import DelayLimits
from node.capacity.fair_queue import FairQueue

MS = 1_000_000
LIMITS = DelayLimits(target_ms=20, interval_ms=100)


def queue_of(*added: tuple[str, int], quantum: int = 4) -> FairQueue[str, tuple[str, int]]:
    """Return a queue to which items of so much work were added, numbered, at their number."""
    queue: FairQueue[str, tuple[str, int]] = FairQueue(quantum, LIMITS)
    for number, (key, work) in enumerate(added):
        queue.add(key, (key, number), work, number)
    return queue


def taken(queue: FairQueue[str, tuple[str, int]], work: int, now_ns: int = 10**6) -> list[int]:
    return [number for _, _, (_, number) in queue.take(work, now_ns)]


def test_one_key_is_a_plain_queue() -> None:
    queue = queue_of(*[("a", 1)] * 5)
    assert taken(queue, 2) == [0, 1]
    assert taken(queue, 9) == [2, 3, 4]
    assert (len(queue), queue.keys, queue.longest) == (0, 0, 0)


def test_keys_take_turns_by_work() -> None:
    queue = queue_of(*[("a", 1)] * 9, *[("b", 4)] * 3, quantum=4)
    assert taken(queue, 100) == [0, 1, 2, 3, 9, 4, 5, 6, 7, 10, 8, 11]


def test_a_turn_goes_on_where_the_work_ran_out() -> None:
    queue = queue_of(*[("a", 1)] * 8, ("b", 1), quantum=4)
    assert [taken(queue, 1) for _ in range(6)] == [[0], [1], [2], [3], [8], [4]]


def test_something_is_taken_however_dear_it_is() -> None:
    assert taken(queue_of(("a", 1_000), quantum=1), 1) == [0]


def test_room_is_taken_from_the_longest_and_from_its_end() -> None:
    queue = queue_of(("a", 1), ("b", 1), ("b", 1), ("a", 1), ("b", 1))
    assert queue.evict_longest() == ("b", 4)
    assert queue.evict("a") == ("a", 3)
    assert queue.evict_longest() == ("b", 2)
    assert queue.evict("c") is None
    assert [queue.evict_longest(), queue.evict_longest()] == [("b", 1), ("a", 0)]
    assert queue.evict_longest() is None
    assert (len(queue), queue.keys, queue.longest) == (0, 0, 0)


def test_time_must_not_run_back() -> None:
    queue = queue_of(("a", 1), ("a", 1))
    with pytest.raises(ValueError, match="before it was added"):
        queue.take(2, 0)


def test_one_key_alone_makes_nobody_else_late() -> None:
    queue: FairQueue[str, int] = FairQueue(4, LIMITS)
    for number in range(1_000):
        queue.add("flood", number, 1, 0)
    for at in range(5, 300, 5):
        queue.take(2, at * MS)
        queue.is_key_late("flood", at * MS)
        # Whoever came now would have the next turn but one.
        assert not queue.is_late(at * MS)
    assert queue.is_key_late("flood", 300 * MS)


def test_many_keys_make_a_newcomer_late() -> None:
    queue: FairQueue[int, int] = FairQueue(4, LIMITS)
    for number in range(1_000):
        queue.add(number, number, 1, 0)
    for at in range(5, 300, 5):
        queue.take(2, at * MS)
    assert queue.is_late(300 * MS)


def test_a_key_is_late_by_itself_and_the_queue_is_not() -> None:
    queue: FairQueue[str, int] = FairQueue(1, LIMITS)
    for number in range(1_000):
        queue.add("flood", number, 1, 0)
    for at in range(5, 200, 5):
        # One thing at a time is done for each of the two, and one of them never has more.
        queue.add("calm", at, 1, at * MS - MS)
        queue.take(2, at * MS)
        queue.is_key_late("flood", at * MS)
    assert queue.is_key_late("flood", 200 * MS)
    assert not queue.is_key_late("calm", 200 * MS)
    assert not queue.is_late(200 * MS)
    assert queue.delay_of_ns("flood", 200 * MS) == 200 * MS


def test_a_queue_that_is_passed_over_is_late() -> None:
    queue = queue_of(("a", 1))
    assert not queue.is_late(119 * MS)
    assert queue.is_late(121 * MS)
    assert queue.delay_ns(121 * MS) == 121 * MS
    queue.take(1, 122 * MS)
    assert not queue.is_late(122 * MS)
    assert queue.delay_ns(122 * MS) == 0


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abcd"), st.integers(1, 9)),
        st.tuples(st.just("take"), st.just(""), st.integers(1, 30)),
        st.tuples(st.just("evict"), st.sampled_from("abcd-"), st.just(0)),
    ),
    max_size=200,
)


@given(_steps, st.integers(1, 8))
def test_nothing_is_lost_and_each_key_keeps_its_order(
    steps: list[tuple[str, str, int]], quantum: int
) -> None:
    queue: FairQueue[str, int] = FairQueue(quantum, LIMITS)
    model: dict[str, list[int]] = defaultdict(list)
    for now, (step, key, number) in enumerate(steps):
        match step:
            case "add":
                queue.add(key, now, number, now)
                model[key].append(now)
            case "take":
                before = len(queue)
                entries = queue.take(number, now)
                work = sum(entry[1] for entry in entries)
                assert len(queue) == before - len(entries)
                assert not before or work - entries[-1][1] < number <= work or not len(queue)
                for _, _, item in entries:
                    owner = next(k for k, items in model.items() if items[:1] == [item])
                    model[owner].pop(0)
            case _:
                longest = max(map(len, model.values()), default=0)
                victim = queue.evict_longest() if key == "-" else queue.evict(key)
                if victim is not None:
                    owner = next(k for k, items in model.items() if items[-1:] == [victim])
                    assert owner == key or len(model[owner]) == longest
                    model[owner].pop()
        lengths = Counter({key: len(items) for key, items in model.items()})
        assert len(queue) == lengths.total()
        assert queue.longest == max(lengths.values(), default=0)
        assert all(queue.length(key) == count for key, count in lengths.items())


@given(
    st.lists(st.integers(1, 9), min_size=40, max_size=40),
    st.lists(st.integers(1, 9), min_size=40, max_size=40),
    st.integers(1, 12),
    st.lists(st.integers(1, 20), max_size=12),
)
def test_two_that_wait_all_the_time_are_served_alike(
    ours: list[int], theirs: list[int], quantum: int, takes: list[int]
) -> None:
    queue: FairQueue[str, None] = FairQueue(quantum, LIMITS)
    for key, works in (("ours", ours), ("theirs", theirs)):
        for work in works:
            queue.add(key, None, work, 0)
    waiting = {"ours": list(ours), "theirs": list(theirs)}
    served = Counter[str]()
    for budget in takes:
        for _, work, _ in queue.take(budget, 1):
            # The keys' items are alike but for their work, so count them by what is left.
            served["all"] += work
        for key, works in waiting.items():
            while len(works) > queue.length(key):
                served[key] += works.pop(0)
        if min(map(len, waiting.values())) == 0:
            return
        assert abs(served["ours"] - served["theirs"]) <= quantum + 2 * 9


def test_a_queue_whose_items_were_all_taken_back_is_in_time() -> None:
    queue = queue_of(("a", 1))
    assert queue.is_late(121 * MS)
    queue.evict("a")
    assert not queue.is_late(121 * MS)
