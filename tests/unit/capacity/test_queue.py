"""A bounded queue refuses past its limit, conserves, and knows how long items waited."""

import pytest

from node.capacity.queue import FULL, BoundedQueue
from node.types.errors import Overloaded


def test_items_come_out_in_the_order_they_went_in() -> None:
    queue: BoundedQueue[str] = BoundedQueue("lane", 8)
    for item in "abcd":
        queue.offer(item, 0)
    assert queue.take(3, 1) == ["a", "b", "c"]
    assert queue.take(3, 1) == ["d"]
    assert queue.take(3, 1) == []
    assert queue.take(0, 1) == []


def test_an_offer_past_the_limit_is_refused_with_its_values_and_counted() -> None:
    queue: BoundedQueue[str] = BoundedQueue("lane", 2)
    queue.offer("a", 0)
    queue.offer("b", 0)
    with pytest.raises(Overloaded) as refused:
        queue.offer("c", 0)
    assert (refused.value.queue, refused.value.limit) == ("lane", 2)
    assert queue.stage.refused == {FULL: 1}
    assert (queue.stage.arrived, queue.stage.depth, queue.stage.peak_depth) == (3, 2, 2)
    assert queue.stage.conserved()
    assert queue.take(9, 0) == ["a", "b"]
    assert queue.stage.conserved()


def test_each_item_records_its_own_wait() -> None:
    queue: BoundedQueue[str] = BoundedQueue("lane", 8)
    queue.offer("a", 10)
    queue.offer("b", 30)
    queue.take(8, 40)
    waiting = queue.stage.waiting.snapshot()
    assert (waiting.count, waiting.total, waiting.quantile(0), waiting.max) == (2, 40, 10, 30)


def test_a_take_before_the_offer_is_refused_and_takes_nothing() -> None:
    queue: BoundedQueue[str] = BoundedQueue("lane", 8)
    queue.offer("a", 10)
    queue.offer("b", 30)
    with pytest.raises(ValueError):
        queue.take(2, 20)
    assert (len(queue), queue.stage.waiting.count, queue.stage.done) == (2, 0, 0)
    assert queue.take(1, 20) == ["a"]


def test_without_hands_taking_is_leaving() -> None:
    queue: BoundedQueue[str] = BoundedQueue("lane", 8)
    queue.offer("a", 0)
    queue.take(1, 0)
    assert queue.stage.done == 1
    assert queue.stage.conserved()


def test_with_hands_an_item_stays_until_its_consumer_counts_it() -> None:
    hands: list[str] = []
    queue: BoundedQueue[str] = BoundedQueue("inbox", 2, in_hand=hands.__len__)
    queue.offer("a", 0)
    queue.offer("b", 0)
    hands += queue.take(2, 0)
    assert (queue.stage.held(), queue.stage.depth, queue.stage.done) == (2, 0, 0)
    queue.offer("c", 0)
    assert queue.stage.peak_depth == 2
    assert queue.stage.conserved()
    hands.pop()
    assert queue.stage.imbalance() == 1
    queue.stage.leave()
    hands.pop()
    queue.stage.refuse("expired")
    assert queue.stage.conserved()


def test_the_peak_is_the_most_that_waited_at_once() -> None:
    queue: BoundedQueue[int] = BoundedQueue("a", 9)
    peaks = []
    for number in range(3):
        queue.offer(number, 0)
        peaks.append(queue.stage.peak_depth)
    queue.take(3, 0)
    queue.offer(3, 0)
    assert (peaks, queue.stage.peak_depth) == ([1, 2, 3], 3)
