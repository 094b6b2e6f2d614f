"""What something costs, as a sum of parts that are never negative, with its uncertainty.

A total y of a window (seconds, gas, bytes) is told as Σ_t c_t x_t, with x_t the amounts of the
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
from scipy.optimize import nnls

from node.planner.arrays import Vector

LEVEL = 0.95
REPLICATES = 200
APART = 0.01
"""An amount of which less than this share is not a sum of the others cannot be told from them."""
REWEIGHTED = 3
"""Rounds of weighting by what was fitted; more change nothing that the errors could see."""
DIGITS = 8
"""Significant digits that are kept of a replicate: its own chance is far above them."""


class LinearLaw(msgspec.Struct, frozen=True):
    """y = Σ coefficient · amount; amounts that are not named cost nothing."""

    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    replicates: tuple[tuple[float, ...], ...]
    """The coefficients again, fitted to each resample of the windows."""
    residual: float
    """Root of the mean squared relative residual (n − p in the mean): how far a window lies off."""

    def at(self, amounts: Mapping[str, float]) -> float:
        """Return y for ``amounts``, by name of the term."""
        return sum(
            coefficient * amounts.get(term, 0.0)
            for term, coefficient in zip(self.terms, self.coefficients, strict=True)
        )

    def replicates_at(self, amounts: Mapping[str, float]) -> Vector:
        """Return y for ``amounts`` by each replicate: its distribution."""
        x = np.array([amounts.get(term, 0.0) for term in self.terms])
        rows = np.asarray(self.replicates, dtype=np.float64).reshape(len(self.replicates), x.size)
        return np.asarray(rows @ x, dtype=np.float64)

    def coefficient(self, term: str) -> float:
        """Return what one unit of ``term`` costs; 0 where the law does not have it."""
        return self.at({term: 1.0})

    def without(self, term: str) -> "LinearLaw":
        """Return what the other terms tell, fitted beside ``term``."""
        kept = [place for place, name in enumerate(self.terms) if name != term]
        return LinearLaw(
            tuple(self.terms[place] for place in kept),
            tuple(self.coefficients[place] for place in kept),
            tuple(tuple(row[place] for place in kept) for row in self.replicates),
            self.residual,
        )

    def interval(self, amounts: Mapping[str, float], level: float = LEVEL) -> tuple[float, float]:
        """Return what y lies within, at this confidence."""
        return interval_of(self.replicates_at(amounts), level)


def interval_of(replicates: Vector, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle ``level`` of the replicates."""
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resamples_of(windows: int, random: np.random.Generator) -> Vector:
    """Return how often each of ``windows`` occurs in each resample; shape (REPLICATES, windows)."""
    return random.multinomial(windows, np.full(windows, 1 / windows), REPLICATES).astype(np.float64)


def told_apart(amounts: Mapping[str, Vector]) -> tuple[str, ...]:
    """Return the terms that the windows can tell apart, the earlier of two that they cannot.

    An amount that is a sum of multiples of the ones before it, or zero, has no coefficient of its
    own: with one order in every message, messages and orders are one amount.
    """
    kept: list[str] = []
    for term, column in amounts.items():
        size = float(np.linalg.norm(column))
        if not size:
            continue
        rest = column
        if kept:
            others = np.stack([amounts[other] for other in kept], axis=1)
            rest = column - others @ np.linalg.lstsq(others, column, rcond=None)[0]
        if len(kept) < column.size and float(np.linalg.norm(rest)) > APART * size:
            kept.append(term)
    return tuple(kept)


def fit_linear(y: Vector, amounts: Mapping[str, Vector], resamples: Vector) -> LinearLaw:
    """Fit ``y`` of the windows to their ``amounts``; the order of terms is that of preference.

    The variance of a window is taken to grow with its total, as it does for a sum of independent
    pieces of work. Deviations of the replicates are widened by √(n / (n − p)), for p terms fitted
    to n windows (the bootstrap's own spread is too small by that). Negative ``y`` counts as it is.
    """
    terms = told_apart(amounts)
    if not terms:
        return LinearLaw((), (), ((),) * len(resamples), 0.0)
    columns = np.stack([amounts[term] for term in terms], axis=1)
    found, fitted = _weighted(columns, y)
    scale = 1 / np.sqrt(fitted)
    windows = y.size
    again = np.array([_solve(columns, y, scale * np.sqrt(counts)) for counts in resamples]).reshape(
        -1, len(terms)
    )
    widening = (windows / max(windows - len(terms), 1)) ** 0.5
    replicates = np.maximum(found + (again - found) * widening, 0)
    relative = (y - columns @ found) / fitted
    return LinearLaw(
        terms=terms,
        coefficients=tuple(found.tolist()),
        replicates=tuple(rounded(row) for row in replicates),
        residual=float(np.sqrt((relative**2).sum() / max(windows - len(terms), 1))),
    )


def _weighted(columns: Vector, y: Vector) -> tuple[Vector, Vector]:
    """Return the coefficients and the fitted totals, at least a hundredth of their mean."""
    fitted = np.full(y.size, 1.0)
    found = np.zeros(columns.shape[1])
    for _ in range(REWEIGHTED):
        found = _solve(columns, y, 1 / np.sqrt(fitted))
        raw = columns @ found
        fitted = np.maximum(raw, max(float(raw.mean()) / 100, 1e-300))
    return found, fitted


def _solve(columns: Vector, y: Vector, weights: Vector) -> Vector:
    """Return the non-negative solution; columns are brought to one size, for the solver's sake."""
    sizes = np.linalg.norm(columns, axis=0)
    found: Vector = nnls(columns / sizes * weights[:, None], y * weights)[0] / sizes
    return found


def mean_replicates(
    totals: Vector, counts: Vector, within_error: float, resamples: Vector
) -> Vector:
    """Return Σ totals / Σ counts of each resample.

    ``within_error`` is the standard error that chance inside of the windows alone gives. Where the
    windows tell less than that (a kind that came in one of them only), it is drawn instead.
    """
    mean = float(totals.sum() / counts.sum())
    seen = resamples @ counts
    again = np.where(seen > 0, (resamples @ totals) / np.maximum(seen, 1e-300), mean)
    windows = max(int(np.count_nonzero(counts)), 1)
    again = mean + (again - mean) * (windows / max(windows - 1, 1)) ** 0.5
    if float(again.std()) < within_error:
        # A generator of its own: how many draws a kind needs must not change the next kind's.
        random = np.random.default_rng(len(resamples))
        again = mean + within_error * random.standard_normal(len(resamples))
    return np.asarray(np.maximum(again, 0), dtype=np.float64)


def rounded(row: Vector) -> tuple[float, ...]:
    """Return ``row`` with ``DIGITS`` significant digits, which halves the file that it goes to."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in row.tolist())
