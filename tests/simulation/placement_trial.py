"""Markets whose loads rush together, on a few environments, under three ways to place them.

A model, not the node: what counts is the same hour, second by second, for each way. Every market
has a steady load that drifts and a surge that follows its volatility; volatilities share a sector's
factor and a common one, and crash together now and then. A way sees what has been, never what
comes.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.risk.placement import MarketLoad, PlacementRules, Problem, improve, place
from node.types.ids import MarketId

MARKETS: Final = 16
SECTORS: Final = 4
ENVIRONMENTS: Final = 4
SECONDS: Final = 1_800
EVERY_S: Final = 10
MOVE_S: Final = 0.05
HALF_LIFE_S: Final = 120.0

Floats = NDArray[np.float64]
Policy = Callable[["Seen", dict[MarketId, int], Floats], dict[MarketId, int]]


class Hour(msgspec.Struct, frozen=True):
    """``load[t, j]``: seconds of work that market j brings in second t; ``volatility`` likewise."""

    steady: Floats
    surge: Floats


def draw_hour(seed: int, target: float = 0.6) -> Hour:
    """Return an hour whose mean load is ``target`` of all environments together."""
    dice = np.random.default_rng(seed)
    sector = np.arange(MARKETS) % SECTORS
    scale = dice.lognormal(0, 0.6, MARKETS)
    drift = np.cumsum(dice.normal(0, 0.01, (SECONDS, MARKETS)), axis=0)
    steady = scale * np.exp(drift)
    log_volatility = (
        0.3 * _wander(dice, 1)
        + 0.9 * _wander(dice, SECTORS)[:, sector]
        + 0.3 * _wander(dice, MARKETS)
        + _crashes(dice, sector)
    )
    surge = scale * np.exp(2 * log_volatility - 2)
    unit = target * ENVIRONMENTS / (steady + surge).sum(axis=1).mean()
    return Hour(steady * unit, surge * unit)


class Seen:
    """What a node would know: fading means of the loads, and how the surges move together."""

    def __init__(self) -> None:
        self._weight = 1 - 0.5 ** (1 / HALF_LIFE_S)
        self.steady: Floats = np.zeros(MARKETS)
        self.surge: Floats = np.zeros(MARKETS)
        self._moves: Floats = np.eye(MARKETS)
        self._last: Floats | None = None

    def note(self, steady: Floats, surge: Floats) -> None:
        """Take in one second."""
        if self._last is None:
            self.steady, self.surge = steady.copy(), surge.copy()
        else:
            change = np.log(surge / self._last)
            self._moves += self._weight * (np.outer(change, change) - self._moves)
        self._last = surge
        self.steady += self._weight * (steady - self.steady)
        # A surge is believed at once and forgotten slowly: it announces the next.
        self.surge = np.maximum(surge, self.surge + self._weight * (surge - self.surge))

    def problem(self, backlog: Floats) -> Problem:
        """Return what is to be placed, by what is known."""
        root = np.sqrt(np.diag(self._moves))
        loads = [
            MarketLoad(MarketId(at + 1), float(self.steady[at]), float(self.surge[at]), MOVE_S)
            for at in range(MARKETS)
        ]
        correlation = self._moves / np.outer(root, root)
        return Problem(loads, correlation, [1.0] * ENVIRONMENTS, PlacementRules(), backlog.tolist())


def stay(_seen: Seen, placement: dict[MarketId, int], _backlog: Floats) -> dict[MarketId, int]:
    """Leave everything where the first minute put it."""
    return placement


def least_loaded(
    seen: Seen, placement: dict[MarketId, int], backlog: Floats
) -> dict[MarketId, int]:
    """Give the dearest market that helps from the fullest environment to the emptiest."""
    load = seen.steady + seen.surge
    fullness = backlog.copy()
    for market, env in placement.items():
        fullness[env] += load[market - 1]
    fullest, emptiest = int(fullness.argmax()), int(fullness.argmin())
    gap = fullness[fullest] - fullness[emptiest]
    fitting = [
        market for market, env in placement.items() if env == fullest and 0 < load[market - 1] < gap
    ]
    if not fitting:
        return placement
    return {**placement, max(fitting, key=lambda market: load[market - 1]): emptiest}


def by_volatility(
    seen: Seen, placement: dict[MarketId, int], backlog: Floats
) -> dict[MarketId, int]:
    """Do what ``improve`` says."""
    moves = improve(seen.problem(backlog), placement)
    return {**placement, **{move.market: move.target for move in moves}}


class Outcome(msgspec.Struct, frozen=True):
    """The fullest environment's backlog in seconds of work, and how often markets moved."""

    p50: float
    p99: float
    p999: float
    moves: int


def run(hour: Hour, policy: Policy) -> Outcome:
    """Return what became of the hour under ``policy``, after a first minute to settle."""
    seen = Seen()
    placement: dict[MarketId, int] = {}
    backlog: Floats = np.zeros(ENVIRONMENTS)
    fullest = []
    moves = 0
    for second in range(SECONDS):
        steady, surge = hour.steady[second], hour.surge[second]
        if second == 60:
            placement = place(seen.problem(backlog))
        elif second > 60 and second % EVERY_S == 0:
            wanted = policy(seen, placement, backlog)
            for market, env in wanted.items():
                if placement[market] != env:
                    moves += 1
                    backlog[[env, placement[market]]] += MOVE_S / 2
            placement = wanted
        seen.note(steady, surge)
        if second < 60:
            continue
        for market, env in placement.items():
            backlog[env] += steady[market - 1] + surge[market - 1]
        backlog = np.maximum(backlog - 1.0, 0.0)
        fullest.append(float(backlog.max()))
    p50, p99, p999 = np.quantile(fullest, [0.5, 0.99, 0.999])
    return Outcome(float(p50), float(p99), float(p999), moves)


def _wander(dice: np.random.Generator, count: int) -> Floats:
    """Return ``count`` Ornstein-Uhlenbeck paths of unit variance and five minutes' memory."""
    keep = np.exp(-1 / 300)
    noise = dice.normal(0, np.sqrt(1 - keep**2), (SECONDS, count))
    path = np.empty((SECONDS, count))
    value = dice.normal(0, 1, count)
    for second in range(SECONDS):
        value = keep * value + noise[second]
        path[second] = value
    return path


def _crashes(dice: np.random.Generator, sector: NDArray[np.int64]) -> Floats:
    """Return what two crashes of whole sectors add: a jump that fades within a minute or two."""
    added = np.zeros((SECONDS, MARKETS))
    for _ in range(2):
        start = int(dice.integers(120, SECONDS - 200))
        fade = np.exp(-np.arange(SECONDS - start) / 60)
        added[start:, sector == dice.integers(SECTORS)] += 0.8 * fade[:, None]
    return added


if __name__ == "__main__":
    for policy in (stay, least_loaded, by_volatility):
        outcomes = [run(draw_hour(seed), policy) for seed in range(20)]
        p50, p99, p999, moves = (
            np.mean([getattr(outcome, name) for outcome in outcomes])
            for name in ("p50", "p99", "p999", "moves")
        )
        print(f"{policy.__name__:14} {p50:7.2f} {p99:7.2f} {p999:7.2f} s {moves:5.0f} moves")
