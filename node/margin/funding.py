"""Funding: how far the index moves, in whole money per lot, with the remainder carried on.

At every oracle round the premium of the book's mid over the mark is sampled, in half ticks, held
inside the cap. Over an interval the rate is (mean premium) x (interval / 8 hours), the convention
of perpetuals. The index moves by whole units only and what is left over is carried into the next
interval: so each payment ``q * delta`` is an integer, and longs pay exactly what shorts receive.
"""

from node.types.rules import MarketRules
from node.types.units import PPM_ONE

FUNDING_PERIOD_MS = 8 * 3_600_000
CARRY_ONE = 1_000_000_000
"""The carry is in billionths of a unit of money per lot."""

RATE_DECIMALS = 9
RATE_ONE = 1_000_000_000
"""What is told of premiums and rates is in billionths of the mark."""


def premium_sample(rules: MarketRules, bid: int, ask: int, mark: int) -> int:
    """Return the premium of the mid price over ``mark`` in half ticks, held inside the cap."""
    cap = 2 * mark * rules.funding_cap // PPM_ONE
    return max(-cap, min(cap, bid + ask - 2 * mark))


def funding_step(rules: MarketRules, premium_sum: int, samples: int, carry: int) -> tuple[int, int]:
    """Return (move of the index in money per lot, carry into the next interval).

    Rounded toward minus infinity to a billionth; ``0 <= carry < CARRY_ONE`` always.
    """
    rate = 0
    if samples:
        scaled = premium_sum * rules.funding_interval_ms * CARRY_ONE
        rate = scaled // (2 * samples * FUNDING_PERIOD_MS)
    return divmod(carry + rate, CARRY_ONE)


def mean_premium(premium_sum: int, samples: int, mark: int) -> int:
    """Return the mean premium in billionths of ``mark``, toward minus infinity; 0 of no samples."""
    return premium_sum * RATE_ONE // (2 * samples * mark) if samples else 0


def rate_so_far(rules: MarketRules, premium_sum: int, samples: int, mark: int) -> int:
    """Return what a long would pay for an interval of that premium, in billionths of its value.

    Rounded toward minus infinity; 0 of no samples. It is ``funding_step``'s without the carry.
    """
    if not samples:
        return 0
    scaled = premium_sum * rules.funding_interval_ms * RATE_ONE
    return scaled // (2 * samples * FUNDING_PERIOD_MS * mark)


def next_funding_time(rules: MarketRules, time: int) -> int:
    """Return the first multiple of the funding interval after ``time`` (milliseconds)."""
    interval = rules.funding_interval_ms
    return (time // interval + 1) * interval
