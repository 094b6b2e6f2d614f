"""What something costs, as a sum of parts that are never negative, with its uncertainty.

A total y of a window (nanoseconds, gas, bytes) is told as Σ_t c_t x_t, with x_t the amounts of the
same window (messages, blocks, …) and every c_t >= 0: a message that costs less than nothing does
not exist, and two amounts that grow together would otherwise be told apart by chance, with a huge
and a negative coefficient. Weighted non-negative least squares (Lawson and Hanson 1974).

Uncertainty is told by resampling whole windows (Efron 1979), which needs no normal errors and
keeps what the windows of one load have in common. All laws of one calibration are fitted to the
same resamples, so that replicate r of one belongs to replicate r of the other.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LEVEL = 0.95
ALIKE = 0.9999
"""Two amounts whose cosine over the windows is above this cannot be told apart."""


class LinearLaw(msgspec.Struct, frozen=True):
    """y = Σ coefficient · amount; amounts that are not named cost nothing."""

    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    replicates: tuple[tuple[float, ...], ...]
    """The coefficients again, fitted to each resample of the windows."""
    residual: float
    """Root of the mean squared relative residual: how far a window lies from the law."""

    def at(self, amounts: Mapping[str, float]) -> float:
        """Return y for ``amounts``, by name of the term."""
        return sum(
            coefficient * amounts.get(term, 0.0)
            for term, coefficient in zip(self.terms, self.coefficients, strict=True)
        )

    def replicates_at(self, amounts: Mapping[str, float]) -> Vector:
        """Return y for ``amounts`` by each replicate: its distribution."""
        x = np.array([amounts.get(term, 0.0) for term in self.terms])
        return np.asarray(np.asarray(self.replicates).reshape(-1, x.size) @ x, dtype=np.float64)

    def coefficient(self, term: str) -> float:
        """Return what one unit of ``term`` costs; 0 where the law does not have it."""
        return self.at({term: 1.0})

    def interval(self, amounts: Mapping[str, float], level: float = LEVEL) -> tuple[float, float]:
        """Return what y lies within, at this confidence."""
        return interval_of(self.replicates_at(amounts), level)


def interval_of(replicates: Vector, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle ``level`` of the replicates."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
