"""When which market moves: the loads as measured, the placement that would suit them better.

Rates and costs are those of the time since the last look, and so is what a block holds, of which
some may wait. A surge is believed at once and forgotten slowly, as it announces the next. What
surges together is learned from how the markets' volatilities have moved from look to look. Both
fade with a half-life of twelve looks.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from node.ports.clock import Clock
from node.risk.config import RiskConfig, ShardKind
from node.risk.fleet import RiskFleet
from node.risk.placement import MarketLoad, Move, PlacementRules, Problem, improve, place
from node.types.ids import MarketId

LOOP_SHARE: Final = 0.25
"""The part of the event loop's time that a shard on it may take; a process has all of its own."""

LIQUIDATION_EVENTS: Final = 4
"""A liquidation costs as much as so many events: its proposal, and what comes back of it."""

MOVE_S_PER_POSITION: Final = 20e-6
"""Packing and unpacking a market, both sides together."""

_FADE: Final = 0.5 ** (1 / 12)
_NS: Final = 1e9


class Balancer:
    """Looks at a fleet every ``rebalance_s`` and says what should move."""

    def __init__(self, fleet: RiskFleet, config: RiskConfig, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._config = config
        self._markets = tuple(fleet.placement)
        self._capacities = [
            1.0 if kind is ShardKind.PROCESS else LOOP_SHARE for kind in config.shards
        ]
        self._seen_ns = clock.now_ns()
        self._events = dict(fleet.events)
        self._blocks = fleet.blocks
        self._busy_ns = sum(fleet.busy_ns)
        self._expected = dict.fromkeys(self._markets, 0.0)
        self._log_volatility: NDArray[np.float64] | None = None
        self._together: NDArray[np.float64] = np.eye(len(self._markets))

    @property
    def due(self) -> bool:
        """Return whether it is time for the next look; never where there is only one shard."""
        if len(self._capacities) == 1:
            return False
        return self._clock.now_ns() - self._seen_ns >= self._config.rebalance_s * _NS

    def plan(self, waiting_blocks: int) -> tuple[Move, ...]:
        """Return what should move now; nothing where no move is worth it.

        ``waiting_blocks``: those that the fleet has still to take in.
        """
        return improve(self.look(waiting_blocks), self._fleet.placement)

    def look(self, waiting_blocks: int) -> Problem:
        """Return what has been measured since the last look, and what waits, to be placed."""
        now_ns = self._clock.now_ns()
        loads = self._loads((now_ns - self._seen_ns) / _NS, waiting_blocks)
        self._seen_ns = now_ns
        self._learn()
        rules = PlacementRules(horizon_s=float(self._config.rebalance_s))
        return Problem(loads, self._correlation(), self._capacities, rules)

    def _loads(self, elapsed_s: float, waiting_blocks: int) -> list[MarketLoad]:
        fleet = self._fleet
        gained = {market: fleet.events[market] - self._events[market] for market in self._markets}
        busy_ns = sum(fleet.busy_ns)
        # The mean over all: which event of which market cost how much, nobody measures.
        event_s = (busy_ns - self._busy_ns) / _NS / max(sum(gained.values()), 1)
        # All shards take in a block together, so what waits is one queue; its blocks are taken to
        # hold what the last ones did.
        behind = waiting_blocks / max(fleet.blocks - self._blocks, 1)
        self._events, self._blocks, self._busy_ns = dict(fleet.events), fleet.blocks, busy_ns
        # Without a reserve nothing is expected, and only the steady loads are placed.
        window_s = max(self._config.reserve_window_ms, 1) / 1_000
        figures = fleet.loads()
        for market, seen in self._expected.items():
            now = figures[market].expected
            self._expected[market] = max(now, _FADE * seen + (1 - _FADE) * now)
        return [
            MarketLoad(
                market=market,
                steady=gained[market] * event_s / elapsed_s,
                surge=self._expected[market] / window_s * LIQUIDATION_EVENTS * event_s,
                move_s=figures[market].positions * MOVE_S_PER_POSITION,
                backlog_s=gained[market] * event_s * behind,
            )
            for market in self._markets
        ]

    def _learn(self) -> None:
        figures = self._fleet.loads()
        now = np.log([figures[market].volatility for market in self._markets])
        if self._log_volatility is not None:
            change = now - self._log_volatility
            self._together = _FADE * self._together + (1 - _FADE) * np.outer(change, change)
        self._log_volatility = now

    def _correlation(self) -> NDArray[np.float64]:
        root = np.sqrt(np.diag(self._together))
        # A volatility that never moved moves with nothing.
        root[root == 0] = 1.0
        together: NDArray[np.float64] = self._together / np.outer(root, root)
        return together


def first_placement(
    positions: dict[MarketId, int], kinds: tuple[ShardKind, ...]
) -> dict[MarketId, int]:
    """Return where markets begin, when nothing but their positions is known: evenly by these."""
    loads = [
        MarketLoad(market, steady=count + 1.0, surge=0.0) for market, count in positions.items()
    ]
    capacities = [1.0 if kind is ShardKind.PROCESS else LOOP_SHARE for kind in kinds]
    return place(Problem(loads, np.eye(len(loads)), capacities, PlacementRules()))
