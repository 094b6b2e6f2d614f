"""The bundled clients, on the script's course: its rate, its price, its oracle."""

from itertools import pairwise

import msgspec
import numpy as np

from node.simulation.flow.config import FlowConfig, Phase, check_flow_config
from node.simulation.rehearsal.script import Script
from node.simulation.replay.sources import Source, flow_source
from node.types.rules import Rules
from node.types.units import units_from_decimal

PHASES_MAX = 60


class ScriptedPrices:
    """The script's price for every market, at each oracle round; see ``PricePath``."""

    def __init__(self, script: Script, config: FlowConfig, rules: Rules) -> None:
        start = [
            units_from_decimal(config.start_prices[market.symbol], market.tick_decimals)
            for market in rules.markets
        ]
        self._step_s = script.oracle_s
        moments = np.arange(0.0, script.seconds, script.oracle_s)
        steps = np.arange(len(script.price)) * script.step_s
        relative = np.interp(moments, steps, script.price)
        self._rounds = np.outer(relative, np.array(start, dtype=float))

    def __len__(self) -> int:
        """Return the number of rounds."""
        return len(self._rounds)

    def round(self, index: int) -> tuple[int, ...]:
        """Return the prices of round ``index``, in ticks."""
        return tuple(max(1, round(float(price))) for price in self._rounds[index])

    def at(self, time_s: float, market: int) -> float:
        """Return the price at the last round before ``time_s``, in ticks, not rounded."""
        index = min(int(time_s / self._step_s), len(self._rounds) - 1)
        return float(self._rounds[index][market])


def scripted_source(script: Script, clients: FlowConfig, rules: Rules) -> Source:
    """Return what ``clients`` send under the script. Raises ``ConfigInvalid``."""
    config = msgspec.structs.replace(
        clients,
        seed=script.seed,
        oracle_interval_ms=max(50, round(script.oracle_s * 1_000)),
        phases=_phases(script, _events_per_s(clients)),
    )
    check_flow_config(config)
    return flow_source(config, rules, script.name, ScriptedPrices(script, config, rules))


def _events_per_s(config: FlowConfig) -> float:
    """Return the mean rate of the clients' Hawkes process at load 1: the sum of (I - N)^-1 mu."""
    branching = np.array(config.branching)
    mean = np.linalg.solve(np.eye(len(branching)) - branching, np.array(config.baseline))
    return float(mean.sum())


def _phases(script: Script, events_per_s: float) -> tuple[Phase, ...]:
    """Return the course of the rate in at most ``PHASES_MAX`` steps."""
    edges = np.unique(np.linspace(0, len(script.rate), PHASES_MAX + 1).round().astype(int))
    return tuple(
        Phase(
            name=f"{first * script.step_s:.0f} s",
            seconds=float(last - first) * script.step_s,
            load=float(np.mean(script.rate[first:last])) / events_per_s,
            sell_bias=0.5 if script.price[last] < 0.98 * script.price[first] else 0.0,
        )
        for first, last in pairwise(edges.tolist())
    )
