"""What comes to a node: the arrivals, their sizes and kinds, as a tape or telemetry told them."""

import msgspec
import numpy as np

from node.planner.hawkes import Hawkes, spectral_radius
from node.planner.service_law import Row


class KindFlow(msgspec.Struct, frozen=True):
    """How often a kind of command came, and what it held."""

    rate_per_s: float
    items_per_command: float
    fills_per_command: float


class SizeLaw(msgspec.Struct, frozen=True):
    """Lognormal law of order sizes, in the tape's own units, beside what was seen."""

    log_mean: float
    log_deviation: float
    distance: float
    """Kolmogorov and Smirnov's D of the lognormal."""
    sample: Row
    """Equally likely sizes as seen."""
    n: int


class ArrivalLaw(msgspec.Struct, frozen=True):
    """A marked Hawkes process over ``kinds``; rows of matrices are children, columns parents.

    An event's children number ``branching`` · size^``mark_power`` / E[size^``mark_power``].
    """

    kinds: tuple[str, ...]
    baseline_per_s: Row
    branching: tuple[tuple[Row, ...], ...]
    """[scale][child][parent]"""
    decays_per_s: Row
    baseline_error: tuple[float | None, ...]
    branching_error: tuple[tuple[tuple[float | None, ...], ...], ...]
    decays_error: tuple[float | None, ...]
    """Standard errors; None where a parameter lies on its bound."""
    mark_power: float
    mark_power_error: float | None
    distance: Row
    """Kolmogorov and Smirnov's D of the rescaled waiting times, by kind."""
    p_value: Row
    poisson_distance: Row
    poisson_p_value: Row
    aic: float
    poisson_aic: float
    events: int
    seconds: float
    converged: bool

    @property
    def radius(self) -> float:
        """Return the spectral radius; bursts end iff it is below 1."""
        return spectral_radius(np.asarray(self.branching, dtype=np.float64))

    @property
    def process(self) -> Hawkes:
        """Return the process of the times. Raises ``ValueError`` unless it is stationary."""
        kinds = len(self.kinds)
        return Hawkes(
            np.asarray(self.baseline_per_s, dtype=np.float64),
            np.asarray(self.branching, dtype=np.float64).reshape(-1, kinds, kinds),
            np.asarray(self.decays_per_s, dtype=np.float64),
        )


class FlowLaw(msgspec.Struct, frozen=True):
    """The shape of the flow: what comes, how much of it is cancelled, what it meets."""

    kinds: dict[str, KindFlow]
    cancel_ratio: float
    """Commands that cancel for each command that places."""
    oracle_interval_s: float | None = None
    """Mean time between oracle rounds; None where none was seen."""
    arrivals: ArrivalLaw | None = None
    sizes: SizeLaw | None = None
    resting_orders: float | None = None
    """Orders in the book, a mean over the tape's commands; likewise the two below."""
    levels: float | None = None
    """Price levels of both sides."""
    touch_size: float | None = None
    """Size at the best bid and the best ask together, in the tape's units."""
