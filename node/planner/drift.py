"""Noticing that a calibration no longer holds, at a stated rate of false alarms.

Each window gives every watched cost a standardized residual z: what it was less what the
calibration says, over the deviation that chance gives. A two-sided cumulative sum (Page 1954)

    up ← max(0, up + z − k),   down ← max(0, down − z − k),   alarm when either passes h

finds a lasting shift that no single window shows. With k = ½ it is the fastest for a shift of one
deviation. h follows from the wanted average run length (ARL), the mean number of windows until a
false alarm, by Siegmund's approximation (1985), with b = h + 1.166:

    ARL of one side = (exp(2kb) − 2kb − 1) / 2k²,   of both sides half of it

Watching J costs, each chart gets J times the wanted length, so that all of them together keep it.
Residuals are cut at ±``CUT``: one window in which something else had the processor is no drift. The
calibration itself is uncertain, and its error stands still while windows go by: by so much (one
standard error, in deviations of a window) k is wider, lest what was never known looks like a shift.
"""

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from scipy import optimize

from node.capacity.telemetry import Telemetry
from node.planner.calibration import Calibration, loop_beside_s, window_amounts
from node.planner.regression import LinearLaw
from node.planner.service_law import ANY, TRANSITION

SLACK = 0.5
"""k, in deviations."""
CUT = 4.0
SIEGMUND = 1.166
COMMANDS_MIN = 5
"""A window with fewer commands of a kind says nothing of it: their mean is far from normal."""
DEVIATION_MIN = 0.005
"""Share of a cost that no window is trusted beyond; without it a perfect fit would always alarm."""

LOOP, JOURNAL = "loop", "journal"
_NS = 1e-9

Watched = tuple[str, str]
"""Stage and kind."""


def run_length(threshold: float) -> float:
    """Return the mean number of windows until a false alarm of a two-sided chart."""
    reach = 2 * SLACK * (threshold + SIEGMUND)
    return (math.exp(reach) - reach - 1) / (2 * SLACK**2) / 2


def threshold_of(run_length_windows: float) -> float:
    """Return the h that gives a chart this average run length; at least 2 windows."""
    if not 2 <= run_length_windows < math.inf:
        raise ValueError(f"an average run length is 2 windows or more, not {run_length_windows}")
    return float(optimize.brentq(lambda h: run_length(h) - run_length_windows, 0.0, 500.0))


class Cusum:
    """One two-sided chart."""

    __slots__ = ("_down", "_down_since", "_seen", "_up", "_up_since", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._up = self._down = 0.0
        self._seen = self._up_since = self._down_since = 0

    def see(self, residual: float, doubt: float = 0.0) -> bool:
        """Take in one standardized residual; return whether a sum is past the threshold.

        ``doubt`` is the error of what it is measured from, in the same deviations.
        """
        self._seen += 1
        z = min(max(residual, -CUT), CUT)
        self._up = max(0.0, self._up + z - SLACK - doubt)
        self._down = max(0.0, self._down - z - SLACK - doubt)
        if not self._up:
            self._up_since = self._seen
        if not self._down:
            self._down_since = self._seen
        return max(self._up, self._down) > self.threshold

    @property
    def score(self) -> float:
        """Return the larger sum, with the sign of its direction."""
        return self._up if self._up >= self._down else -self._down

    @property
    def windows_since(self) -> int:
        """Return for how many windows the larger sum has been rising: since the likely change."""
        return self._seen - (self._up_since if self._up >= self._down else self._down_since)


class Alarm(msgspec.Struct, frozen=True):
    """A cost that is no longer what the calibration says."""

    stage: str
    kind: str
    score: float
    """The sum that passed the threshold; positive where the cost rose."""
    windows: int
    """How many windows ago the change likely began, the last one counted."""


class Drift:
    """A chart for each cost of a calibration that its windows can be held against."""

    def __init__(self, calibration: Calibration, run_length_windows: float) -> None:
        """Alarm falsely once in ``run_length_windows`` on average, over all costs together."""
        self._calibration = calibration
        watched = list(_watched(calibration))
        threshold = threshold_of(run_length_windows * max(len(watched), 1))
        self._charts = {name: Cusum(threshold) for name in watched}

    def see(self, window: Telemetry) -> tuple[Alarm, ...]:
        """Take in a window below half load; return what is past its threshold, the worst first."""
        alarms = []
        for (stage, kind), residual, doubt in residuals_of(self._calibration, window):
            chart = self._charts.get((stage, kind))
            if chart is not None and chart.see(residual, doubt):
                alarms.append(Alarm(stage, kind, chart.score, chart.windows_since))
        return tuple(sorted(alarms, key=lambda alarm: -abs(alarm.score)))


def _watched(calibration: Calibration) -> Iterator[Watched]:
    for law in calibration.services:
        if law.stage == TRANSITION and law.kind != ANY and law.mean_s > 0:
            yield law.stage, law.kind
    if calibration.loop is not None and any(calibration.loop.coefficients):
        yield LOOP, ANY
    if calibration.journal is not None and any(calibration.journal.coefficients):
        yield JOURNAL, ANY


def residuals_of(
    calibration: Calibration, window: Telemetry
) -> Iterator[tuple[Watched, float, float]]:
    """Yield each cost that ``window`` tells of, its standardized residual and its doubt."""
    for counted in window.kinds:
        law = calibration.service(TRANSITION, counted.kind)
        if law is None or counted.commands < COMMANDS_MIN or not law.mean_s:
            continue
        variance = (law.square_s2 - law.mean_s**2) / counted.commands
        variance += law.window_s**2
        deviation = max(math.sqrt(max(variance, 0.0)), DEVIATION_MIN * law.mean_s)
        mean_s = counted.total_ns / counted.commands * _NS
        yield (
            (TRANSITION, counted.kind),
            (mean_s - law.mean_s) / deviation,
            law.mean_error_s / deviation,
        )
    amounts = window_amounts(window)
    if calibration.loop is not None:
        yield from _linear(LOOP, calibration.loop, loop_beside_s(window), amounts)
    if calibration.journal is not None:
        journal = {"block": float(window.blocks.count), "command": float(window.blocks.commands)}
        yield from _linear(JOURNAL, calibration.journal, window.journal.total_ns * _NS, journal)


def _linear(
    name: str, law: LinearLaw, found: float, amounts: dict[str, float]
) -> Iterator[tuple[Watched, float, float]]:
    expected = law.at(amounts)
    if expected > 0:
        doubt = float(np.std(law.replicates_at(amounts)))
        spread = max(law.residual, DEVIATION_MIN) * expected
        yield (name, ANY), (found - expected) / spread, doubt / spread
