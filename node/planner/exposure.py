"""Open positions under a moving price: who is liquidated when, how late, and what it costs.

The model, for isolated linear positions of one market, all of the mean size:

- A position was entered at leverage L, and the price has moved by s since (normal). At the start
  its equity is x = 1/L + s of its notional, so the mark has to move by r* = −(x − m)/(1 − m) until
  a long falls to its maintenance margin m (a short: (x − m)/(1 + m)). Who would be past that at
  the start is not there any more.
- The mark is the price at each oracle round. A position is triggered when the mark's extreme
  passes its distance; how many are is drawn (binomial), run by run.
- Each liquidation sells (or buys) the whole position into the book. A book with depth D within w
  of the price moves by w · V / D for a volume of V, and the dent fades exponentially. The dent is
  part of the price that the next marks show: this is how one liquidation sets off others.
- Bad debt is what the price has moved past bankruptcy when the position is closed: its loss less
  its equity, where that is positive. Insurance and auto-deleveraging share it out; the sum stays.

Distances are in log price. All runs of a chunk advance together.
"""

import math

import msgspec
import numpy as np
from scipy.special import ndtri

from node.planner.arrays import Vector
from node.planner.course import Course
from node.planner.scenario import MarketPath, Positions

_SEASONS = 201
"""Points at which the law of s is evaluated."""


class Side(msgspec.Struct, frozen=True):
    """Long or short positions by their distance to liquidation."""

    sign: float
    """+1 for longs, which a falling price threatens; −1 for shorts."""
    count: int
    distance: Vector
    """Ascending, in log price."""
    reached: Vector
    """Share of the positions at most that far."""
    maintenance: float

    def share(self, drop: Vector) -> Vector:
        """Return the share whose trigger a move by ``drop`` against them passes."""
        return np.asarray(np.interp(drop, self.distance, self.reached, left=0.0))

    def distance_of(self, share: Vector) -> Vector:
        """Return the distance that this share of the positions does not exceed."""
        return np.asarray(np.interp(share, self.reached, self.distance))

    def shortfall(self, distance: Vector, move: Vector) -> Vector:
        """Return bad debt per notional of a position closed at ``move`` against it, from the start.

        With x the equity at the start, a long at log distance d has x = m + (1 − m)(1 − e^−d), and
        has lost 1 − e^−move; a short has x = m + (1 + m)(e^d − 1), and has lost e^move − 1.
        """
        m, sign = self.maintenance, self.sign
        equity = m + (1 - sign * m) * -sign * np.expm1(-sign * distance)
        lost = -sign * np.expm1(-sign * move)
        return np.asarray(np.maximum(lost - equity, 0.0))


def sides_of(positions: Positions) -> tuple[Side, Side]:
    """Return longs and shorts."""
    longs = round(positions.open * positions.long_share)
    return (
        _side(positions, 1.0, longs),
        _side(positions, -1.0, positions.open - longs),
    )


def _side(positions: Positions, sign: float, count: int) -> Side:
    m = positions.maintenance
    leverage, shares = np.array(positions.leverage).T
    # Normal quantiles at equal weights; a seasoning of 0 leaves one point many times over.
    ranks = (np.arange(_SEASONS) + 0.5) / _SEASONS
    seasons = positions.seasoned * ndtri(ranks)
    equity = (1 / leverage[:, None] + seasons).ravel()
    weights = np.repeat(shares / shares.sum() / _SEASONS, _SEASONS)
    move = (equity - m) / (1 - sign * m)
    alive = (move > 0) & ((sign < 0) | (move < 1))
    distance = -sign * np.log1p(-sign * np.where(alive, move, 0.0))
    # A long without leverage is never liquidated: it counts, at no distance.
    total = weights[move > 0].sum()
    if not alive.any():
        return Side(sign, 0, np.array([0.0, 1.0]), np.array([0.0, 0.0]), m)
    order = np.argsort(distance[alive])
    ascending = distance[alive][order]
    reached = np.cumsum(weights[alive][order]) / total
    return Side(
        sign=sign,
        count=count,
        # Nobody stands nearer than the nearest.
        distance=np.concatenate([ascending[:1], ascending]),
        reached=np.concatenate([[0.0], reached]),
        maintenance=m,
    )


_LOG_PRICE_MIN = -50.0
"""Under a book that is far too thin a price falls for ever; here it is nothing to speak of."""


class Exposure:
    """The positions of all runs of a chunk, step by step."""

    def __init__(
        self, positions: Positions, market: MarketPath, course: Course, paths: Vector
    ) -> None:
        """Take the ``paths`` of (runs, steps + 1) from outside; dents are added to them."""
        runs = paths.shape[0]
        self.sides = sides_of(positions)
        self._notional = positions.notional
        self._course = course
        # Columns are what a step reads and writes, so they are what lies together in memory.
        self._paths = np.asfortranarray(paths)
        self._per_quote = market.depth_within / market.depth
        self._fade = math.exp(-course.step_s / market.depth_recovery_s)
        self._dent = np.zeros(runs)
        self._left = np.array([[float(side.count)] * runs for side in self.sides])
        self._worst = np.zeros((2, runs))
        """How far the mark has been against each side."""
        self._waiting = np.zeros((2, runs))
        """Triggered and not yet executed."""
        self.price = np.zeros((runs, course.steps + 1), order="F")
        """The price with its dents, at the end of each step."""
        self.triggered = np.zeros((2, runs, course.steps), order="F")
        self.executed = np.zeros((runs, course.steps), order="F")
        self.reached = np.zeros((2, runs, course.steps + 1), order="F")
        """``_worst`` at the end of each step."""

    def trigger(self, step: int, random: np.random.Generator) -> Vector:
        """Return how many liquidations each run's marks set off in this step."""
        now = np.maximum(self._paths[:, step + 1] - self._dent, _LOG_PRICE_MIN)
        self.price[:, step + 1] = now
        self.reached[:, :, step + 1] = self.reached[:, :, step]
        if not self._course.rounds[step]:
            return np.zeros(now.size)
        for place, side in enumerate(self.sides):
            worst = np.maximum(self._worst[place], -side.sign * now)
            before, after = side.share(self._worst[place]), side.share(worst)
            share = np.clip((after - before) / np.maximum(1 - before, 1e-12), 0.0, 1.0)
            found = random.binomial(self._left[place].astype(np.int64), share).astype(np.float64)
            self._left[place] -= found
            self._worst[place] = worst
            self.triggered[place, :, step] = found
        self.reached[:, :, step + 1] = self._worst
        total: Vector = self.triggered[:, :, step].sum(axis=0)
        self._waiting += self.triggered[:, :, step]
        return total

    def execute(self, step: int, served: Vector) -> None:
        """Close ``served`` liquidations, which dents the book."""
        waiting = self._waiting.sum(axis=0)
        share = np.minimum(served / np.maximum(waiting, 1e-300), 1.0)
        closed = self._waiting * share
        self._waiting -= closed
        self.executed[:, step] = closed.sum(axis=0)
        sold = (closed[0] - closed[1]) * self._notional * np.exp(self.price[:, step + 1])
        self._dent = self._dent * self._fade + sold * self._per_quote
