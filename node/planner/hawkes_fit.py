"""Maximum likelihood for a Hawkes process, its errors, and whether it fits at all.

The fit minimizes −log L over baselines, branching and decays with L-BFGS-B and the analytic
gradient of ``node.planner.hawkes_likelihood``. All parameters are kept at or above zero; the
spectral radius is not forced below 1: one at or above it says that the record is not stationary
(or too short), and forcing it would hide that. ``node.planner.flow_fit`` refuses such a fit.

Goodness of fit is by time rescaling (Papangelou 1972; Ogata 1988): if the model is right, the
compensator grows by independent Exp(1) amounts between successive events of a kind. The p-values
of Kolmogorov and Smirnov are those for parameters known beforehand and are thus too kind, by little
where events are many. On 10⁵ events any model of real markets is rejected; the *distance* then says
how far off it is, and the one beside it how far off Poisson was.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy import optimize, stats

from node.planner.arrays import Vector
from node.planner.hawkes_likelihood import Events, LogLikelihood

DECAY_RANGE = (1e-4, 1e5)
"""Bounds of decays, relative to the mean rate of all events."""
AT_BOUND = 1e-7
"""A branching below this is taken as zero; it then has no standard error."""
ITERATIONS_MAX = 500


class Residuals(msgspec.Struct, frozen=True):
    """Distance of the rescaled waiting times from Exp(1), for each kind."""

    distance: tuple[float, ...]
    """Kolmogorov and Smirnov's D, 0 to 1."""
    p_value: tuple[float, ...]


class HawkesFit(msgspec.Struct, frozen=True):
    """What maximizes the likelihood of one record, beside what a Poisson process reaches.

    Standard errors have the shapes of their parameters and are NaN where a parameter lies on its
    bound, or where the Hessian is not that of a maximum.
    """

    baseline_per_s: Vector
    branching: Vector
    decays_per_s: Vector
    baseline_error: Vector
    branching_error: Vector
    decays_error: Vector
    log_likelihood: float
    poisson_log_likelihood: float
    residuals: Residuals
    poisson_residuals: Residuals
    events: int
    converged: bool

    @property
    def parameters(self) -> int:
        """Return the number of fitted parameters."""
        return self.baseline_per_s.size + self.branching.size + self.decays_per_s.size

    @property
    def aic(self) -> float:
        """Return Akaike's 2P − 2 log L; lower is better."""
        return 2 * self.parameters - 2 * self.log_likelihood

    @property
    def poisson_aic(self) -> float:
        """Return the same of the Poisson fit, with one rate for each kind."""
        return 2 * self.baseline_per_s.size - 2 * self.poisson_log_likelihood


class _Coordinates:
    """Parameters as one vector in units of the mean gap, decays by their logarithm.

    The optimizer then sees numbers near one whatever the clock of the record is.
    """

    def __init__(self, events: Events, scales: int) -> None:
        self.kinds = events.kinds_count
        self.scales = scales
        self.rate = events.times_s.size / events.duration_s
        low, high = (math.log(bound) for bound in DECAY_RANGE)
        inner = self.kinds + scales * self.kinds**2
        self.bounds: list[tuple[float, float | None]] = [
            *[(1e-9, None)] * self.kinds,
            *[(0.0, None)] * (inner - self.kinds),
            *[(low, high)] * scales,
        ]

    def split(self, vector: Vector) -> tuple[Vector, Vector, Vector]:
        baseline = vector[: self.kinds] * self.rate
        inner = vector[self.kinds : -self.scales]
        decays = np.exp(vector[-self.scales :]) * self.rate
        return baseline, inner.reshape(self.scales, self.kinds, self.kinds), decays

    def join(self, baseline: Vector, branching: Vector, decays: Vector) -> Vector:
        logs = np.log(decays / self.rate)
        return np.concatenate([baseline / self.rate, branching.ravel(), logs])

    def gradient(self, slopes: tuple[Vector, Vector, Vector], decays: Vector) -> Vector:
        by_baseline, by_branching, by_decay = slopes
        return np.concatenate([by_baseline * self.rate, by_branching.ravel(), by_decay * decays])


def fit_hawkes(events: Events, first_decays_per_s: Sequence[float]) -> HawkesFit:
    """Fit a process with as many time scales as ``first_decays_per_s`` names, starting there.

    The likelihood is concave in baselines and branching for fixed decays and has several maxima in
    the decays: start from a spread of time scales that the record can show. Raises ``ValueError``
    for no decay, or one that is not positive.
    """
    climb = Climb(events, first_decays_per_s)
    climb.to_the_top()
    return climb.described()


class Climb:
    """The way up a likelihood: it can be continued on a slightly different one."""

    def __init__(self, events: Events, first_decays_per_s: Sequence[float]) -> None:
        """Start with half of the events immigrants, the rest spread over parents and scales.

        Raises ``ValueError`` for no decay, or one that is not positive.
        """
        decays = np.sort(np.asarray(first_decays_per_s, dtype=np.float64))
        if not decays.size or not (decays > 0).all():
            raise ValueError("at least one decay is needed, and all positive")
        self._likelihood = LogLikelihood(events)
        self._coordinates = _Coordinates(events, decays.size)
        kinds = events.kinds_count
        self._place = self._coordinates.join(
            events.counts / events.duration_s / 2,
            np.full((decays.size, kinds, kinds), 0.5 / decays.size / kinds),
            decays,
        )
        self._converged = False

    @property
    def decays_per_s(self) -> Vector:
        """Return the decays of the place reached."""
        return self._coordinates.split(self._place)[2]

    def to_the_top(self, tolerance: float = 1e-12) -> float:
        """Climb until a step gains less than this share, and return the log-likelihood there."""
        count = self._likelihood.events.times_s.size

        def descend(vector: Vector) -> tuple[float, Vector]:
            value, slope = _value_and_slope(self._likelihood, self._coordinates, vector)
            return -value / count, -slope / count

        found = optimize.minimize(
            descend,
            self._place,
            jac=True,
            method="L-BFGS-B",
            bounds=self._coordinates.bounds,
            options={"maxiter": ITERATIONS_MAX, "maxcor": 30, "ftol": tolerance, "gtol": 1e-7},
        )
        self._place, self._converged = found.x, bool(found.success)
        return -float(found.fun) * count

    def weigh(self, weights: Vector) -> None:
        """Let each event excite by its weight from now on; the place reached is kept."""
        events = msgspec.structs.replace(self._likelihood.events, weights=weights)
        self._likelihood = LogLikelihood(events)

    def described(self) -> HawkesFit:
        """Return the place reached, its errors, and whether it fits."""
        return _described(
            self._likelihood, self._coordinates, self._place, converged=self._converged
        )


def _value_and_slope(
    likelihood: LogLikelihood, coordinates: _Coordinates, vector: Vector
) -> tuple[float, Vector]:
    baseline, branching, decays = coordinates.split(vector)
    value, *slopes = likelihood.value_and_gradient(baseline, branching, decays)
    return value, coordinates.gradient((slopes[0], slopes[1], slopes[2]), decays)


def _described(
    likelihood: LogLikelihood, coordinates: _Coordinates, vector: Vector, *, converged: bool
) -> HawkesFit:
    events = likelihood.events
    baseline, branching, decays = coordinates.split(vector)
    errors = coordinates.split(_standard_errors(likelihood, coordinates, vector))
    rates = events.counts / events.duration_s
    nothing = np.zeros_like(branching)
    return HawkesFit(
        baseline_per_s=baseline,
        branching=branching,
        decays_per_s=decays,
        baseline_error=errors[0],
        branching_error=errors[1],
        # The error of a logarithm is a relative one; split() took it for a logarithm.
        decays_error=decays * np.log(errors[2] / coordinates.rate),
        log_likelihood=likelihood.value_and_gradient(baseline, branching, decays)[0],
        poisson_log_likelihood=float((events.counts * np.log(rates)).sum() - events.counts.sum()),
        residuals=residuals_of(likelihood, baseline, branching, decays),
        poisson_residuals=residuals_of(likelihood, rates, nothing, decays),
        events=events.times_s.size,
        converged=converged,
    )


def _standard_errors(
    likelihood: LogLikelihood, coordinates: _Coordinates, vector: Vector
) -> Vector:
    """Return √diag(−H⁻¹), the Hessian by central differences of the analytic gradient.

    Parameters on their bound are left out: the likelihood is not level there, and the theory of
    normal errors does not speak of them.
    """
    free = np.flatnonzero(vector > AT_BOUND)
    free = np.union1d(free, np.arange(vector.size - coordinates.scales, vector.size))
    # Decays last, so that each of the others reuses the recurrences of the one before.
    rows = []
    for index in free:
        step = 1e-5 * max(abs(vector[index]), 1e-2)
        ahead, behind = vector.copy(), vector.copy()
        ahead[index] += step
        behind[index] -= step
        difference = (
            _value_and_slope(likelihood, coordinates, ahead)[1]
            - _value_and_slope(likelihood, coordinates, behind)[1]
        )
        rows.append(difference[free] / (2 * step))
    hessian = np.array(rows)
    errors = np.full(vector.size, np.nan)
    try:
        variance = np.diag(np.linalg.inv(-(hessian + hessian.T) / 2))
    except np.linalg.LinAlgError:
        return errors
    errors[free] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return errors


def residuals_of(
    likelihood: LogLikelihood, baseline: Vector, branching: Vector, decays: Vector
) -> Residuals:
    """Test the rescaled times of each kind against Exp(1); a kind of one event gives D = 1."""
    compensators = likelihood.compensators(baseline, branching, decays)
    distances, p_values = [], []
    for kind in range(likelihood.events.kinds_count):
        waits = np.diff(compensators[kind, likelihood.events.kinds == kind])
        tested = stats.kstest(waits, "expon") if waits.size else None
        distances.append(1.0 if tested is None else float(tested.statistic))
        p_values.append(1.0 if tested is None else float(tested.pvalue))
    return Residuals(distance=tuple(distances), p_value=tuple(p_values))
