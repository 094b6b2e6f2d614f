"""Which environment watches which market: by expected load, spreading what moves together.

A market's load is what it takes steadily, rate x cost, and what it would take in a rush: expected
liquidations at its volatility x the cost of one. The steady parts of markets add up; their rushes
do so only as far as their volatilities move together. With surges s and the correlation R of the
volatilities, the load that an environment of capacity mu is charged with is

    J = (sum of (steady + surge + backlog / horizon) + caution * sqrt(s' R s)) / mu

an upper quantile of its utilization, ``caution`` standard deviations above the mean, with what
already waits for its markets worked off within the horizon. What waits is not handed out yet, and
goes where its market goes. A placement is as good as its fullest environment.

``place`` puts the dearest market first, each where J is then lowest: longest processing time first
(Graham, "Bounds on Multiprocessing Timing Anomalies", 1969), within 4/3 of the best for loads that
only add up. ``improve`` starts from a placement that is in use, where every move costs, and returns
the single move or exchange that is worth most; the fullest environment is seen to first.

Pure, of floats: a placement decides where work is done, never what comes out of it.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.types.ids import MarketId

Correlation = NDArray[np.float64]


class MarketLoad(msgspec.Struct, frozen=True, gc=False):
    """Seconds of work a second: ``steady`` for its events, ``surge`` for expected liquidations.

    ``move_s``: the seconds of work that moving the market would cost, on both sides together;
    ``backlog_s``: those that wait for it.
    """

    market: MarketId
    steady: float
    surge: float
    move_s: float = 0.0
    backlog_s: float = 0.0


class Move(msgspec.Struct, frozen=True, gc=False):
    """A market that changes its environment."""

    market: MarketId
    source: int
    target: int


class PlacementRules(msgspec.Struct, frozen=True):
    """When a move is worth it.

    ``caution``: standard deviations of the surge that are planned for. ``horizon_s``: how long a
    placement is expected to serve, over which a move must earn its cost. ``hysteresis``: the share
    by which the fullest environment must become less full, so that noise moves nothing.
    """

    caution: float = 1.0
    horizon_s: float = 10.0
    hysteresis: float = 0.05


class Problem:
    """The loads of all markets, how their volatilities move together, and the environments."""

    def __init__(
        self,
        loads: Sequence[MarketLoad],
        correlation: Correlation,
        capacities: Sequence[float],
        rules: PlacementRules,
    ) -> None:
        """``correlation`` is by place in ``loads``; ``capacities`` are seconds of work a second."""
        assert correlation.shape == (len(loads), len(loads))
        assert capacities
        assert min(capacities) > 0
        self.loads = loads
        self.capacities = capacities
        self.rules = rules
        self.means = [load.steady + load.surge + load.backlog_s / rules.horizon_s for load in loads]
        surges = np.array([load.surge for load in loads])
        self._together: NDArray[np.float64] = correlation * np.outer(surges, surges)

    def fullness(self, members: Sequence[int], environment: int) -> float:
        """Return J of an environment that watches the markets at these places of ``loads``."""
        mean = sum(self.means[place] for place in members)
        variance = float(self._together[members][:, members].sum())
        spread = self.rules.caution * sqrt(max(variance, 0.0))
        return (mean + spread) / self.capacities[environment]


def place(problem: Problem) -> dict[MarketId, int]:
    """Return a placement from nothing: the dearest market first, each where it fits best."""
    count = len(problem.capacities)
    members: list[list[int]] = [[] for _ in range(count)]
    dearest = sorted(range(len(problem.loads)), key=lambda at: (-problem.means[at], at))
    for at in dearest:
        best = min(range(count), key=lambda env: problem.fullness([*members[env], at], env))
        members[best].append(at)
    return {problem.loads[at].market: env for env in range(count) for at in members[env]}


def improve(problem: Problem, placement: Mapping[MarketId, int]) -> tuple[Move, ...]:
    """Return the move, or the two of an exchange, that help most; nothing where none is worth it.

    The fullest environment gives away first, as nothing else lowers the maximum. One that a single
    market fills cannot be helped; then the next one is, and so on.
    """
    members: list[list[int]] = [[] for _ in problem.capacities]
    for at, load in enumerate(problem.loads):
        members[placement[load.market]].append(at)
    fullness = [problem.fullness(places, env) for env, places in enumerate(members)]
    for source in sorted(range(len(members)), key=fullness.__getitem__, reverse=True):
        moves = _best_from(problem, members, fullness, source)
        if moves:
            return moves
    return ()


def _best_from(
    problem: Problem, members: list[list[int]], fullness: list[float], source: int
) -> tuple[Move, ...]:
    """Return what helps the environment ``source`` most without filling another as much.

    Of two that are equally full, an exchange may help both.
    """
    best: tuple[float, tuple[Move, ...]] = (0.0, ())
    others = [env for env in range(len(members)) if env != source]
    for given in members[source]:
        for target in others:
            for taken in (None, *members[target]):
                left = [at for at in members[source] if at != given]
                right = [at for at in members[target] if at != taken]
                left += [] if taken is None else [taken]
                reached = max(
                    problem.fullness(left, source), problem.fullness([*right, given], target)
                )
                moves = _moves(problem, given, taken, source, target)
                worth = _worth(problem, fullness[source], reached, moves, source)
                best = max(best, (worth, moves), key=lambda option: option[0])
    return best[1]


def _moves(
    problem: Problem, given: int, taken: int | None, source: int, target: int
) -> tuple[Move, ...]:
    there = Move(problem.loads[given].market, source, target)
    if taken is None:
        return (there,)
    return (there, Move(problem.loads[taken].market, target, source))


def _worth(
    problem: Problem, before: float, after: float, moves: tuple[Move, ...], source: int
) -> float:
    """Return the seconds of work that ``source`` is spared within the horizon, less the cost.

    0 or less where it is not worth it, or not by the hysteresis.
    """
    if before - after <= problem.rules.hysteresis * before:
        return 0.0
    costs = {load.market: load.move_s for load in problem.loads}
    cost = sum(costs[move.market] for move in moves)
    return (before - after) * problem.capacities[source] * problem.rules.horizon_s - cost
