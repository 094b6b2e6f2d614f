"""What the risk processor counts; the owners of the events write here, the report reads.

*Late* is always said of the tiers, and of crossings at a round (a new mark or funding index): the
index found the position crossed, and the schedule alone would not have looked at it in that round.
Positions that changed since the last round are left out, as every schedule looks at those.
"""

from operator import add
from typing import Final

from node.capacity.histogram import Histogram
from node.risk.tiers import Tier
from node.types.units import NS_PER_MS

_COUNTS: Final = (
    "crossings",
    "deleveraged",
    "found_by_wake",
    "full_scan_checks",
    "late",
    "liquidated",
    "proposals",
    "recovered",
    "refused",
    "repeats",
    "round_crossings",
    "rounds",
    "rounds_at_limit",
)


class Monitor:
    """Counters of one market since it was first watched; histograms are of nanoseconds.

    A market keeps its own, so that it takes its past along wherever it is placed; ``merge`` gives
    the figures of several.
    """

    __slots__ = (*_COUNTS, "detection", "liquidation", "tier_checks")

    def __init__(self) -> None:
        self.rounds = 0
        self.full_scan_checks = 0
        self.tier_checks = [0] * len(Tier)
        self.rounds_at_limit = 0
        self.crossings = 0
        self.round_crossings = 0
        self.late = 0
        self.found_by_wake = 0
        self.recovered = 0
        self.proposals = 0
        self.repeats = 0
        self.refused = 0
        self.liquidated = 0
        self.deleveraged = 0
        self.detection = Histogram()
        self.liquidation = Histogram()

    def merge(self, other: "Monitor") -> None:
        """Add all that ``other`` counted."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.tier_checks = list(map(add, self.tier_checks, other.tier_checks))
        self.detection.merge(other.detection)
        self.liquidation.merge(other.liquidation)

    def note_round(self, positions: int) -> None:
        """Count one round of a market that has so many positions."""
        self.rounds += 1
        self.full_scan_checks += positions

    def note_crossing_at_round(self, *, visited: bool, woken: bool) -> None:
        """Count a crossing at a round, and whether the tiers looked there and what made them."""
        self.round_crossings += 1
        if not visited:
            self.late += 1
        elif woken:
            self.found_by_wake += 1

    def note_proposal(self, crossed_ms: int, now_ns: int, *, first: bool) -> None:
        """Count a proposal; the first one of a case is its detection."""
        if first:
            self.proposals += 1
            self.detection.record(_age_ns(crossed_ms, now_ns))
        else:
            self.repeats += 1

    def note_liquidation(self, crossed_ms: int, now_ns: int) -> None:
        """Count the delay from a crossing to its durable liquidation."""
        self.liquidation.record(_age_ns(crossed_ms, now_ns))


def _age_ns(since_ms: int, now_ns: int) -> int:
    """Return the time since ``since_ms``; an oracle's clock may run ahead of ours, which is 0."""
    return max(0, now_ns - since_ms * NS_PER_MS)
