"""A full scan: every given position against its maintenance margin, without index or threshold.

It is the oracle that the index and the tiers are held against. Floats sort out the clear cases all
at once; exact integers decide the rest, so the answer is exact. With the mark P and the funding
index F, what is left over the requirement is linear in both:

    surplus   = (margin + size*F0 - entry) + (size - |size|*m/10^6)*P - size*F
    magnitude = (|margin| + |size*F0| + |entry|) + (|size| + |size|*m/10^6)*P + |size|*|F|

Computed in doubles, ``surplus`` takes fewer than 32 roundings, conversions and the slack itself
included, each off by at most 2^-53 of an intermediate result that ``magnitude`` bounds. So it is
off by less than 2^-48 of ``magnitude``, and where it exceeds that slack, maintenance is covered.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from node.risk.book import Holding, fails_maintenance
from node.types.rules import MarketRules
from node.types.units import PPM_ONE

_SLACK = 2.0**-48

Floats = NDArray[np.float64]


class Columns:
    """The numbers of some positions of one market, ready to be scanned at any mark."""

    __slots__ = ("_fixed", "_per_funding", "_per_mark", "_slack_per_funding", "holdings")

    def __init__(self, holdings: Sequence[Holding]) -> None:
        """Take what the holdings are now; the slack is taken off beforehand."""
        self.holdings = holdings
        rows = [
            (held.size, held.entry, held.margin, held.funding, held.maintenance)
            for held in holdings
        ]
        numbers: Floats = np.array(rows, dtype=np.float64).reshape(-1, 5)
        size, entry, margin, settled, maintenance = np.ascontiguousarray(numbers.T)
        owed, lots = size * settled, np.abs(size)
        required = lots * maintenance / PPM_ONE
        magnitude = np.abs(margin) + np.abs(owed) + np.abs(entry)
        self._fixed: Floats = margin + owed - entry - _SLACK * magnitude
        self._per_mark: Floats = size - required - _SLACK * (lots + required)
        self._per_funding: Floats = size
        self._slack_per_funding: Floats = _SLACK * lots

    def candidates(self, mark: int, funding: int) -> NDArray[np.intp]:
        """Return the places of all positions that may fail; what it leaves out does not."""
        surplus = self._fixed + self._per_mark * mark
        if funding:
            surplus -= self._per_funding * funding + self._slack_per_funding * abs(funding)
        return np.flatnonzero(surplus <= 0)


def scan(rules: MarketRules, columns: Columns, mark: int, funding: int) -> list[Holding]:
    """Return the positions that fail maintenance at ``mark`` and index ``funding``, exactly."""
    holdings = columns.holdings
    return [
        holdings[place]
        for place in columns.candidates(mark, funding).tolist()
        if fails_maintenance(rules, holdings[place], mark, funding)
    ]
