"""How far a market's mark moves in a second: an average of squared returns, in exact integers.

With the variance ``V`` (squared millionths a second), a return ``r`` (millionths, from the last
sample's mark to this one) over ``dt``, and the window ``W``:

    V' = (V*W + r^2) / (W + dt)            the backward Euler step of an exponential average

For ``dt`` much shorter than the window that is the usual EWMA, with mean age ``W`` and half-life
``0.693*W`` (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996, 5.2); it needs no
exponential, and after a long silence it becomes ``r^2/dt``, the only thing that is known then.

Who may choose *when* a signed round is handed in, but cannot sign one, gains little by it:

- A return is dated by the times that reporters signed, never by when it arrived, and rounds count
  up in time: one that was held back past a newer one is worth nothing.
- Left out rounds only make samples coarser: the mean of ``r^2`` grows as ``dt`` does, so the
  estimate keeps its mean. What can be hidden is a move that came back between two samples, and it
  takes everyone who could hand the rounds in.
- A sample needs at least ``SAMPLE_MS``: a thousand rounds in a second are one sample, so the
  tremble of the last digit does not count a thousand times.
- The result stays between the market's floor and ceiling, whatever the marks did: after the worst
  of rounds it is back at the floor in ``2*log(ceiling/floor)`` windows.
"""

from math import isqrt
from typing import Final

from node.types.rules import StalenessRules
from node.types.units import Ppm

VARIANCE_ONE: Final = 2**24
"""A variance is held in 1/VARIANCE_ONE of a squared millionth a second."""
SAMPLE_MS: Final = 1_000
"""Marks closer together than this make no return of their own."""

_PPM_SQUARED_PER_SECOND: Final = 10**12 * 1_000 * VARIANCE_ONE


def variance_of(volatility: int) -> int:
    """Return the variance of a volatility in millionths per square root of a second; exact."""
    return volatility * volatility * VARIANCE_ONE


def volatility_of(variance: int) -> Ppm:
    """Return the volatility of a variance, in millionths per root of a second, rounded up."""
    whole = -(-variance // VARIANCE_ONE)
    return Ppm(isqrt(whole - 1) + 1 if whole else 0)


def variance_after(
    rules: StalenessRules, variance: int, anchor: int, mark: int, elapsed_ms: int
) -> int:
    """Return the variance once the mark has gone from ``anchor`` to ``mark`` in ``elapsed_ms``.

    Rounded up, to the disadvantage of whoever opens; then held between floor and ceiling.
    """
    square, window = anchor * anchor, rules.window_ms
    moved = (mark - anchor) * (mark - anchor) * _PPM_SQUARED_PER_SECOND
    found = -(-(variance * window * square + moved) // (square * (window + elapsed_ms)))
    return min(
        max(found, variance_of(rules.volatility_floor)), variance_of(rules.volatility_ceiling)
    )
