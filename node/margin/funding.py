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


def next_funding_time(rules: MarketRules, time: int) -> int:
    """Return the first multiple of the funding interval after ``time`` (milliseconds)."""
    interval = rules.funding_interval_ms
    return (time // interval + 1) * interval
