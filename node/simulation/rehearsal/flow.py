"""The bundled clients, on the script's course: its rate, its price, its oracle, its positions."""

from itertools import pairwise

import msgspec
import numpy as np

from node.simulation.flow.config import FlowConfig, Phase, check_flow_config
from node.simulation.flow.prices import Prices, start_prices
from node.simulation.rehearsal.script import Script
from node.simulation.replay.sources import Source, flow_source
from node.types.rules import Rules

PHASES_MAX = 60


def scripted_prices(script: Script, config: FlowConfig, rules: Rules) -> Prices:
    """Return the script's price for every market, at each oracle round."""
    moments = np.arange(0.0, script.seconds, script.oracle_s)
    steps = np.arange(len(script.price)) * script.step_s
    relative = np.interp(moments, steps, script.price)
    rounds = np.outer(relative, start_prices(config, rules))
    return Prices(tuple(rounds), script.oracle_s)


def scripted_source(script: Script, clients: FlowConfig, rules: Rules) -> Source:
    """Return what ``clients`` send under the script. Raises ``ConfigInvalid``."""
    config = msgspec.structs.replace(
        clients,
        seed=script.seed,
        oracle_interval_ms=max(50, round(script.oracle_s * 1_000)),
        phases=_phases(script, _events_per_s(clients)),
        long_share=script.long_share,
        leverage=script.leverage,
    )
    check_flow_config(config)
    return flow_source(config, rules, script.name, scripted_prices(script, config, rules))


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
