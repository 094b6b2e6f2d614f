"""Markets whose loads rush together, on a few shards, under three ways to place them.

A model of the hour, not of the way: the node's own ``Balancer`` decides, told what a fleet tells
it. Every market has a steady load that drifts and a surge that follows its volatility; volatilities
share a sector's factor and a common one, and crash together now and then. As in the node all shards
take in a block together, so one queue waits for the slowest of them. A way sees what has been,
never what comes.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from node.risk.balancer import LIQUIDATION_EVENTS, MOVE_S_PER_POSITION, Balancer
from node.risk.config import RiskConfig, ShardKind
from node.risk.fleet import RiskFleet
from node.risk.placement import MarketLoad, PlacementRules, Problem, place
from node.risk.report import MarketFigures
from node.types.ids import MarketId
from node.types.units import Millis

MARKETS: Final = 16
SECTORS: Final = 4
SHARDS: Final = 4
SECONDS: Final = 1_800
SETTLED_S: Final = 60
"""The first so many place the markets; they count for nothing else."""
EVERY_S: Final = 10
MOVE_S: Final = 0.05
EVENT_S: Final = 50e-6
BLOCKS_PER_S: Final = 50

Floats = NDArray[np.float64]

CONFIG: Final = RiskConfig(shards=(ShardKind.PROCESS,) * SHARDS, rebalance_s=EVERY_S)


class Hour(msgspec.Struct, frozen=True):
    """``steady[t, j]``: seconds of work that market j brings in second t; ``surge`` likewise."""

    steady: Floats
    surge: Floats


class HandClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""
        return self.seconds * 1_000_000_000

    def now_ms(self) -> Millis:
        """Return the time in milliseconds."""
        return Millis(self.seconds * 1_000)


class ModelFleet(RiskFleet):
    """A fleet whose work is that of an hour, taken in as fast as its fullest shard can.

    A second of the hour is ``BLOCKS_PER_S`` blocks. What waits is kept by seconds, oldest first.
    """

    def __init__(self, placement: dict[MarketId, int], clock: HandClock) -> None:
        super().__init__([], placement, lambda _: [], CONFIG, clock)
        self.busy_ns = [0] * SHARDS
        self.moves = 0
        self._waiting: deque[tuple[Floats, float]] = deque()
        self._arrived_s: Floats = np.zeros(MARKETS)
        self._done_s: Floats = np.zeros(MARKETS)
        self._arrived_blocks = 0
        self._done_blocks = 0.0
        self._moving_s = 0.0
        self._surge: Floats = np.zeros(MARKETS)

    def arrive(self, steady: Floats, surge: Floats) -> None:
        """Queue a second's work."""
        self._surge = surge
        self._waiting.append((steady + surge, BLOCKS_PER_S))
        self._arrived_s += steady + surge
        self._arrived_blocks += BLOCKS_PER_S

    def work(self) -> None:
        """Work for a second: on moves first, then on what waits, block by block."""
        left_s = 1.0 - min(self._moving_s, 1.0)
        self._moving_s = max(self._moving_s - 1.0, 0.0)
        while self._waiting and left_s > 0:
            work, blocks = self._waiting.popleft()
            whole_s = float(self._by_shard(work).max())
            part = min(left_s / whole_s, 1.0)
            self._count(part * work, part * blocks)
            if part < 1.0:
                self._waiting.appendleft(((1 - part) * work, (1 - part) * blocks))
                return
            left_s -= whole_s

    def follow(self, wanted: dict[MarketId, int]) -> None:
        """Move what ``wanted`` has elsewhere; nothing is taken in meanwhile."""
        moved = [market for market, at in wanted.items() if self.placement[market] != at]
        self.placement = dict(wanted)
        self.moves += len(moved)
        self._moving_s += MOVE_S * len(moved)

    @property
    def backlog_s(self) -> float:
        """Return the seconds of work that wait for the fullest shard."""
        return float(self._by_shard(self.waiting_s).max())

    @property
    def waiting_s(self) -> Floats:
        """Return the seconds of work that wait for each market."""
        return np.maximum(self._arrived_s - self._done_s, 0.0)

    @property
    def waiting_blocks(self) -> int:
        """Return how many blocks wait."""
        return round(self._arrived_blocks - self._done_blocks)

    def loads(self) -> dict[MarketId, MarketFigures]:
        """Return what the index would tell: the rush of the moment, which follows volatility."""
        liquidations = self._surge * CONFIG.reserve_window_ms / 1_000 / EVENT_S / LIQUIDATION_EVENTS
        return {
            market: MarketFigures(
                positions=round(MOVE_S / MOVE_S_PER_POSITION),
                expected=round(liquidations[at]),
                volatility=float(np.sqrt(self._surge[at])),
            )
            for at, market in enumerate(self.placement)
        }

    def _by_shard(self, work: Floats) -> Floats:
        return np.bincount(list(self.placement.values()), work, SHARDS).astype(np.float64)

    def _count(self, work: Floats, blocks: float) -> None:
        self._done_s += work
        self._done_blocks += blocks
        self.blocks = int(self._done_blocks)
        self.events = {
            market: int(self._done_s[at] / EVENT_S) for at, market in enumerate(self.placement)
        }
        for shard, spent_s in enumerate(self._by_shard(work)):
            self.busy_ns[shard] += int(spent_s * 1_000_000_000)


Way = Callable[[ModelFleet, Balancer], dict[MarketId, int]]
"""Where markets shall be, by what the node has measured."""


def stay(fleet: ModelFleet, _balancer: Balancer) -> dict[MarketId, int]:
    """Leave everything where the first minute put it."""
    return fleet.placement


def least_loaded(fleet: ModelFleet, balancer: Balancer) -> dict[MarketId, int]:
    """Give the dearest market that helps from the fullest shard to the emptiest."""
    seen = balancer.look(fleet.waiting_blocks).loads
    load = {one.market: one.steady + one.backlog_s / EVERY_S for one in seen}
    fullness = np.zeros(SHARDS)
    for market, shard in fleet.placement.items():
        fullness[shard] += load[market]
    fullest, emptiest = int(fullness.argmax()), int(fullness.argmin())
    gap = fullness[fullest] - fullness[emptiest]
    fitting = [
        market
        for market, shard in fleet.placement.items()
        if shard == fullest and 0 < load[market] < gap
    ]
    if not fitting:
        return fleet.placement
    return {**fleet.placement, max(fitting, key=lambda market: load[market]): emptiest}


def by_volatility(fleet: ModelFleet, balancer: Balancer) -> dict[MarketId, int]:
    """Do what the node does."""
    moves = balancer.plan(fleet.waiting_blocks)
    return {**fleet.placement, **{move.market: move.target for move in moves}}


class Outcome(msgspec.Struct, frozen=True):
    """The fullest shard's backlog in seconds of work, and how often markets moved."""

    p50: float
    p99: float
    p999: float
    moves: int


def run(hour: Hour, way: Way) -> Outcome:
    """Return what became of the hour under ``way``, after a first minute to settle."""
    clock = HandClock()
    load = hour.steady + hour.surge
    fleet = ModelFleet(_settled(load[:SETTLED_S].mean(axis=0)), clock)
    balancer = Balancer(fleet, CONFIG, clock)
    fullest = []
    for second in range(SETTLED_S, SECONDS):
        fleet.arrive(hour.steady[second], hour.surge[second])
        fleet.work()
        clock.seconds += 1
        if clock.seconds % EVERY_S == 0:
            fleet.follow(way(fleet, balancer))
        fullest.append(fleet.backlog_s)
    p50, p99, p999 = np.quantile(fullest, [0.5, 0.99, 0.999])
    return Outcome(float(p50), float(p99), float(p999), fleet.moves)


def _settled(load: Floats) -> dict[MarketId, int]:
    """Return where the loads of the first minute place the markets, in the markets' order."""
    loads = [MarketLoad(MarketId(at + 1), float(load[at]), 0.0) for at in range(MARKETS)]
    placed = place(Problem(loads, np.eye(MARKETS), [1.0] * SHARDS, PlacementRules()))
    return dict(sorted(placed.items()))


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
    unit = target * SHARDS / (steady + surge).sum(axis=1).mean()
    return Hour(steady * unit, surge * unit)


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
    for way in (stay, least_loaded, by_volatility):
        outcomes = [run(draw_hour(seed), way) for seed in range(20)]
        p50, p99, p999, moves = (
            np.mean([getattr(outcome, name) for outcome in outcomes])
            for name in ("p50", "p99", "p999", "moves")
        )
        print(f"{way.__name__:14} {p50:7.2f} {p99:7.2f} {p999:7.2f} s {moves:5.0f} moves")
