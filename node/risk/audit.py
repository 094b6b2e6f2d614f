"""A random audit that never ends: cold positions, drawn by a seeded generator, checked in full.

Whatever the index, the mirror or the schedule might have wrong, a liquidatable position that
nobody knows of is found here sooner or later, and counted. The count bounds the share of such
positions from above, by Clopper and Pearson (1934).
"""

import random
from collections.abc import Container

from scipy.special import betaincinv

from node.risk.book import Holding, MarketView
from node.risk.scan import Columns, scan
from node.types.ids import Address


def upper_bound(hits: int, trials: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a share; 1 where nothing was tried."""
    assert 0 <= hits <= trials
    if hits == trials:
        return 1.0
    return float(betaincinv(hits + 1, trials - hits, confidence))


class Audit:
    """Draws from one market's positions; keeps its own roster, so that a draw costs no copy."""

    __slots__ = ("_per_round", "_places", "_random", "_roster", "misses", "samples")

    def __init__(self, seed: int, per_round: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - it must replay, not be secret.
        self._per_round = per_round
        self._roster: list[Address] = []
        self._places: dict[Address, int] = {}
        self.samples = 0
        self.misses = 0

    def enter(self, account: Address) -> None:
        """Let ``account`` be drawn from now on."""
        if account not in self._places:
            self._places[account] = len(self._roster)
            self._roster.append(account)

    def leave(self, account: Address) -> None:
        """Never draw ``account`` again; the last of the roster takes its place."""
        place = self._places.pop(account, None)
        if place is None:
            return
        last = self._roster.pop()
        if last != account:
            self._roster[place] = last
            self._places[last] = place

    def run(self, view: MarketView, warm: Container[Address], known: Container[Address]) -> None:
        """Check a draw of positions that are neither ``warm`` (looked at) nor ``known`` to fail.

        Drawn accounts that are one or the other are passed over: the sample is then smaller.
        """
        count = min(self._per_round, len(self._roster))
        drawn: list[Holding] = [
            view.holdings[account]
            for account in self._random.sample(self._roster, count)
            if account not in warm and account not in known
        ]
        if drawn:
            self.samples += len(drawn)
            self.misses += len(scan(view.rules, Columns(drawn), view.mark, view.funding))
