"""Orders come in bursts: a marked multivariate Hawkes process, drawn by thinning.

With D kinds of events, baselines mu_i, branching matrix n_ij (the mean number of direct children of
kind i that one event of kind j has) and a common decay beta, the intensity of kind i is

    lambda_i(t) = m(t) mu_i + sum over past events k of n_(i, kind k) beta exp(-beta (t - t_k))

with m(t) a piecewise constant load factor. It is stable iff the spectral radius of n is below 1; a
burst then has 1 / (1 - radius) events on average. Drawn exactly by Ogata's thinning (1981): between
events the excitation only decays, so the present intensity, at the largest factor ahead, bounds it.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Hawkes:
    """A stable process with ``D`` kinds of events; rates are per second."""

    def __init__(self, baseline: Vector, branching: Vector, decay: float) -> None:
        """Raise ``ValueError`` unless shapes fit, rates are not negative and the radius is < 1."""
        kinds = len(baseline)
        if branching.shape != (kinds, kinds):
            raise ValueError(f"branching has shape {branching.shape}, ({kinds}, {kinds}) needed")
        if (baseline < 0).any() or (branching < 0).any() or decay <= 0:
            raise ValueError("baseline and branching must not be negative, decay must be positive")
        self.radius = float(max(abs(np.linalg.eigvals(branching))))
        if self.radius >= 1:
            raise ValueError(f"spectral radius {self.radius:.3f}, below 1 needed: bursts never end")
        self._baseline = baseline
        self._branching = branching
        self._decay = decay

    def draw(
        self,
        duration_s: float,
        factor: Callable[[float], float],
        largest_factor: float,
        random: np.random.Generator,
    ) -> Iterator[tuple[float, int]]:
        """Yield (time in seconds, kind) in order of time, until ``duration_s``.

        ``factor`` is m(t), nowhere above ``largest_factor``.
        """
        time = 0.0
        excitation = np.zeros_like(self._baseline)
        base_bound = largest_factor * float(self._baseline.sum())
        while True:
            bound = base_bound + float(excitation.sum())
            if bound <= 0:
                return
            wait = random.exponential(1 / bound)
            time += wait
            if time >= duration_s:
                return
            excitation *= np.exp(-self._decay * wait)
            intensity = factor(time) * self._baseline + excitation
            total = float(intensity.sum())
            if random.uniform(0, bound) < total:
                kind = int(random.choice(len(intensity), p=intensity / total))
                excitation += self._branching[:, kind] * self._decay
                yield time, kind
