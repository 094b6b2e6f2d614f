"""Timing and comparing, the same way for every benchmark.

Rounds alternate between what is compared, and ratios are taken within a round, because a shared
machine is not equally fast at all times.
"""

import gc
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """A ratio over the rounds: its median, and the lowest and highest of them."""

    middle: float
    low: float
    high: float


def seconds_of(work: Callable[[], None]) -> float:
    """Return how long ``work`` takes; it starts with no garbage left over by others."""
    gc.collect()
    started = perf_counter()
    work()
    return perf_counter() - started


def per_second(count: int, seconds: Sequence[float]) -> int:
    """Return the median rate of rounds that did ``count`` things each."""
    return round(count / median(seconds))


def spread(ratios: Sequence[float]) -> Spread:
    """Return the spread of ``ratios``, to three decimals."""
    return Spread(round(median(ratios), 3), round(min(ratios), 3), round(max(ratios), 3))


def rate_ratios(
    count: int, seconds: Sequence[float], base_count: int, base_seconds: Sequence[float]
) -> Spread:
    """Return the spread of a rate over a base rate, round by round."""
    return spread(
        [
            (count / own) / (base_count / base)
            for own, base in zip(seconds, base_seconds, strict=True)
        ]
    )
