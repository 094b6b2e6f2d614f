"""How long a stage works on an item, measured over windows: moments, spread and errors."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from node.capacity.histogram import bucket_high, bucket_low
from node.capacity.telemetry import HistogramCounts, KindCounters, StageCounters, Telemetry
from node.planner.arrays import Vector
from node.planner.pipeline import Gamma
from node.planner.regression import mean_replicates, rounded

Row = tuple[float, ...]

TRANSITION = "transition"
"""The stage whose services are told by kind of command."""
ANY = ""
"""The kind of a service law that makes no difference between kinds."""
SAMPLE = 64
"""Equally likely values that a distribution is told by."""

_NS = 1e-9


class ServiceLaw(msgspec.Struct, frozen=True):
    """How long ``stage`` works on one item of ``kind`` (``ANY``: whatever it is)."""

    stage: str
    kind: str
    runs_on: str
    """loop, pool, thread, process or l1, as telemetry says."""
    servers: int
    mean_s: float
    square_s2: float
    """E[S²]."""
    mean_error_s: float
    """Standard error of the mean, over resampled windows."""
    window_s: float
    """How far the means of single windows spread beyond chance (a standard deviation)."""
    n: int
    replicates_s: Row
    """The mean again, of each resample."""

    @property
    def gamma(self) -> Gamma:
        """Return the gamma law with this mean and square."""
        if not self.mean_s:
            return Gamma(0.0)
        return Gamma(self.mean_s, max(self.square_s2 / self.mean_s**2 - 1, 0.0) ** 0.5)


class _Sums(msgspec.Struct, frozen=True):
    """Items, their times (s) and the squares (s²) of each window."""

    counts: Vector
    totals_s: Vector
    squares_s2: Vector


def kind_laws(windows: Sequence[Telemetry], resamples: Vector) -> Iterator[ServiceLaw]:
    """Yield the law of each kind of command that came, in the order of their names."""
    empty = KindCounters("", 0, 0, 0, 0, 0)
    for name in sorted({kind.kind for window in windows for kind in window.kinds}):
        kinds = [window.kind(name) or empty for window in windows]
        sums = _Sums(
            np.array([kind.commands for kind in kinds], dtype=np.float64),
            np.array([kind.total_ns for kind in kinds], dtype=np.float64) * _NS,
            np.array([kind.square_ns2 for kind in kinds], dtype=np.float64) * _NS**2,
        )
        if sums.counts.sum():
            yield _law(TRANSITION, name, ("loop", 1), sums, resamples)


def stage_laws(windows: Sequence[Telemetry], resamples: Vector) -> Iterator[ServiceLaw]:
    """Yield the law of each stage that worked, whatever the kind, in the order of the pipeline."""
    for last in windows[-1].stages:
        stages = [window.stage(last.name) for window in windows]
        sums = _Sums(
            np.array([_served(stage) for stage in stages], dtype=np.float64),
            np.array([stage.busy_ns if stage else 0 for stage in stages]) * _NS,
            np.array([_squares_ns2(stage) for stage in stages], dtype=np.float64) * _NS**2,
        )
        if sums.counts.sum():
            yield _law(last.name, ANY, (last.runs_on, last.servers), sums, resamples)


def _law(
    stage: str, kind: str, runs: tuple[str, int], sums: _Sums, resamples: Vector
) -> ServiceLaw:
    n = float(sums.counts.sum())
    square_s2 = float(sums.squares_s2.sum()) / n
    variance = max(square_s2 - (float(sums.totals_s.sum()) / n) ** 2, 0.0)
    mean_s = float(sums.totals_s.sum()) / n
    # One observation tells nothing of its error, which is taken to be as large as itself.
    within_s = (variance / n) ** 0.5 if n > 1 else mean_s
    again = mean_replicates(sums.totals_s, sums.counts, within_s, resamples)
    return ServiceLaw(
        stage=stage,
        kind=kind,
        runs_on=runs[0],
        servers=runs[1],
        mean_s=mean_s,
        square_s2=max(square_s2, mean_s**2),
        mean_error_s=float(again.std()),
        window_s=_spread_between(sums, mean_s, variance),
        n=int(n),
        replicates_s=rounded(again),
    )


def _spread_between(sums: _Sums, mean: float, variance: float) -> float:
    """Return τ, the deviation of the windows' own means that chance inside them does not explain.

    From E[Σ n_w (m_w − m)²] = (W − 1) σ² + τ² (N − Σ n_w² / N) (DerSimonian and Laird 1986, with
    weights n_w).
    """
    counts = sums.counts[sums.counts > 0]
    means = sums.totals_s[sums.counts > 0] / counts
    total = float(counts.sum())
    room = total - float((counts**2).sum()) / total
    if room <= 0:
        return 0.0
    found = float((counts * (means - mean) ** 2).sum()) - (counts.size - 1) * variance
    return float(max(found / room, 0.0) ** 0.5)


def _served(stage: StageCounters | None) -> int:
    return stage.service.count if stage else 0


def _squares_ns2(stage: StageCounters | None) -> int:
    return _sum_of_squares(stage.service) if stage else 0


def _sum_of_squares(histogram: HistogramCounts) -> int:
    return sum(count * _middle(index) ** 2 for index, count in histogram.buckets.items())


def _middle(index: int) -> int:
    return (bucket_low(index) + bucket_high(index)) // 2


def sample_of(histograms: Sequence[HistogramCounts], unit: float) -> Row:
    """Return ``SAMPLE`` equally likely values of all ``histograms`` together, times ``unit``.

    Buckets are taken at their middles; then all values are scaled so that their mean is the exact
    one, which the histograms keep beside the buckets. Empty where nothing was recorded.
    """
    merged: dict[int, int] = {}
    for histogram in histograms:
        for index, count in histogram.buckets.items():
            merged[index] = merged.get(index, 0) + count
    places = sorted(index for index, count in merged.items() if count > 0)
    if not places:
        return ()
    seen = np.cumsum([merged[index] for index in places])
    ranks = (np.arange(SAMPLE) + 0.5) / SAMPLE * seen[-1]
    middles = np.array([_middle(index) for index in places], dtype=np.float64)
    values = middles[np.searchsorted(seen, ranks)] * unit
    exact = sum(histogram.total for histogram in histograms) / float(seen[-1]) * unit
    mean = float(values.mean())
    return rounded(values * exact / mean if mean else values)
