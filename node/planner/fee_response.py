"""What the price of work does to a demand that answers it late: the step response, and its bounds.

Demand has an elasticity ε (one per cent dearer, ε per cent less of it) and answers the price of τ
seconds ago. Near its balance the logarithm x of the price obeys

    dx/dt = −k·x(t − τ),    k = ε·g,    g = Σ_w L / (A_w·T_w)

so (the classical delay equation) it comes back without overshoot iff k·τ ≤ 1/e and is stable iff
k·τ < π/2. For one window of length A at its target, g = 1/A: stable iff A > 2ετ/π. Without delay,
sampled every Δt, x shrinks by 1 − εΔt/A a step: monotone iff A ≥ εΔt, stable iff A > εΔt/2. The sum
counts every window as working, at the load of the highest target: a bound, reached while all are.
"""

from math import pi
from typing import Final

import msgspec
import numpy as np

from node.capacity.pricing import WINDOWS, FeeController, Resource, Window
from node.planner.arrays import Vector
from node.types.fees import FeeRules, fee_range
from node.types.units import Millis, Money

STABLE_BELOW: Final = pi / 2

_CAPACITY: Final = 1_000_000
_STEP_MS: Final = 100


class Demand(msgspec.Struct, frozen=True):
    """Loads as shares of capacity, at the floor price; it steps up and down at those seconds."""

    elasticity: float
    delay_s: float
    calm: float = 0.4
    rush: float = 2.0
    rush_from_s: int = 60
    rush_until_s: int = 660
    seconds: int = 1_500


class Response(msgspec.Struct, frozen=True):
    """By time (seconds): the load that came, and the price over its floor."""

    time_s: Vector
    load: Vector
    price: Vector

    def swing(self, begin_s: float, end_s: float) -> float:
        """Return by how much, as a ratio less one, the price falls from any high between them.

        A price that only climbs, as from the target of one window to that of the next, has none.
        """
        part = self.price[(self.time_s >= begin_s) & (self.time_s < end_s)]
        return float((np.maximum.accumulate(part) / part).max() - 1)

    def recovery_s(self, after_s: float) -> float:
        """Return how long after a moment the price stands at its floor for good."""
        above = self.time_s[self.price > 1.0]
        return max(0.0, float(above.max()) - after_s) if len(above) else 0.0


def gain(windows: tuple[Window, ...] = WINDOWS) -> float:
    """Return g, per second: how fast the log price moves for a load off its balance."""
    highest = max(window.share for window in windows)
    return sum(highest / window.share / window.seconds for window in windows)


def loop_gain(demand: Demand, windows: tuple[Window, ...] = WINDOWS) -> float:
    """Return k·τ: below ``STABLE_BELOW`` the price settles."""
    return demand.elasticity * gain(windows) * demand.delay_s


def step_response(demand: Demand, rules: FeeRules) -> Response:
    """Play ``demand`` against the node's own controller and the rules' own bounds."""
    controller = FeeController(rules, {Resource.LOOP: _CAPACITY}, Millis(0))
    steps = demand.seconds * 1_000 // _STEP_MS
    late = round(demand.delay_s * 1_000 / _STEP_MS)
    prices, loads = np.ones(steps), np.zeros(steps)
    fee = anchor = rules.floor
    for step in range(steps):
        now_ms, second = step * _STEP_MS, step * _STEP_MS / 1_000
        wanted = demand.rush if demand.rush_from_s <= second < demand.rush_until_s else demand.calm
        seen = prices[step - late - 1] if step > late else 1.0
        loads[step] = wanted * seen**-demand.elasticity
        controller.use(Resource.LOOP, int(loads[step] * _CAPACITY * _STEP_MS / 1_000))
        controller.advance(Millis(now_ms))
        if now_ms % rules.step_ms == 0:
            anchor = fee
        low, high = fee_range(rules, anchor, 1)
        fee = Money(min(max(controller.price, low), high))
        prices[step] = fee / rules.floor
    return Response(np.arange(steps) * _STEP_MS / 1_000, loads, prices)
