"""The exact trigger index: one look at a market finds every position that fails maintenance.

A position has signed size ``q`` (lots), signed entry value ``N``, margin ``C`` and the funding
index ``F0`` of its last settlement; ``m`` is the maintenance rate of its bracket in ppm. All are
integers. At mark ``P`` and funding index ``F`` it is liquidatable iff

    C + q*P - N - q*(F - F0)  <  ceil(|q|*P*m / 10^6)                                        (1)

*The rounding vanishes.* For an integer e and a real x, e < ceil(x) iff e < x: if e < ceil(x), then
e <= ceil(x) - 1 < x; and x <= ceil(x) gives the other direction. Multiplied by 10^6, (1) is

    10^6*(C - N + q*F0) + 10^6*q*(P - F)  <  |q|*P*m                                         (2)

*What moves and what does not, apart.* With s = +1 for a long, -1 for a short (q = s*|q|), divide
(2) by |q| > 0 and call

    level      L = s*10^6*(P - F) - m*P                  same for all of one side and rate
    threshold  K = ceil( 10^6*(N - C - q*F0) / |q| )     changes with the position's events only

(2) says L < 10^6*(N - C - q*F0) / |q|. L is an integer, and by the same step as above L < x iff
L < ceil(x). So

    liquidatable  iff  L < K                                                                 (3)

in exact integers: no borderline is left to check again, and nothing is missed. Kept sorted by K,
the crossed positions of a group are a suffix, deepest last: one comparison finds that there are
none, and each that there is costs one more.
"""

from collections.abc import Iterator
from typing import Protocol

from sortedcontainers import SortedList

from node.types.ids import Address
from node.types.units import PPM_ONE


class Triggered(Protocol):
    """What the index needs to know of a position."""

    @property
    def account(self) -> Address:
        """Whose position it is."""

    @property
    def is_long(self) -> bool:
        """The side."""

    @property
    def maintenance(self) -> int:
        """The rate of its bracket, in ppm."""

    @property
    def threshold(self) -> int:
        """What ``threshold_of`` returns for it."""


_AFTER_EVERY_ADDRESS = Address(b"\xff" * 21)


def threshold_of(size: int, entry: int, margin: int, funding: int) -> int:
    """Return K = ceil(10^6*(entry - margin - size*funding) / |size|); ``size`` is not 0."""
    return -((margin + size * funding - entry) * PPM_ONE // abs(size))


def level_of(is_long: bool, maintenance: int, mark: int, funding: int) -> int:
    """Return L of one side and maintenance rate at a mark and a funding index."""
    gap = (mark - funding) * PPM_ONE
    return (gap if is_long else -gap) - maintenance * mark


class _Group:
    """The positions of one side and one maintenance rate, by threshold; never empty.

    ``highest`` is the last threshold: kept at hand, as nearly every look ends with it.
    """

    __slots__ = ("entries", "highest", "is_long", "maintenance")

    def __init__(self, position: Triggered) -> None:
        self.is_long = position.is_long
        self.maintenance = position.maintenance
        self.entries: SortedList[tuple[int, Address]] = SortedList()
        self.highest = position.threshold


class CrossingIndex(Protocol):
    """What a market's watch asks of an index; all of them answer alike, in the same order."""

    def add(self, position: Triggered) -> None:
        """Take in ``position``, whose account must not be held yet."""
        ...

    def discard(self, position: Triggered) -> None:
        """Remove ``position``, which must be held exactly as given."""
        ...

    def crossed(self, mark: int, funding: int) -> Iterator[Address]:
        """Yield the accounts of all liquidatable positions, the deepest of each group first."""
        ...

    def count(self, mark: int, funding: int) -> int:
        """Return how many positions are liquidatable."""
        ...


class TriggerIndex:
    """The positions of one market, sorted by threshold within each side and maintenance rate.

    Brackets of equal rate share a group. Adding and discarding cost O(log n), a look costs one
    comparison a group and one more for each crossed position.
    """

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[tuple[bool, int], _Group] = {}

    def __len__(self) -> int:
        """Return the number of positions."""
        return sum(len(group.entries) for group in self._groups.values())

    def add(self, position: Triggered) -> None:
        """Take in ``position``, whose account must not be held yet."""
        key = (position.is_long, position.maintenance)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(position)
        group.entries.add((position.threshold, position.account))
        group.highest = max(group.highest, position.threshold)

    def discard(self, position: Triggered) -> None:
        """Remove ``position``, which must be held exactly as given."""
        key = (position.is_long, position.maintenance)
        group = self._groups[key]
        group.entries.remove((position.threshold, position.account))
        if not group.entries:
            del self._groups[key]
        elif position.threshold == group.highest:
            group.highest = group.entries[-1][0]

    def crossed(self, mark: int, funding: int) -> Iterator[Address]:
        """Yield the accounts of all liquidatable positions, the deepest of each group first.

        Groups come in the order of side and rate, which nothing of the past has a part in.
        """
        for key in sorted(self._groups):
            group = self._groups[key]
            level = level_of(group.is_long, group.maintenance, mark, funding)
            if group.highest <= level:
                continue
            for threshold, account in reversed(group.entries):
                if threshold <= level:
                    break
                yield account

    def count(self, mark: int, funding: int) -> int:
        """Return how many positions are liquidatable, in O(log n) for each group."""
        total = 0
        for group in self._groups.values():
            level = level_of(group.is_long, group.maintenance, mark, funding)
            if group.highest > level:
                # The first entry above the level: no address comes after the longest that may be.
                entries = group.entries
                total += len(entries) - entries.bisect_right((level, _AFTER_EVERY_ADDRESS))
        return total
