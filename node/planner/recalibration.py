"""A calibration that follows its node: a rolling window of reads, and what changed in it.

    reads ─▶ first windows: the reference ─▶ each further window: drift?
                   ▲                                              │ alarm
                   └── the windows since the change, once enough ◀┘

Between alarms the reference stays: comparing with what was learnt last minute would follow a slow
drift without ever saying so.
"""

import math
from collections import deque
from collections.abc import Iterator

import msgspec
import numpy as np
from scipy import stats

from node.capacity.telemetry import Telemetry
from node.planner.calibration import LOAD_MAX, Calibration, amounts_of, calibrate
from node.planner.drift import JOURNAL, LOOP, Drift
from node.planner.regression import LinearLaw
from node.planner.service_law import ANY
from node.planner.windows import WINDOWS_MIN, commands_of, load_of
from node.types.errors import MeasurementInvalid
from node.types.faults import out_of, raise_faults

SIGNIFICANCE = 0.01
"""How likely *any* change is to be reported where nothing changed, at one comparison."""
RELATIVE_MIN = 0.02
"""A change below this share matters to no prediction."""


class Change(msgspec.Struct, frozen=True):
    """A cost of ``stage`` and ``kind`` that is another now, in seconds."""

    stage: str
    kind: str
    before_s: float
    after_s: float
    p_value: float
    """How likely such a difference is if nothing changed (before allowing for many costs)."""

    @property
    def relative(self) -> float:
        """Return the change as a share of what was before."""
        return self.after_s / self.before_s - 1


def compare(before: Calibration, after: Calibration) -> tuple[Change, ...]:
    """Return the costs that differ significantly, the most certain first.

    Means are compared by their bootstrap errors; the level is divided by the number of costs
    compared (Bonferroni). Linear laws are compared at the work that ``after`` was measured at.
    """
    found = list(_pairs(before, after))
    changes = [
        change
        for change in found
        if change.p_value < SIGNIFICANCE / len(found) and abs(change.relative) >= RELATIVE_MIN
    ]
    return tuple(sorted(changes, key=lambda change: (change.p_value, -abs(change.relative))))


def _pairs(before: Calibration, after: Calibration) -> Iterator[Change]:
    for law in after.services:
        old = before.service(law.stage, law.kind)
        if old is not None and old.mean_s > 0:
            error = (old.mean_error_s**2 + law.mean_error_s**2) ** 0.5
            p_value = _p_value(law.mean_s - old.mean_s, error)
            yield Change(law.stage, law.kind, old.mean_s, law.mean_s, p_value)
    amounts = amounts_of(after.measured_work)
    yield from _linear(LOOP, before.loop, after.loop, amounts)
    yield from _linear(JOURNAL, before.journal, after.journal, amounts)
    for name, process in after.processes.items():
        yield from _linear(f"process {name}", before.processes.get(name), process, amounts)


def _linear(
    name: str, before: LinearLaw | None, after: LinearLaw | None, amounts: dict[str, float]
) -> Iterator[Change]:
    if before is None or after is None or not before.at(amounts) > 0:
        return
    errors = [float(np.std(law.replicates_at(amounts))) for law in (before, after)]
    old, new = before.at(amounts), after.at(amounts)
    yield Change(name, ANY, old, new, _p_value(new - old, math.hypot(*errors)))


def _p_value(difference: float, error: float) -> float:
    if not error > 0:
        return 0.0 if difference else 1.0
    return float(2 * stats.norm.sf(abs(difference) / error))


class Recalibrator:
    """Takes reads one by one and says when and what changed."""

    def __init__(
        self,
        windows: int = 30,
        load_max: float = LOAD_MAX,
        run_length_windows: float = 2_000.0,
    ) -> None:
        """Calibrate from ``windows`` windows at a time; keep no more reads than that needs.

        ``run_length_windows`` is the mean number of windows until a false alarm (see ``Drift``).
        Raises ``ConfigInvalid`` with all faults.
        """
        raise_faults(
            [
                *out_of("windows", windows, WINDOWS_MIN, 100_000),
                *out_of("load_max", load_max, 0.01, 1.0),
                *out_of("run_length_windows", run_length_windows, 2.0, 1e9),
            ]
        )
        self._windows = windows
        self._load_max = load_max
        self._run_length = run_length_windows
        self._reads: deque[Telemetry] = deque(maxlen=2 * windows + 1)
        self._quiet = 0
        """Windows that counted since the start, or since the last change began."""
        self._settled = False
        self._drift: Drift | None = None
        self._pending: int | None = None
        self.calibration: Calibration | None = None
        self.alarms = 0
        self.restarts = 0

    def see(self, read: Telemetry) -> tuple[Change, ...]:
        """Take in the next read; return what changed, empty most of the time.

        A read of a node that was restarted begins a new reference: the counters of before are gone,
        and what the new process costs is not what the old one did.
        """
        window = self._window_to(read)
        if window is None or not commands_of(window) or load_of(window) > self._load_max:
            return ()
        self._quiet += 1
        if not self._settled and self._pending is None and self._quiet >= self._windows:
            # The first reference, or a better one than the few windows after a change gave.
            self._settled = self._refer(self._windows)
        if self._drift is None:
            return ()
        if self._pending is None:
            alarms = self._drift.see(window)
            if not alarms:
                return ()
            self.alarms += 1
            self._pending = max(alarm.windows for alarm in alarms)
        else:
            self._pending += 1
        return self._changed()

    def _window_to(self, read: Telemetry) -> Telemetry | None:
        before = self._reads[-1] if self._reads else None
        if before is not None and (
            read.window_ns < before.window_ns or read.blocks.count < before.blocks.count
        ):
            self.restarts += 1
            self._reads.clear()
            self._quiet, self._settled, self._drift, self._pending = 0, False, None, None
            before = None
        self._reads.append(read)
        return read.since(before) if before is not None else None

    def _changed(self) -> tuple[Change, ...]:
        """Return what changed, once there are enough windows since it began."""
        assert self._pending is not None
        if self._pending < WINDOWS_MIN:
            return ()
        before = self.calibration
        assert before is not None
        since = self._pending
        if not self._refer(min(since, self._windows)):
            return ()
        self._quiet, self._settled = since, since >= self._windows
        assert self.calibration is not None
        return compare(before, self.calibration)

    def _refer(self, windows: int) -> bool:
        """Make the last ``windows`` the reference; return whether they were enough."""
        reads = list(self._reads)[-windows - 1 :]
        try:
            self.calibration = calibrate(reads, self._load_max)
        except MeasurementInvalid:
            # Busy windows lie between: the next quiet one tries again.
            return False
        self._drift = Drift(self.calibration, self._run_length)
        self._pending = None
        return True
