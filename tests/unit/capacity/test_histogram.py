"""Buckets, error bound at their edges, spans and windows."""

from itertools import pairwise

import pytest

from node.capacity.histogram import (
    BUCKETS,
    VALUE_BITS,
    Histogram,
    bucket_high,
    bucket_index,
    bucket_low,
)
from node.types.units import PPM_ONE

MEDIAN = 500_000


def test_buckets_cover_all_values_without_gap_or_overlap() -> None:
    assert bucket_low(0) == 0
    assert all(bucket_high(a) + 1 == bucket_low(b) for a, b in pairwise(range(BUCKETS)))
    assert bucket_high(BUCKETS - 1) == 2**VALUE_BITS - 1


def test_both_ends_of_a_bucket_lead_to_it() -> None:
    for index in range(BUCKETS):
        assert bucket_index(bucket_low(index)) == index == bucket_index(bucket_high(index))


def test_no_bucket_is_wider_than_a_32nd_of_its_values() -> None:
    assert all(
        32 * (bucket_high(index) - bucket_low(index)) <= bucket_low(index)
        for index in range(BUCKETS)
    )


@pytest.mark.parametrize("value", [0, 1, 63, 64, 65, 1_000, 10**9, 2**40 - 1, 2**40, 2**48 - 1])
def test_record_and_record_span_use_the_same_bucket_as_bucket_index(value: int) -> None:
    recorded, spanned = Histogram(), Histogram()
    recorded.record(value)
    spanned.record_span(7, 7 + value, 1)
    assert recorded.counts[bucket_index(value)] == 1
    assert recorded.snapshot() == spanned.snapshot()
    assert (recorded.count, recorded.total) == (1, value)


def test_values_too_wide_for_the_buckets_are_counted_in_the_last_one() -> None:
    histogram = Histogram()
    histogram.record(2**80)
    histogram.record_span(0, 2**80, 2)
    assert histogram.counts[-1] == histogram.count == 3
    assert histogram.total == 2**81
    assert len(histogram.counts) == BUCKETS


def test_a_negative_observation_is_refused_and_changes_nothing() -> None:
    histogram = Histogram()
    before = histogram.snapshot()
    with pytest.raises(ValueError):
        histogram.record(-1)
    assert histogram.snapshot() == before


@pytest.mark.parametrize(("end", "items"), [(9, 1), (9, 5), (9, 0), (19, -1)])
def test_a_span_that_ends_before_it_starts_is_refused_and_changes_nothing(
    end: int, items: int
) -> None:
    histogram = Histogram()
    before = histogram.snapshot()
    with pytest.raises(ValueError):
        histogram.record_span(10, end, items)
    assert histogram.snapshot() == before


def test_an_empty_histogram_has_no_quantile() -> None:
    empty = Histogram()
    assert empty.quantile(MEDIAN) is None
    assert empty.snapshot().max is None


@pytest.mark.parametrize("q_ppm", [-1, PPM_ONE + 1])
def test_a_quantile_outside_0_to_1_is_refused(q_ppm: int) -> None:
    with pytest.raises(ValueError):
        Histogram().quantile(q_ppm)


def test_small_values_have_exact_quantiles() -> None:
    histogram = Histogram()
    for value in (5, 1, 3, 2, 4):
        histogram.record(value)
    assert [histogram.quantile(q) for q in (0, 200_000, 200_001, MEDIAN, PPM_ONE)] == [
        1,
        1,
        2,
        3,
        5,
    ]
    assert histogram.snapshot().max == 5


def test_a_span_spreads_over_its_items_and_keeps_its_exact_total() -> None:
    histogram = Histogram()
    histogram.record_span(100, 200, 3)
    assert histogram.counts[33] == 3
    assert histogram.total == 100


def test_an_idle_span_adds_time_but_no_observation() -> None:
    histogram = Histogram()
    histogram.record_span(100, 200, 0)
    assert (histogram.count, histogram.total) == (0, 100)


def test_counts_below_powers_of_two_are_exact() -> None:
    histogram = Histogram()
    for value in (0, 1, 255, 256, 257, 1023, 1024):
        histogram.record(value)
    assert histogram.snapshot().counts_below([0, 1, 8, 9, 10, 11]) == [1, 2, 3, 5, 6, 7]


def test_a_snapshot_stays_while_its_histogram_goes_on() -> None:
    histogram = Histogram()
    histogram.record(10)
    before = histogram.snapshot()
    histogram.record(20)
    assert (before.count, before.total) == (1, 10)
    assert histogram.snapshot().since(before).quantile(0) == 20
