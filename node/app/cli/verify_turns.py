"""Quiet windows and windows of a ramp by turns, and what they say together: the verdict."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

from node.app.cli.verify_quiet import (
    HALF,
    OVER_S,
    Quiet,
    Wanted,
    predicted_below_half,
    undisturbed,
)
from node.app.cli.verify_windows import (
    around_of,
    beside_strangers,
    knee_at_speed_of,
    shape_of,
    strangers_at,
    strangers_of,
    utilization_of,
)
from node.planner.predict import predict_knee
from node.planner.responses import TOLD_FROM, DelayLaws, DelayPoint, fit_delays
from node.planner.shared_cores import LOST, UNSTEADY
from node.planner.verification import DelayCheck, MixVerdict, delay_check, verdict_of
from node.planner.waiting import carried_utilization
from node.simulation.ramp.command import NothingCarried
from node.simulation.ramp.knee import SearchLimits, Staircase, is_carried
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import Measured, Ramp
from node.types.errors import MeasurementInvalid

DELAY_SHARES: Final = (0.3, 0.6, 0.8)
"""Of the knee as it is known so far: where delays are measured, one of them at a time."""
DELAYS_EACH: Final = 2
"""Turns from one of them to the next."""


class Turns:
    """Windows below half load and around the knee, by turns, with delays between them."""

    def __init__(self, running: Ramp, guess_per_s: float, limits: SearchLimits) -> None:
        self._running = running
        self._limits = limits
        self._stairs = Staircase(guess_per_s, limits)
        self._quiet = Quiet([], [])
        self._ramped: list[RampPoint] = []
        self._delayed: list[list[RampPoint]] = [[] for _ in DELAY_SHARES]

    async def take(self, turn: int, wanted: Wanted) -> None:
        """Measure ``wanted``, a rate about the knee, and now and then one at which delays count."""
        quiet = self._quiet.ones if wanted.cluster == 1 else self._quiet.clusters
        quiet.append(await undisturbed(self._running, wanted))
        point = (await self._running.measure(self._stairs.rate)).point
        self._stairs.note(point)
        self._ramped.append(point)
        between, rest = divmod(turn, DELAYS_EACH)
        if not rest:
            place = between % len(DELAY_SHARES)
            share = DELAY_SHARES[place]
            rate = share * self._stairs.rate
            delayed = await self._running.measure(rate, share=share, window_s=OVER_S)
            self._delayed[place].append(delayed.point)

    def verdict(self, mix: Mix, ones: list[Measured], first_per_s: float) -> MixVerdict:
        """Predict from what was quiet in the turns, and compare.

        ``ones`` are earlier windows with actions one by one, which know of delays too. Raises
        ``NothingCarried`` and ``MeasurementInvalid``.
        """
        if not any(is_carried(point, limits=self._limits) for point in self._ramped):
            raise NothingCarried(mix=mix.value, rate=self._stairs.rate)
        try:
            knee = self._stairs.knee()
        except ValueError:
            fault = f"{mix.value}: every rate up to {self._stairs.rate:,.0f}/s was carried"
            raise MeasurementInvalid(faults=(fault,)) from None
        quiet, calibration, prediction = predicted_below_half(
            self._quiet.at_one_speed(), first_per_s
        )
        # Of those that were not carried the one nearest to the knee.
        full = min(
            (point for point in self._ramped if not is_carried(point, limits=self._limits)),
            key=lambda point: abs(math.log(point.wanted_per_s / knee.per_s)),
            default=self._ramped[-1],
        )
        highest = max(each.point.offered_per_s for each in quiet.all)
        # As they were measured, each at the speed that the machine had then.
        seen = [each.window for each in self._quiet.below(highest).all]
        shape, around = shape_of(quiet.all), around_of(quiet.all, quiet.ones, first_per_s)
        patience_s = calibration.source.patience_s
        laws = delay_laws([*ones, *self._quiet.ones], prediction.p50, patience_s)
        return verdict_of(
            mix.value,
            prediction,
            predict_knee(calibration, shape, beside_strangers(around, strangers_at(full))).p50,
            (knee.low, knee.per_s, knee.high),
            utilization_of(full),
            delay_checks(self._delayed, laws, knee.per_s),
            calibrated_below=highest / knee.per_s,
            loop_below=max(window.loop.taken_ns / window.window_ns for window in seen),
            windows=calibration.source.windows,
            strangers=strangers_of(quiet.all),
            at_same_speed=knee_at_speed_of(quiet.all, self._ramped, self._limits),
        )


def delay_laws(ones: Sequence[Measured], knee_per_s: float, patience_s: float) -> DelayLaws | None:
    """Return the laws of the delay that agree with ``ones``, in which actions came one by one.

    ``patience_s`` is how long an action may wait before its lane sheds.

    None where those do not lie as they must: then the knee is not where it was predicted.
    """
    points = [
        DelayPoint(
            measured.point.offered_per_s,
            measured.window.loop.taken_ns / measured.window.window_ns,
            {name: ms for name, ms in measured.point.delay_ms.items() if ms is not None},
        )
        for measured in ones
        if measured.point.offered_per_s < HALF * knee_per_s
    ]
    # Of what is offered at the knee a part is lost, and the rest keeps the loop busy.
    full = (1 - LOST) * carried_utilization(1 / knee_per_s, patience_s, LOST, UNSTEADY)
    try:
        return fit_delays(points, knee_per_s, full)
    except ValueError:
        return None


def delay_checks(
    delayed: Sequence[Sequence[RampPoint]], laws: DelayLaws | None, knee_per_s: float
) -> tuple[DelayCheck, ...]:
    """Compare ``delayed`` with ``laws``, each at the load that it was of the measured knee.

    Of points of one load the medians count: one in which the machine stood still has a p99 that
    tells of nothing else. The error of the knee has a figure of its own, and would count twice at
    one and the same rate. What turns out to lie past the knee is left out, and all without laws.
    """
    found = []
    for points in delayed:
        rate = median(point.wanted_per_s for point in points)
        load = rate / knee_per_s
        if laws is not None and TOLD_FROM <= load < 1:
            found.append(delay_check(load, rate, laws.at(load), _medians_ms(points)))
    return tuple(found)


def _medians_ms(points: Sequence[RampPoint]) -> dict[str, float]:
    known: dict[str, list[float]] = {}
    for point in points:
        for name, ms in point.delay_ms.items():
            if ms:
                known.setdefault(name, []).append(ms)
    return {name: median(values) for name, values in known.items()}
