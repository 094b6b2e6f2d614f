"""The vectorised index: no order is kept, each look compares every threshold at once.

It answers as ``TriggerIndex`` does, in the same order. Taking a position in or out costs a
dictionary entry instead of a search, and a look costs a pass over all positions of the market
instead of one comparison: for a market whose positions change far more often than its mark moves.

Thresholds may exceed what a double or a 64-bit integer holds exactly. So the pass sorts out those
that lie below the level by more than the rounding of both, and exact integers decide the rest.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from node.risk.trigger import Triggered, level_of
from node.types.ids import Address

_SLACK = 2.0**-50
"""A conversion to a double is off by at most 2^-53 of the value; two of them, and the product of
the slack itself, by less than this."""


class _Rows:
    """The positions of one side and one maintenance rate, as arrays when they are looked at."""

    __slots__ = ("_accounts", "_thresholds", "is_long", "maintenance", "positions")

    def __init__(self, position: Triggered) -> None:
        self.is_long = position.is_long
        self.maintenance = position.maintenance
        self.positions: dict[Address, int] = {}
        self._accounts: tuple[Address, ...] = ()
        self._thresholds: NDArray[np.float64] | None = None

    def add(self, position: Triggered) -> None:
        self.positions[position.account] = position.threshold
        self._thresholds = None

    def discard(self, position: Triggered) -> None:
        del self.positions[position.account]
        self._thresholds = None

    def above(self, level: int) -> list[tuple[int, Address]]:
        """Return threshold and account of every position above ``level``, the highest first."""
        if self._thresholds is None:
            self._accounts = tuple(self.positions)
            self._thresholds = np.array([float(value) for value in self.positions.values()])
        bound = float(level)
        candidates = self._thresholds >= bound - _SLACK * (np.abs(self._thresholds) + abs(bound))
        accounts = (self._accounts[place] for place in np.flatnonzero(candidates).tolist())
        found = ((self.positions[account], account) for account in accounts)
        return sorted((entry for entry in found if entry[0] > level), reverse=True)


class ScanIndex:
    """The positions of one market, unsorted; see ``TriggerIndex`` for what it promises."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[tuple[bool, int], _Rows] = {}

    def __len__(self) -> int:
        """Return the number of positions."""
        return sum(len(rows.positions) for rows in self._groups.values())

    def add(self, position: Triggered) -> None:
        """Take in ``position``, whose account must not be held yet."""
        key = (position.is_long, position.maintenance)
        rows = self._groups.get(key)
        if rows is None:
            rows = self._groups[key] = _Rows(position)
        rows.add(position)

    def discard(self, position: Triggered) -> None:
        """Remove ``position``, which must be held exactly as given."""
        key = (position.is_long, position.maintenance)
        rows = self._groups[key]
        rows.discard(position)
        if not rows.positions:
            del self._groups[key]

    def crossed(self, mark: int, funding: int) -> Iterator[Address]:
        """Yield the accounts of all liquidatable positions, the deepest of each group first."""
        for key in sorted(self._groups):
            rows = self._groups[key]
            level = level_of(rows.is_long, rows.maintenance, mark, funding)
            for _, account in rows.above(level):
                yield account

    def count(self, mark: int, funding: int) -> int:
        """Return how many positions are liquidatable."""
        return sum(1 for _ in self.crossed(mark, funding))
