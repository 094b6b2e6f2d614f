"""The oracle's path through the phases of a flow: one price for each market and round."""

import math
from collections.abc import Sequence

import numpy as np

from node.simulation.flow.config import FlowConfig, Phase
from node.types.rules import Rules
from node.types.units import units_from_decimal

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Prices:
    """The oracle's rounds over the length of a flow; told in ticks, never below one."""

    def __init__(self, rounds: Sequence[Floats], step_s: float) -> None:
        """``rounds`` hold a price for each market, in ticks and not rounded, ``step_s`` apart."""
        self._rounds = rounds
        self._step_s = step_s

    def __len__(self) -> int:
        """Return the number of rounds, the one at time 0 included."""
        return len(self._rounds)

    def reversed(self) -> "Prices":
        """Return the same path from its end to its beginning."""
        return Prices(self._rounds[::-1], self._step_s)

    def round(self, index: int) -> tuple[int, ...]:
        """Return the prices of round ``index``, in ticks, in the order of the markets."""
        return tuple(max(1, round(float(price))) for price in self._rounds[index])

    def at(self, time_s: float, market: int) -> float:
        """Return the price that the oracle last told at ``time_s``, in ticks, not rounded."""
        index = min(int(time_s / self._step_s), len(self._rounds) - 1)
        return float(self._rounds[index][market])


def drawn_prices(config: FlowConfig, rules: Rules, random: np.random.Generator) -> Prices:
    """Draw the whole path: geometric Brownian motion with jumps, phase by phase.

    All markets share three parts in four of their variance, and every jump.
    """
    start = start_prices(config, rules)
    step_s = config.oracle_interval_ms / 1000
    logs = np.log(start)
    rounds = [np.exp(logs)]
    for phase in config.phases:
        for _ in range(max(1, round(phase.seconds / step_s))):
            logs = logs + _returns(phase, len(start), step_s, random)
            rounds.append(np.exp(logs))
    return Prices(rounds, step_s)


def start_prices(config: FlowConfig, rules: Rules) -> Floats:
    """Return the prices with which a flow begins, in ticks, in the order of the markets."""
    start = [
        units_from_decimal(config.start_prices[market.symbol], market.tick_decimals)
        for market in rules.markets
    ]
    return np.array(start, dtype=float)


def _returns(phase: Phase, markets: int, step_s: float, random: np.random.Generator) -> Floats:
    share = step_s / phase.seconds
    sigma = phase.volatility * math.sqrt(step_s)
    common = math.sqrt(0.75) * random.standard_normal()
    own = math.sqrt(0.25) * random.standard_normal(markets)
    jumps = int(random.poisson(phase.jumps * share))
    jump = sum(phase.jump_size * random.exponential() for _ in range(jumps))
    return phase.drift * share + sigma * (common + own) + jump
