"""A full scan: every given position against its maintenance margin, without index or threshold.

It is the oracle that the index and the tiers are held against. Floats sort out the clear cases, a
thousand at a time; exact integers decide the rest, so the answer is exact:

    surplus = margin + size*(mark - funding + funding0) - entry - |size|*mark*m / 10^6

is computed in fewer than 16 operations on doubles, each off by at most 2^-53 of its result, and no
intermediate result exceeds the sum of the magnitudes of its inputs. The error is therefore less
than 2^-48 of that sum, and a position whose surplus is larger than that does not fail.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from node.risk.book import Holding, fails_maintenance
from node.types.rules import MarketRules
from node.types.units import PPM_ONE

_SLACK = 2.0**-48


class Columns:
    """The numbers of some positions of one market, ready to be scanned at any mark."""

    __slots__ = ("_numbers", "holdings")

    def __init__(self, holdings: Sequence[Holding]) -> None:
        self.holdings = holdings
        self._numbers: NDArray[np.float64] = np.array(
            [
                (held.size, held.entry, held.margin, held.funding, held.maintenance)
                for held in holdings
            ],
            dtype=np.float64,
        ).reshape(-1, 5)

    def candidates(self, mark: int, funding: int) -> NDArray[np.intp]:
        """Return the places of all positions that may fail; what it leaves out does not."""
        size, entry, margin, settled, maintenance = self._numbers.T
        per_lot = (float(mark) - float(funding)) + settled
        required = np.abs(size) * (mark / PPM_ONE) * maintenance
        surplus = margin + size * per_lot - entry - required
        magnitude = (
            np.abs(margin)
            + np.abs(size) * (abs(float(mark)) + abs(float(funding)) + np.abs(settled))
            + np.abs(entry)
            + required
        )
        return np.flatnonzero(surplus <= _SLACK * magnitude)


def scan(rules: MarketRules, columns: Columns, mark: int, funding: int) -> list[Holding]:
    """Return the positions that fail maintenance at ``mark`` and index ``funding``, exactly."""
    holdings = columns.holdings
    return [
        holdings[place]
        for place in columns.candidates(mark, funding).tolist()
        if fails_maintenance(rules, holdings[place], mark, funding)
    ]
