"""How many liquidations the next moment may bring: the index's density round the mark.

With volatility sigma (log price per root of a second), the log of the mark moves within ``window``
seconds by less than

    band = k · sigma · sqrt(window)        k = Phi^-1(1 - share / 4)

on both sides with probability 1 - share at least: by the reflection principle each side is passed
with probability 2·(1 - Phi(k)), and two sides have at most twice that. The number of positions that
a move of the mark makes liquidatable never falls as the move grows, so its quantile is its value at
the quantile of the move. It is read off the trigger index, exactly, at the two ends:

    Q_{1-share}  <=  max( crossed(P·exp(-band)), crossed(P·exp(+band)) )

The mark goes one way or the other, so the two are not added. Those that are crossed already are
among them. Fat tails are not in the normal's k; ``share`` is what an operator sets against them.
"""

import math
from statistics import NormalDist

from node.risk.trigger import CrossingIndex

_NORMAL = NormalDist()


def band_of(volatility: float, window_s: float, share: float) -> float:
    """Return how far the log of the mark moves in ``window_s`` seconds, all but ``share`` times.

    ``volatility`` is in log price per root of a second.
    """
    return _NORMAL.inv_cdf(1 - share / 4) * volatility * math.sqrt(window_s)


def crossings_within(index: CrossingIndex, mark: int, funding: int, band: float) -> int:
    """Return the most positions that are crossed if the log of ``mark`` moves by ``band``.

    Both ends are rounded away from the mark, to whole ticks; the lower one is at least 1.
    """
    lower = max(1, math.floor(mark * math.exp(-band)))
    upper = math.ceil(mark * math.exp(band))
    return max(index.count(lower, funding), index.count(upper, funding))
