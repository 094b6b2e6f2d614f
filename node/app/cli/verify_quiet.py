"""The quiet part of ``plimsoll plan --verify``: what a node shows of itself below half load.

The knee is not known here, nor anything else from above half load. Rates grow by what the node's
own telemetry said of the rate before. At each level actions come one by one and in clusters: while
a cluster is worked off, the node does what it does when it is full (long turns, shared reads and
writes), though it is idle most of the time. Costs at full load are thus *seen*.

A node that is nearly always idle costs more for each action, and how much more changes within
minutes. So the smallest rates only tell how far up the quiet part may go: the knee is computed from
the clusters, and from what lies below half of the first one.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from node.app.cli.verify_windows import around_of, at_one_speed, shape_of, strangers_in
from node.capacity.telemetry import Telemetry
from node.planner.calibration import Calibration, calibrate
from node.planner.predict import Prediction, predict_knee
from node.planner.verification import rejoined
from node.planner.windows import load_of
from node.simulation.progress import Teller
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.ramp import Measured, Ramp

FIRST_PER_S: Final = 50.0
CLIMB: Final = 2.0
AIM: Final = 0.42
"""The busy share that the highest rates of the quiet part aim at: below ``LOAD_MAX`` with room."""
LEVELS: Final = (0.3, 0.6, 1.0)
"""Of the highest rate, at each size of the clusters."""
CLUSTERS: Final = {Mix.SINGLE: (8, 32, 96), Mix.CANCEL: (8, 32, 96), Mix.BULK: (2, 5, 12)}
"""How many actions come at a time; even the largest are served before a lane sheds them."""
QUIET_SHARES: Final = (0.1, 0.2, 0.28, 0.34)
"""Of the first knee: below half load even where that one is too high by almost a half."""
TURN_SHARES: Final = (0.1, 0.2, 0.28, 0.34, 0.4)
"""Of the knee that these tell, while quiet hours and the ramp take turns: below half load even
where it is too high by a quarter. Delays grow late, so the law of theirs needs the highest."""
TURN_MAX: Final = 0.42
"""The share of that knee beyond which no turn goes, actions in clusters as little as others."""
OVER_S: Final = 6.0
"""A window's length, in seconds. A quiet node seals a batch every two seconds, and what replica and
chain spend on it must not hang on whether one more or one less fell into the window; a busy node
seals several in a second, and each one delays what comes meanwhile."""

STRANGERS_MAX: Final = 0.03
"""The share of the machine that others may use in a window of the quiet part. With more of them the
same work costs more: what it shares caches with changes all the time."""

HALF: Final = 0.5
BELOW: Final = 0.45
"""The share of the predicted knee above which no quiet window counts: half of the true one even
where that is a tenth lower. How many clusters come in a window is chance, so some go past it."""


class Wanted(msgspec.Struct, frozen=True):
    """A window to measure: actions a second, and how many come at a time."""

    rate: float
    cluster: int = 1


class Quiet(msgspec.Struct, frozen=True):
    """What was measured below half load: actions one by one, and in clusters."""

    ones: list[Measured]
    clusters: list[Measured]

    @property
    def all(self) -> list[Measured]:
        """Return every window."""
        return [*self.ones, *self.clusters]

    def below(self, bound_per_s: float) -> "Quiet":
        """Return the windows in which at most ``bound_per_s`` were sent."""
        return Quiet(
            [measured for measured in self.ones if measured.point.offered_per_s <= bound_per_s],
            [measured for measured in self.clusters if measured.point.offered_per_s <= bound_per_s],
        )

    def at_one_speed(self) -> "Quiet":
        """Return the same at the machine's mean speed: it had many, and the node one cost."""
        told = iter(at_one_speed(self.all))
        return Quiet(list(islice(told, len(self.ones))), list(told))


class Climbed(msgspec.Struct, frozen=True):
    """What the way up showed, how its clusters were asked for, and about where the knee lies."""

    quiet: Quiet
    clusters: list[Wanted]
    first_per_s: float

    def turns(self, knee_per_s: float) -> list[Wanted]:
        """Return the windows that take turns with a ramp whose knee is about there."""
        ones = [Wanted(share * knee_per_s) for share in TURN_SHARES]
        most = TURN_MAX * knee_per_s
        clusters = [Wanted(min(each.rate, most), each.cluster) for each in self.clusters]
        # Spread evenly: a machine that slows down is then as slow to both kinds.
        apart = len(clusters) / len(ones)
        placed = [(float(place), wanted) for place, wanted in enumerate(clusters)]
        placed += [((place + 0.5) * apart, wanted) for place, wanted in enumerate(ones)]
        return [wanted for _, wanted in sorted(placed, key=lambda pair: pair[0])]


async def climb(running: Ramp, mix: Mix, tell: Teller) -> Climbed:
    """Measure from a tiny rate up; how far up, only the node's load tells.

    Raises ``MeasurementInvalid`` where that told too little.
    """
    ones: list[Measured] = []
    rate = FIRST_PER_S
    while True:
        tell(f"{rate:,.0f}/s")
        ones.append(await undisturbed(running, Wanted(rate)))
        load = max(load_of(ones[-1].window), 1e-3)
        if load * CLIMB > AIM:
            break
        rate *= CLIMB
    highest = rate * AIM / load
    ones += [await undisturbed(running, Wanted(level * highest)) for level in LEVELS]
    asked: list[Wanted] = []
    clusters: list[Measured] = []
    for size in CLUSTERS[mix]:
        # In clusters the same work costs less, so the same load is reached at a higher rate.
        tell(f"{highest:,.0f}/s in clusters of {size}")
        asked += (wanted := [Wanted(level * highest, size) for level in LEVELS])
        clusters += await measured_all(running, wanted)
        highest *= min(max(AIM / max(load_of(clusters[-1].window), 1e-3), 1.0), CLIMB)
    quiet = Quiet(ones, clusters)
    return Climbed(quiet, asked, first_knee(quiet).p50)


async def measured_all(running: Ramp, wanted: Iterable[Wanted]) -> list[Measured]:
    """Measure each of ``wanted``, one after the other."""
    return [await undisturbed(running, each) for each in wanted]


async def undisturbed(running: Ramp, wanted: Wanted) -> Measured:
    """Return a window of the quiet part, or the less disturbed of two where others had used it."""
    window = await running.measure(wanted.rate, cluster=wanted.cluster, window_s=OVER_S)
    if strangers_in(window) <= STRANGERS_MAX:
        return window
    again = await running.measure(wanted.rate, cluster=wanted.cluster, window_s=OVER_S)
    return min(window, again, key=strangers_in)


def first_knee(quiet: Quiet) -> Prediction:
    """Return about where the knee lies. Raises ``MeasurementInvalid``."""
    told = quiet.at_one_speed()
    calibration = calibrate(rejoined(windows_of(told.all)), load_max=1.0)
    return predict_knee(calibration, shape_of(told.all), around_of(told.all, told.ones, math.inf))


def predicted_below_half(quiet: Quiet, first_per_s: float) -> tuple[Quiet, Calibration, Prediction]:
    """Return the windows well below half of the knee they tell, what they tell, and that knee.

    ``first_per_s`` is about where it lies. Raises ``MeasurementInvalid`` where too few are left.
    """
    seen, bound = quiet, math.inf
    while True:
        windows = seen.all
        calibration = calibrate(rejoined(windows_of(windows)), load_max=1.0)
        around = around_of(windows, seen.ones, first_per_s)
        prediction = predict_knee(calibration, shape_of(windows), around)
        bound = min(bound, BELOW * prediction.p50)
        below = seen.below(bound)
        if len(below.all) == len(windows):
            return seen, calibration, prediction
        seen = below


def windows_of(measured: Sequence[Measured]) -> list[Telemetry]:
    """Return the node's counters of each."""
    return [each.window for each in measured]
