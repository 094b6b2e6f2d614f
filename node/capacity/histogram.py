"""A log-linear histogram of integers: fixed memory, bounded relative error, cheap to feed.

Every power of two is cut into ``2**PRECISION_BITS`` equal buckets, and values below
``2**(PRECISION_BITS + 1)`` have a bucket each. A bucket that starts at ``low`` is therefore less
than ``low / 2**PRECISION_BITS`` wide, which bounds every quantile:

    true value  <=  reported value  <=  true value * (1 + 1/32)

The reported value is the highest one its bucket can hold, so that a latency is never told too
small. This is the arrangement of HdrHistogram (G. Tene) with the index found by ``int.bit_length``.

Two classes share the work. ``Histogram`` only records, on the hot path; ``Distribution`` is a
frozen copy that answers questions, and the difference of two copies is the distribution of the time
between.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import add, sub

import msgspec

from node.types.units import PPM_ONE

PRECISION_BITS = 5
VALUE_BITS = 48
"""Wider values share the last bucket; 2^48 ns are three days."""


_SUBBUCKETS = 1 << PRECISION_BITS
_FIRST_SHARED = 2 * _SUBBUCKETS
"""The lowest value whose bucket it shares with others."""
_LEADING_BITS = PRECISION_BITS + 1
BUCKETS = (VALUE_BITS - PRECISION_BITS + 1) * _SUBBUCKETS


def bucket_index(value: int) -> int:
    """Return the bucket of ``value``; what is wider than ``VALUE_BITS`` falls in the last one."""
    exponent = max(value.bit_length() - _LEADING_BITS, 0)
    return min((exponent << PRECISION_BITS) + (value >> exponent), BUCKETS - 1)


def bucket_low(index: int) -> int:
    """Return the lowest value of a bucket."""
    exponent = max((index >> PRECISION_BITS) - 1, 0)
    return (index - (exponent << PRECISION_BITS)) << exponent


def bucket_high(index: int) -> int:
    """Return the highest value of a bucket (inclusive)."""
    return bucket_low(index + 1) - 1


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """What a histogram held at one instant, or gained between two; in the recorder's unit."""

    counts: tuple[int, ...]
    """Observations in each bucket."""
    total: int
    """Exact sum of all that was recorded."""

    @property
    def count(self) -> int:
        """Return the number of observations."""
        return sum(self.counts)

    @property
    def max(self) -> int | None:
        """Return the largest observation, at most 1/32 too large; None when there is none."""
        return self.quantile(PPM_ONE)

    def quantile(self, q_ppm: int) -> int | None:
        """Return the smallest value that ``q_ppm`` millionths of the observations do not exceed.

        This is the nearest rank (numpy's ``inverted_cdf``), never too small and at most 1/32 too
        large. None when there are no observations; ``ValueError`` when ``q_ppm`` is not within
        0..1,000,000.
        """
        if not 0 <= q_ppm <= PPM_ONE:
            raise ValueError(f"a quantile lies within 0..{PPM_ONE} ppm, not at {q_ppm}")
        # The rank is rounded up: half of three observations means two of them.
        rank = max(-(-self.count * q_ppm // PPM_ONE), 1)
        seen = list(accumulate(self.counts))
        return bucket_high(bisect_left(seen, rank)) if rank <= seen[-1] else None

    def counts_below(self, powers: Sequence[int]) -> list[int]:
        """Return how many observations are below ``2**power``, for each of ascending ``powers``.

        Exact, as no bucket reaches across a power of two.
        """
        edges = [bucket_index(1 << power) for power in powers]
        gains = (sum(self.counts[low:high]) for low, high in pairwise([0, *edges]))
        return list(accumulate(gains))

    def since(self, earlier: "Distribution") -> "Distribution":
        """Return what was recorded after ``earlier``, an older copy of the same histogram."""
        counts = tuple(map(sub, self.counts, earlier.counts))
        return Distribution(counts=counts, total=self.total - earlier.total)


class Histogram:
    """Counts non-negative integers (nanoseconds, records, bytes) in fixed memory."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0

    def record(self, value: int) -> None:
        """Count one observation.

        Raises ``ValueError`` and records nothing when it is negative: a clock ran backwards.
        """
        # The index is computed in place, as in bucket_index: a call would cost as much again.
        if value >= _FIRST_SHARED:
            exponent = value.bit_length() - _LEADING_BITS
            try:
                self.counts[(exponent << PRECISION_BITS) + (value >> exponent)] += 1
            except IndexError:
                self.counts[-1] += 1
        elif value >= 0:
            self.counts[value] += 1
        else:
            raise ValueError(f"an observation cannot be negative: {value}")
        self.total += value

    def record_span(self, start: int, end: int, items: int) -> None:
        """Count ``items`` observations that together took ``end - start``.

        Each counts in the bucket of their mean, rounded down; ``total`` grows by the exact span. A
        span without items (a turn of a loop that found nothing to do) adds to ``total`` only.
        Raises ``ValueError`` and records nothing when ``end`` comes before ``start`` or ``items``
        is negative.
        """
        span = end - start
        mean = span
        if items != 1:
            if items < 1:
                self._record_idle_span(span, items)
                return
            mean = span // items
        if mean >= _FIRST_SHARED:
            exponent = mean.bit_length() - _LEADING_BITS
            try:
                self.counts[(exponent << PRECISION_BITS) + (mean >> exponent)] += items
            except IndexError:
                self.counts[-1] += items
        elif mean >= 0:
            self.counts[mean] += items
        else:
            raise ValueError(f"a span cannot end before it starts: {span}")
        self.total += span

    def _record_idle_span(self, span: int, items: int) -> None:
        if items < 0 or span < 0:
            raise ValueError(f"neither a span nor its items can be negative: {span}, {items}")
        self.total += span

    def merge(self, other: "Histogram") -> None:
        """Add all that ``other`` counted, as if it had been recorded here."""
        self.counts = list(map(add, self.counts, other.counts))
        self.total += other.total

    def snapshot(self) -> Distribution:
        """Return a frozen copy (a few microseconds)."""
        return Distribution(counts=tuple(self.counts), total=self.total)

    @property
    def count(self) -> int:
        """Return the number of observations."""
        return sum(self.counts)

    def quantile(self, q_ppm: int) -> int | None:
        """Return ``Distribution.quantile`` of what is counted so far."""
        return self.snapshot().quantile(q_ppm)
