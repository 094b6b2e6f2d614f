"""How far a position must be from its trigger for its next check to be put off by a given time.

Distances are standardized: log distance to the trigger, divided by the live volatility (per root
of a second). A tail table holds, for each horizon h, the distance r(h) that gives

    P(the mark uses up a distance of r(h) within h)  <=  delta_h  =  alpha * h / T

so that checks put off one after another spend at most alpha over T: a guarantee for each *window*
would not compose into one for each liquidation. The next check of a position at distance d is then
due after

    h*(d) = max { h : r(h) <= d }

Two tails are offered. *Gaussian*: by the reflection principle a barrier at distance r is reached
within h with probability 2*Phi(-r / sqrt(h)), so r(h) = sqrt(h) * PhiInverse(1 - delta_h / 2). One
barrier: a position fails on one side only. Marks are looked at in rounds, which reach a barrier
less often than a continuous path does; that is left as a margin. *Conformal*: r(h) is the
ceil((n+1)(1-delta_h))-th smallest of n standardized largest excursions of a calibration path over
h. It asks nothing of the distribution but that the future resembles the path; windows overlap, so
the n excursions are no independent draws, and what holds is measured, not proven. Excursions count
in both directions, the larger of the two, which leans to the safe side.

A tail by peaks over threshold is left out: at shares as small as these, and at horizons of hours,
it would extrapolate from very few declustered peaks.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d
from scipy.special import ndtri

from node.risk.config import RiskConfig
from node.risk.volatility import LiveVolatility
from node.types.errors import ConfigInvalid

_GRID_RATIO = math.sqrt(2)
"""Neighbouring horizons differ by this factor; between two of them, the shorter is taken."""

Floats = NDArray[np.float64]


class TailTable(msgspec.Struct, frozen=True):
    """Horizons (milliseconds, rising) and the distances that they ask for (not falling)."""

    horizons_ms: tuple[int, ...]
    distances: tuple[float, ...]

    def horizon_ms(self, distance: float) -> int:
        """Return h*(``distance``): 0 where not even the shortest horizon can be granted."""
        place = bisect_right(self.distances, distance)
        return self.horizons_ms[place - 1] if place else 0


def tail_of(config: RiskConfig) -> TailTable:
    """Return the calibrated tail of ``config``, or the Gaussian one where it holds none."""
    if not config.tail:
        return gaussian_tail(config)
    horizons, distances = zip(*config.tail, strict=True)
    return TailTable(horizons_ms=horizons, distances=distances)


def gaussian_tail(config: RiskConfig) -> TailTable:
    """Return the tail of a continuous path whose log returns are Gaussian."""
    horizons = _horizons_ms(config)
    return _table(
        horizons,
        [
            -float(ndtri(_spendable(config, horizon) / 2)) * math.sqrt(horizon / 1_000)
            for horizon in horizons
        ],
    )


def conformal_tail(config: RiskConfig, prices: Sequence[int], step_ms: int) -> TailTable:
    """Return the tail of a calibration path: ``prices`` (any fixed unit) at every ``step_ms``.

    Horizons shorter than a step are not offered. Raises ``ConfigInvalid`` when the path is shorter
    than T / alpha: then, for every horizon alike, the rank asked for would lie beyond the number of
    its disjoint windows.
    """
    needed_ms = config.budget_horizon_s * 1_000 / config.late_share
    if len(prices) * step_ms < needed_ms:
        fault = f"tail: {len(prices)} prices every {step_ms} ms, {needed_ms:.0f} ms needed"
        raise ConfigInvalid(faults=(fault,))
    log_prices = np.log(np.asarray(prices, dtype=np.float64))
    sigmas = _live_volatilities(config, prices, step_ms)
    windows = sorted({horizon // step_ms for horizon in _horizons_ms(config)} - {0})
    distances = [
        _order_statistic(
            _excursions(log_prices, window) / sigmas[:-window],
            _spendable(config, window * step_ms),
        )
        for window in windows
    ]
    return _table([window * step_ms for window in windows], distances)


def _horizons_ms(config: RiskConfig) -> list[int]:
    shortest, longest = config.shortest_horizon_s * 1_000, config.budget_horizon_s * 1_000
    count = math.floor(math.log(longest / shortest, _GRID_RATIO))
    return sorted({*(round(shortest * _GRID_RATIO**step) for step in range(count + 1)), longest})


def _spendable(config: RiskConfig, horizon_ms: int) -> float:
    """Return delta_h, the part of the budget that a wait of ``horizon_ms`` may spend."""
    return config.late_share * horizon_ms / (config.budget_horizon_s * 1_000)


def _table(horizons: list[int], required: list[float]) -> TailTable:
    """Return the table for ``required`` distances, which need not rise.

    h* is the *largest* horizon that is granted, so a distance may be lowered to the smallest one
    that any longer horizon asks for; the result rises and can be searched.
    """
    lowest = np.minimum.accumulate(np.asarray(required)[::-1])[::-1]
    return TailTable(horizons_ms=tuple(horizons), distances=tuple(float(value) for value in lowest))


def _live_volatilities(config: RiskConfig, prices: Sequence[int], step_ms: int) -> Floats:
    """Return the estimate that would have been live at each price."""
    volatility = LiveVolatility(config)
    sigmas = np.empty(len(prices))
    for place, price in enumerate(prices):
        volatility.update(place * step_ms, price)
        sigmas[place] = volatility.per_root_second
    return sigmas


def _excursions(log_prices: Floats, window: int) -> Floats:
    """Return, for each start, the largest move away from it within the next ``window`` steps."""
    # The filter looks at [i - (size // 2) - origin, ...]: this origin makes the window start at i.
    looking_ahead: dict[str, Any] = {"size": window + 1, "origin": -((window + 1) // 2)}
    starts = log_prices[:-window]
    highest: Floats = maximum_filter1d(log_prices, **looking_ahead)[:-window]
    lowest: Floats = minimum_filter1d(log_prices, **looking_ahead)[:-window]
    largest: Floats = np.maximum(highest - starts, starts - lowest)
    return largest


def _order_statistic(excursions: Floats, share: float) -> float:
    """Return the ceil((n+1)(1-share))-th smallest; ``share`` is at least 1/(n+1)."""
    rank = math.ceil((len(excursions) + 1) * (1 - share))
    return float(np.partition(excursions, rank - 1)[rank - 1])
