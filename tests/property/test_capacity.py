"""Capacity: conservation under random traffic, quantiles against numpy, merge and windows."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.capacity.histogram import Histogram
from node.capacity.queue import FULL, BoundedQueue
from node.capacity.report import window_report
from node.capacity.stage import Stage
from node.types.errors import Overloaded
from node.types.units import PPM_ONE

# Uniform integers almost never come near the small buckets; a random width reaches all of them.
values = st.integers(0, 47).flatmap(lambda bits: st.integers(0, 2**bits))
samples = st.lists(values, min_size=1, max_size=200)
quantiles = st.integers(0, PPM_ONE)


def histogram_of(observations: list[int]) -> Histogram:
    histogram = Histogram()
    for value in observations:
        histogram.record(value)
    return histogram


@given(samples, quantiles)
def test_a_quantile_is_never_too_small_and_at_most_a_32nd_too_large(
    observations: list[int], q_ppm: int
) -> None:
    reported = histogram_of(observations).quantile(q_ppm)
    # Nearest rank in integers: numpy's own rank is a float, off by one where q x n is near a whole.
    rank = max(-(-len(observations) * q_ppm // PPM_ONE), 1)
    exact = sorted(observations)[rank - 1]
    assert reported is not None
    assert exact <= reported
    assert 32 * (reported - exact) <= exact


@pytest.mark.parametrize("q_ppm", [1, 10_000, 250_000, 500_000, 900_000, 990_000, 999_000, PPM_ONE])
def test_quantiles_of_a_heavy_tail_agree_with_numpy(q_ppm: int) -> None:
    drawn = np.random.default_rng(seed=7).lognormal(mean=9, sigma=2, size=20_001).astype(np.int64)
    exact = int(np.quantile(drawn, q_ppm / PPM_ONE, method="inverted_cdf"))
    reported = histogram_of([int(value) for value in drawn]).quantile(q_ppm)
    assert reported is not None
    assert 0 <= 32 * (reported - exact) <= exact


@given(samples)
def test_count_and_total_are_exact(observations: list[int]) -> None:
    seen = histogram_of(observations).snapshot()
    assert (seen.count, seen.total) == (len(observations), sum(observations))


@given(samples, samples)
def test_a_merge_is_the_histogram_of_all(first: list[int], second: list[int]) -> None:
    merged = histogram_of(first)
    merged.merge(histogram_of(second))
    assert merged.snapshot() == histogram_of(first + second).snapshot()


@given(samples, samples)
def test_a_window_is_the_histogram_of_what_came_in_it(before: list[int], during: list[int]) -> None:
    histogram = histogram_of(before)
    earlier = histogram.snapshot()
    for value in during:
        histogram.record(value)
    assert histogram.snapshot().since(earlier) == histogram_of(during).snapshot()


@given(st.integers(0, 2**50), st.integers(0, 2**47), st.integers(1, 1_000))
def test_a_span_counts_its_items_at_their_mean(start: int, length: int, items: int) -> None:
    histogram = Histogram()
    histogram.record_span(start, start + length, items)
    mean = length // items
    reported = histogram.quantile(500_000)
    assert (histogram.count, histogram.total) == (items, length)
    assert reported is not None
    assert 0 <= 32 * (reported - mean) <= mean


class Station:
    """A stage whose items are real: what it holds is a deque that the counters never see."""

    def __init__(self) -> None:
        self.items: deque[int] = deque()
        self.stage = Stage("station", capacity=None, held=self.items.__len__)

    def step(self, action: str, n: int) -> None:
        if action == "enter":
            self.items.extend(range(n))
            self.stage.enter(n)
        elif action == "turn_away":
            self.stage.turn_away("full", n)
        else:
            moved = min(n, len(self.items))
            for _ in range(moved):
                self.items.popleft()
            if action == "leave":
                self.stage.leave(moved)
            else:
                self.stage.refuse(action, moved)


actions = st.tuples(
    st.sampled_from(["enter", "leave", "expired", "late", "turn_away"]), st.integers(0, 9)
)


@given(st.lists(actions, max_size=60), st.lists(actions, max_size=60))
def test_random_traffic_conserves_at_every_step_and_over_every_window(
    before: list[tuple[str, int]], during: list[tuple[str, int]]
) -> None:
    station = Station()
    peak = 0
    earlier = station.stage.snapshot()
    for position, (action, n) in enumerate(before + during):
        if position == len(before):
            earlier = station.stage.snapshot()
        station.step(action, n)
        peak = max(peak, len(station.items))
        assert station.stage.conserved()
    assert station.stage.peak_depth == peak
    assert window_report(earlier, station.stage.snapshot(), 1_000).conserved


@given(st.lists(actions, min_size=1, max_size=60), st.integers(1, 9))
def test_a_forgotten_count_is_noticed(steps: list[tuple[str, int]], lost: int) -> None:
    station = Station()
    for action, n in steps:
        station.step(action, n)
    station.items.extend(range(lost))
    assert station.stage.imbalance() == -lost


offers_and_takes = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=80)


@given(st.integers(1, 8), offers_and_takes)
def test_a_queue_under_overload_conserves_keeps_order_and_never_passes_its_limit(
    limit: int, steps: list[tuple[bool, int]]
) -> None:
    queue: BoundedQueue[int] = BoundedQueue("lane", limit)
    accepted: list[int] = []
    taken: list[int] = []
    refused = 0
    for now, (offering, n) in enumerate(steps):
        if offering:
            for item in range(now * 10, now * 10 + n):
                try:
                    queue.offer(item, now)
                    accepted.append(item)
                except Overloaded:
                    refused += 1
        else:
            taken += queue.take(n, now)
        assert len(queue) <= limit
        assert queue.stage.conserved()
    assert taken + queue.take(limit, len(steps)) == accepted
    assert queue.stage.refused.get(FULL, 0) == refused
    assert queue.stage.waiting.count == queue.stage.done == len(accepted)
