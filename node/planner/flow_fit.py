"""From a recorded flow to the law that scenarios are drawn from: arrivals, sizes, cancels, depth.

The arrival process has two time scales where nothing else is asked for. Its likelihood has several
maxima in the decays, so a head of the record is fitted from several starts and the best one leads
the fit of the whole. How sizes excite (γ, see ``node.planner.marked_fit``) is found on the head as
well: its profile costs a dozen fits.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from scipy import stats

from node.planner.arrays import Kinds, Vector
from node.planner.calibration import Calibration, Source
from node.planner.flow_law import ArrivalLaw, FlowLaw, KindFlow, SizeLaw
from node.planner.hawkes_fit import Climb, HawkesFit, fit_hawkes
from node.planner.hawkes_likelihood import Events, untie
from node.planner.marked_fit import TOLERANCE, MarkedFit, fit_marked, weights_of
from node.planner.regression import rounded
from node.planner.service_law import SAMPLE
from node.types.errors import MeasurementInvalid
from node.types.faults import out_of

Progress = Callable[[str], None]
"""Called with what begins now."""

HEAD_EVENTS = 10_000
EVENTS_MIN = 200
"""Fewer say little of a process with more than ten parameters."""
KIND_EVENTS_MIN = 10
STARTS = ((4.0, 400.0), (0.02, 20.0))
"""First decays, in units of the mean rate of all events."""
PLACE, CANCEL = "place", "cancel"


class FlowRecord(msgspec.Struct, frozen=True):
    """A recorded flow; entry i of each column is one decision.

    Times are seconds on a clock that steps by ``resolution_s``, of which all steps are equal; they
    do not descend. A size of 0 was not told.
    """

    names: tuple[str, ...]
    """Of the kinds."""
    times_s: Vector
    kinds: Kinds
    sizes: Vector
    fills: Vector
    resolution_s: float
    resting_orders: float | None = None
    levels: float | None = None
    touch_size: float | None = None

    def faults(self) -> Iterator[str]:
        """Yield all that keeps the record from being fitted, with key and range."""
        count = self.times_s.size
        yield from out_of("events", count, EVENTS_MIN, "∞") if count < EVENTS_MIN else ()
        for name, column in (("kinds", self.kinds), ("sizes", self.sizes), ("fills", self.fills)):
            if column.size != count:
                yield f"{name}: {column.size} of them, {count} allowed (the times)"
        if not (np.isfinite(self.times_s).all() and (np.diff(self.times_s) >= 0).all()):
            yield "times_s: they must be finite and must not descend"
        if not (np.isfinite(self.sizes).all() and (self.sizes >= 0).all()):
            yield "sizes: a size is negative or not a number, 0 … ∞ allowed"
        if not self.resolution_s > 0:
            yield f"resolution_s: {self.resolution_s}, more than 0 allowed"
        if count and not 0 <= self.kinds.min() <= self.kinds.max() < len(self.names):
            yield f"kinds: 0 … {len(self.names) - 1} allowed"
            return
        seen = np.bincount(self.kinds, minlength=len(self.names))
        for name, times in zip(self.names, seen.tolist(), strict=True):
            if times < KIND_EVENTS_MIN:
                yield f"kinds.{name}: {times} events, {KIND_EVENTS_MIN} … ∞ allowed"


def calibrate_flow(
    record: FlowRecord,
    tape: str,
    decays_per_s: Sequence[float] = (),
    progress: Progress = lambda _: None,
) -> Calibration:
    """Return a calibration that holds the flow of ``record``, named ``tape``, and nothing else.

    ``decays_per_s`` are the first guesses, one for each time scale; without any, two are found.
    Raises ``MeasurementInvalid`` with all faults of the record and of the guesses, or where
    what was found is not stable.
    """
    faults = list(record.faults())
    faults += [
        f"decays_per_s: {decay}, more than 0 allowed" for decay in decays_per_s if not decay > 0
    ]
    if faults:
        raise MeasurementInvalid(faults=tuple(faults))
    flow = fit_flow(record, decays_per_s, progress)
    arrivals = flow.arrivals
    assert arrivals is not None, "a record without faults has arrivals"
    raise_if_unstable(arrivals)
    seconds = float(record.times_s[-1] - record.times_s[0])
    notes = () if arrivals.converged else ("arrivals: the fit did not converge",)
    return Calibration(
        source=Source(
            what="tape", tape=tape, seconds=seconds, commands=record.times_s.size, notes=notes
        ),
        flow=flow,
    )


def raise_if_unstable(arrivals: ArrivalLaw) -> None:
    """Raise ``MeasurementInvalid`` where bursts would never end, as no flow can be drawn then."""
    if not arrivals.radius < 1:
        fault = f"arrivals.branching: spectral radius {arrivals.radius:.3f}, 0 … 1 allowed"
        why = "1 excluded: the record is not stationary, or too short"
        raise MeasurementInvalid(faults=(f"{fault}, {why}",))


def fit_flow(
    record: FlowRecord, decays_per_s: Sequence[float] = (), progress: Progress = lambda _: None
) -> FlowLaw:
    """Return the law of a record without faults. Raises ``ValueError`` for one that has them."""
    events, sizes = events_of(record)
    counts = events.counts
    filled = np.bincount(record.kinds, record.fills)
    rates = dict(zip(record.names, (counts / events.duration_s).tolist(), strict=True))
    per_command = dict(zip(record.names, (filled / counts).tolist(), strict=True))
    placed = record.sizes[(record.kinds == _index(record.names, PLACE)) & (record.sizes > 0)]
    return FlowLaw(
        kinds={name: KindFlow(rate, 1.0, per_command[name]) for name, rate in rates.items()},
        cancel_ratio=rates.get(CANCEL, 0.0) / rates[PLACE] if rates.get(PLACE) else 0.0,
        arrivals=fit_arrivals(record.names, events, sizes, decays_per_s, progress),
        sizes=size_law(placed) if placed.size > 1 else None,
        resting_orders=record.resting_orders,
        levels=record.levels,
        touch_size=record.touch_size,
    )


def events_of(record: FlowRecord) -> tuple[Events, Vector]:
    """Return the record's events, untied and counted from its first, and their sizes.

    A size that was not told becomes the median of its kind.
    """
    since = record.times_s - record.times_s[0]
    times = untie(since, record.resolution_s, np.random.default_rng(0))
    sizes = record.sizes.copy()
    for kind in range(len(record.names)):
        mine = record.kinds == kind
        told = sizes[mine & (sizes > 0)]
        sizes[mine & (sizes <= 0)] = float(np.median(told)) if told.size else 1.0
    return Events(times, record.kinds, len(record.names), float(times[-1])), sizes


def fit_arrivals(
    names: tuple[str, ...],
    events: Events,
    sizes: Vector,
    decays_per_s: Sequence[float] = (),
    progress: Progress = lambda _: None,
) -> ArrivalLaw:
    """Fit the marked process to ``events``, and see how far it is from them, beside Poisson."""
    head = _head(events)
    progress("time scales")
    rate = head.times_s.size / head.duration_s
    starts = [list(decays_per_s)] if decays_per_s else [[a * rate, b * rate] for a, b in STARTS]
    climbs = [Climb(head, start) for start in starts]
    best = max(climbs, key=lambda climb: climb.to_the_top(TOLERANCE))
    progress("marks")
    marked = fit_marked(head, sizes[: head.times_s.size], best.decays_per_s.tolist())
    progress("the whole record")
    weights = weights_of(sizes, events.kinds, marked.power)
    weighted = msgspec.structs.replace(events, weights=weights)
    whole = fit_hawkes(weighted, marked.hawkes.decays_per_s.tolist())
    return _law(names, events, whole, marked)


def _head(events: Events) -> Events:
    """Return the first events; all of them where a kind would be missing."""
    count = min(HEAD_EVENTS, events.times_s.size)
    kinds = events.kinds[:count]
    if np.unique(kinds).size < events.kinds_count:
        return events
    end = float(events.times_s[count - 1])
    return Events(events.times_s[:count], kinds, events.kinds_count, end)


def _law(names: tuple[str, ...], events: Events, fit: HawkesFit, marked: MarkedFit) -> ArrivalLaw:
    return ArrivalLaw(
        kinds=names,
        baseline_per_s=tuple(fit.baseline_per_s.tolist()),
        branching=tuple(tuple(map(tuple, scale)) for scale in fit.branching.tolist()),
        decays_per_s=tuple(fit.decays_per_s.tolist()),
        baseline_error=_errors(fit.baseline_error),
        branching_error=tuple(
            tuple(_errors(row) for row in scale) for scale in fit.branching_error
        ),
        decays_error=_errors(fit.decays_error),
        mark_power=marked.power,
        mark_power_error=marked.power_error,
        distance=fit.residuals.distance,
        p_value=fit.residuals.p_value,
        poisson_distance=fit.poisson_residuals.distance,
        poisson_p_value=fit.poisson_residuals.p_value,
        # One parameter more: the power of the marks.
        aic=fit.aic + 2,
        poisson_aic=fit.poisson_aic,
        events=events.times_s.size,
        seconds=events.duration_s,
        converged=fit.converged,
    )


def _errors(values: Vector) -> tuple[float | None, ...]:
    return tuple(value if math.isfinite(value) else None for value in values.tolist())


def size_law(sizes: Vector) -> SizeLaw:
    """Return the lognormal law of positive ``sizes``, and how far it is from them."""
    logs = np.log(sizes)
    mean, deviation = float(logs.mean()), float(logs.std(ddof=1))
    # Sizes that are all alike have no spread to be standardized by.
    standard = (logs - mean) / deviation if deviation else np.zeros_like(logs)
    sample = np.quantile(sizes, (np.arange(SAMPLE) + 0.5) / SAMPLE)
    return SizeLaw(
        log_mean=mean,
        log_deviation=deviation,
        distance=float(stats.kstest(standard, "norm").statistic),
        sample=rounded(sample),
        n=sizes.size,
    )


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1
