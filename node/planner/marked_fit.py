"""Large orders may excite more than small ones: a Hawkes process whose events carry a size.

The marked process of this project: an event of kind j and size v has on average

    n_mij · v^γ / E_j[v^γ]

direct children of kind i on time scale m, and sizes are independent of the past. The mean keeps
``branching`` what it is without marks, and with it the rates and the condition of stability. γ = 0
is the process without marks; it is found by maximizing the likelihood over γ, all other parameters
following (the profile likelihood), and its error comes from the profile's curvature. Twice what the
likelihood gains over γ = 0 is compared with chi-square of one degree (Wilks 1938).
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import optimize, stats

from node.planner.arrays import Kinds, Vector
from node.planner.hawkes_fit import Climb, HawkesFit
from node.planner.hawkes_likelihood import Events

POWERS = (-1.0, 1.5)
"""Where γ is looked for."""
PRECISION = 0.03
"""Of the search; γ itself is then put at the vertex of the parabola."""
TOLERANCE = 1e-9
"""Of a climb on the profile: some 10⁻⁵ units of log L on 10⁴ events."""
STEP = 0.05
"""Half width of the parabola that γ's error is read off."""


class MarkedFit(msgspec.Struct, frozen=True):
    """The process at the best γ."""

    hawkes: HawkesFit
    power: float
    power_error: float | None
    """None where the profile is not that of a maximum (γ at the end of its range)."""
    gain: float
    """Units of log L above γ = 0."""

    @property
    def p_value(self) -> float:
        """Return how likely such a gain is if size does not matter at all."""
        return float(stats.chi2.sf(2 * max(self.gain, 0.0), 1))


def weights_of(sizes: Vector, kinds: Kinds, power: float) -> Vector:
    """Return size^``power`` of each event over the mean of its kind. Sizes are positive."""
    raised = sizes**power
    count = np.bincount(kinds)
    means = np.bincount(kinds, raised) / np.maximum(count, 1)
    result: Vector = raised / means[kinds]
    return result


def fit_marked(events: Events, sizes: Vector, first_decays_per_s: Sequence[float]) -> MarkedFit:
    """Fit a marked process; see ``fit_hawkes``. Raises ``ValueError`` for a size not positive."""
    if sizes.shape != events.times_s.shape or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError("each event has one size, finite and positive")
    climb = Climb(events, first_decays_per_s)
    unmarked = climb.to_the_top()

    def fall(power: float) -> float:
        climb.weigh(weights_of(sizes, events.kinds, power))
        return unmarked - climb.to_the_top(TOLERANCE)

    found = optimize.minimize_scalar(
        fall, bounds=POWERS, method="bounded", options={"xatol": PRECISION}
    )
    near = float(found.x)
    here, below, above = fall(near), fall(near - STEP), fall(near + STEP)
    curvature = (below + above - 2 * here) / STEP**2
    vertex = near - (above - below) / (2 * STEP * curvature) if curvature > 0 else near
    power = min(max(vertex, near - STEP), near + STEP)
    climb.weigh(weights_of(sizes, events.kinds, power))
    gain = climb.to_the_top() - unmarked
    return MarkedFit(
        hawkes=climb.described(),
        power=power,
        power_error=1 / math.sqrt(curvature) if curvature > 0 else None,
        gain=gain,
    )
