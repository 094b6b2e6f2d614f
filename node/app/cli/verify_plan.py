"""``plimsoll plan --verify``: a node's knee, predicted from its quiet hours, then measured.

    quiet:  rates from a tiny one up, while nothing is half busy ─▶ a first knee
            rates up to 34 % of that one ─▶ calibration ─▶ the knee, and how delays grow
    loaded: the same node, the same flow, at shares of the knee predicted ─▶ delays
    ramp:   to its knee and past it ─▶ measured
    all ─▶ verdict

The knee is not known to the first part, nor anything else from above half load. Its rates grow by
what the node's own telemetry said of the rate before. At each level actions come one by one and in
clusters: while a cluster is worked off, the node does what it does when it is full (long turns,
shared reads and writes), though it is idle most of the time. Costs at full load are thus *seen*.

A node that is nearly always idle costs more for each action, and how much more changes within
minutes. So the smallest rates only tell how far up the quiet part may go: the knee is computed from
the clusters, and from what lies below half of the first one.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import time
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from node.app.cli.verify_windows import (
    around_of,
    at_one_speed,
    beside_strangers,
    knee_at_speed_of,
    shape_of,
    strangers_at,
    strangers_in,
    strangers_of,
    utilization_of,
)
from node.app.knee import write_knee
from node.capacity.loadline import Knee as ShownKnee
from node.capacity.loadline import KneeRange
from node.planner.calibration import Calibration, calibrate
from node.planner.predict import Prediction, predict_knee
from node.planner.responses import DelayLaws, DelayPoint, fit_delays
from node.planner.verification import (
    DelayCheck,
    MixVerdict,
    delay_check,
    rejoined,
    verdict_of,
)
from node.planner.windows import load_of
from node.simulation.interruption import INTERRUPTED, until_terminated
from node.simulation.ramp.command import (
    NothingCarried,
    RampOptions,
    RampTimedOut,
    settings_of,
    target_for,
)
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import Measured, Ramp, RampSettings, ramp_of
from node.simulation.ramp.report import Machine
from node.simulation.ramp.target import Target, require_loopback

FIRST_PER_S: Final = 50.0
CLIMB: Final = 2.0
AIM: Final = 0.42
"""The busy share that the highest rates of the quiet part aim at: below ``LOAD_MAX`` with room."""
LEVELS: Final = (0.3, 0.6, 1.0)
"""Of the highest rate, at each size of the clusters."""
CLUSTERS: Final = {Mix.SINGLE: (8, 32, 96), Mix.CANCEL: (8, 32, 96), Mix.BULK: (2, 5, 12)}
"""How many actions come at a time; even the largest are served before a lane sheds them."""
DELAY_SHARES: Final = (0.3, 0.6, 0.8)
"""Of the predicted knee: where delays are measured, before the ramp, which would leave the node
with longer tables and another load behind it."""
QUIET_SHARES: Final = (0.1, 0.2, 0.28, 0.34) * 2
"""Of the first knee: below half load even where that one is too high by almost a half."""
OVER_S: Final = 6.0
"""A window's length, in seconds. A quiet node seals a batch every two seconds, and what replica and
chain spend on it must not hang on whether one more or one less fell into the window; a busy node
seals several in a second, and each one delays what comes meanwhile."""

STRANGERS_MAX: Final = 0.03
"""The share of the machine that others may use in a window of the quiet part. With more of them the
same work costs more: what it shares caches with changes all the time."""

HALF: Final = 0.5

_NS_PER_S: Final = 1_000_000_000
_MS_PER_S: Final = 1_000


class VerifyReport(msgspec.Struct, frozen=True):
    """The verdicts by mix, and where they come from."""

    node: str
    machine: Machine
    mixes: dict[str, MixVerdict]


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


Teller = Callable[[str], None]

MixOption = Annotated[
    list[Mix] | None, typer.Option(help="What to verify with; all mixes otherwise.")
]
UrlOption = Annotated[
    str, typer.Option("--node", help="A node to verify on; empty: start one of its own.")
]
RpcOption = Annotated[str, typer.Option(help="A devnet on which to fund the accounts there.")]
NodeDataOption = Annotated[
    Path | None, typer.Option(help="That node's data folder: its page then shows the knees.")
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Predict a node's knee from its quiet hours; ramp it.")
]


def verify_plan(options: RampOptions, data: Path | None, console: Console | None = None) -> int:
    """Predict, ramp and compare for each mix; return 0, 1 if a knee is off, 130 if interrupted.

    ``data`` is the data folder of a node that runs already; its page then shows both knees. Raises
    what ``ramp`` raises, and ``MeasurementInvalid`` where the quiet part told too little.
    """
    console = console or Console()
    settings = settings_of(options)
    if options.url:
        require_loopback(options.url)
    try:
        report = uvloop.run(until_terminated(_within(options, settings, data, console)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; every program has ended", highlight=False)
        return INTERRUPTED
    if options.json_path is not None:
        encoded = msgspec.json.encode(report)
        options.json_path.write_bytes(msgspec.json.format(encoded) + b"\n")
    console.print(verdict_table(report))
    return 0 if all(verdict.holds for verdict in report.mixes.values()) else 1


async def _within(
    options: RampOptions, settings: RampSettings, data: Path | None, console: Console
) -> VerifyReport:
    try:
        async with asyncio.timeout(options.within_s), target_for(options) as target:
            found: dict[str, MixVerdict] = {}
            with console.status("") as status:
                for mix in options.mixes:
                    found[mix.value] = await verify_mix(target, mix, settings, status.update)
            folder = target.data or data
            if folder is not None:
                write_knee(folder, shown_knee(next(iter(found.values()))))
            return VerifyReport(target.url, Machine.here(), found)
    except TimeoutError:
        raise RampTimedOut(seconds=options.within_s) from None


async def verify_mix(target: Target, mix: Mix, settings: RampSettings, tell: Teller) -> MixVerdict:
    """Return the verdict on one mix. Raises ``NothingCarried``, ``MeasurementInvalid``."""
    async with ramp_of(target, mix, settings) as running:
        quiet = await quiet_hours(running, mix, tell)
        first = first_knee(quiet)
        tell(f"{mix.value}: about {first.p50:,.0f}/s; now below half of that")
        loaded = [measured async for measured in _loaded(running, first.p50)]
        # The machine had many speeds meanwhile, and the node one cost.
        climb, loaded, clusters = parts_at_one_speed(quiet.ones, loaded, quiet.clusters)
        seen, calibration, prediction = predicted_below_half(Quiet(loaded, clusters), first.p50)
        shape, around = shape_of(seen.all), around_of(seen.all, seen.ones, first.p50)
        laws = delay_laws([*climb, *loaded], prediction)
        tell(f"{mix.value}: predicted {prediction.p50:,.0f}/s; now the delays below it")
        delayed = [
            (await running.measure(share * prediction.p50, share=share, window_s=OVER_S)).point
            for share in DELAY_SHARES
        ]
        tell(f"{mix.value}: predicted {prediction.p50:,.0f}/s; now the ramp")
        searched: list[RampPoint] = []
        try:
            knee = await running.find(lambda _, point: searched.append(point))
        except ValueError:
            raise NothingCarried(mix=mix.value, rate=settings.search.first_per_s) from None
    full = min(
        (point for point in searched if point.wanted_per_s >= knee.high),
        key=lambda point: point.wanted_per_s,
        default=searched[-1],
    )
    return verdict_of(
        mix.value,
        prediction,
        predict_knee(calibration, shape, beside_strangers(around, strangers_at(full))).p50,
        (knee.low, knee.per_s, knee.high),
        utilization_of(full),
        delay_checks(delayed, laws, knee.per_s),
        calibrated_below=max(measured.point.offered_per_s for measured in seen.all) / knee.per_s,
        windows=calibration.source.windows,
        strangers=strangers_of(seen.all),
        at_same_speed=knee_at_speed_of(seen.all, searched, settings.search),
    )


def first_knee(quiet: Quiet) -> Prediction:
    """Return about where the knee lies. Raises ``MeasurementInvalid``."""
    told = Quiet(*parts_at_one_speed(quiet.ones, quiet.clusters))
    calibration = calibrate(rejoined([measured.window for measured in told.all]), load_max=1.0)
    return predict_knee(calibration, shape_of(told.all), around_of(told.all, told.ones, math.inf))


def parts_at_one_speed(*parts: Sequence[Measured]) -> list[list[Measured]]:
    """Return each of ``parts`` at the machine's mean speed in all of them."""
    told = iter(at_one_speed([measured for part in parts for measured in part]))
    return [list(islice(told, len(part))) for part in parts]


def predicted_below_half(quiet: Quiet, first_per_s: float) -> tuple[Quiet, Calibration, Prediction]:
    """Return the windows below half of the knee that they tell, what they tell, and that knee.

    ``first_per_s`` is about where it lies. Raises ``MeasurementInvalid`` where too few are left.
    """
    seen, bound = quiet, math.inf
    while True:
        windows = seen.all
        calibration = calibrate(rejoined([measured.window for measured in windows]), load_max=1.0)
        around = around_of(windows, seen.ones, first_per_s)
        prediction = predict_knee(calibration, shape_of(windows), around)
        bound = min(bound, HALF * prediction.p50)
        below = seen.below(bound)
        if len(below.all) == len(windows):
            return seen, calibration, prediction
        seen = below


async def quiet_hours(running: Ramp, mix: Mix, tell: Teller) -> Quiet:
    """Measure below half load, from a tiny rate up; how far up, only the node's load tells."""
    ones: list[Measured] = []
    rate = FIRST_PER_S
    while True:
        tell(f"{mix.value}, quiet: {rate:,.0f}/s")
        measured = await undisturbed(running, rate)
        ones.append(measured)
        load = max(load_of(measured.window), 1e-3)
        if load * CLIMB > AIM:
            break
        rate *= CLIMB
    highest = rate * AIM / load
    ones += [await undisturbed(running, level * highest) for level in LEVELS]
    clusters: list[Measured] = []
    for size in CLUSTERS[mix]:
        # In clusters the same work costs less, so the same load is reached at a higher rate.
        tell(f"{mix.value}, quiet: {highest:,.0f}/s in clusters of {size}")
        clusters += [await undisturbed(running, level * highest, size) for level in LEVELS]
        highest *= min(max(AIM / max(load_of(clusters[-1].window), 1e-3), 1.0), CLIMB)
    return Quiet(ones, clusters)


async def undisturbed(running: Ramp, rate: float, cluster: int = 1) -> Measured:
    """Return a window of the quiet part, or the less disturbed of two where others had used it."""
    window = await running.measure(rate, cluster=cluster, window_s=OVER_S)
    if strangers_in(window) <= STRANGERS_MAX:
        return window
    again = await running.measure(rate, cluster=cluster, window_s=OVER_S)
    return min(window, again, key=strangers_in)


async def _loaded(running: Ramp, knee_per_s: float) -> AsyncIterator[Measured]:
    for share in QUIET_SHARES:
        yield await undisturbed(running, share * knee_per_s)


def delay_laws(ones: Sequence[Measured], prediction: Prediction) -> DelayLaws | None:
    """Return the laws of the delay that agree with ``ones``, in which actions came one by one.

    None where those do not lie as they must: then the knee is not where it was predicted.
    """
    points = [
        DelayPoint(measured.point.offered_per_s, p50, p99)
        for measured in ones
        if measured.point.offered_per_s < HALF * prediction.p50
        and (p50 := measured.point.delay_ms["p50"]) is not None
        and (p99 := measured.point.delay_ms["p99"]) is not None
    ]
    try:
        return fit_delays(points, prediction.p50)
    except ValueError:
        return None


def delay_checks(
    points: Sequence[RampPoint], laws: DelayLaws | None, knee_per_s: float
) -> list[DelayCheck]:
    """Compare ``points`` with ``laws``, each at the load that it was of the measured knee.

    The error of the knee has a figure of its own, and would count twice at one and the same rate. A
    point that turns out to lie past the knee is left out, and all of them without laws.
    """
    loads = [(point, point.wanted_per_s / knee_per_s) for point in points]
    return [
        delay_check(
            load,
            point.wanted_per_s,
            {
                name: law.at(load * law.knee_per_s)
                for name, law in (("p50", laws.p50), ("p99", laws.p99))
            },
            {name: value for name, value in point.delay_ms.items() if value is not None},
        )
        for point, load in loads
        if laws is not None and load < 1
    ]


def shown_knee(verdict: MixVerdict) -> ShownKnee:
    """Return what the node's page shows."""
    predicted = verdict.predicted
    return ShownKnee(
        predicted=KneeRange(predicted.p5, predicted.p50, predicted.p95),
        measured_per_s=verdict.measured,
        at_ms=int(time() * _MS_PER_S),
    )


def verdict_table(report: VerifyReport) -> Table:
    """Return the verdicts for a person."""
    table = Table(
        title="The knee, actions/s: predicted from below half load, then measured",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for name in ("mix", "predicted P5 … P50 … P95", "measured", "error", "full first", "p50, p99"):
        table.add_column(name)
    for verdict in report.mixes.values():
        table.add_row(*_row(verdict))
    return table


def _row(verdict: MixVerdict) -> Iterator[str]:
    predicted = verdict.predicted
    yield verdict.mix
    yield f"{predicted.p5:,.0f} … {predicted.p50:,.0f} … {predicted.p95:,.0f}"
    yield f"{verdict.measured:,.0f}{'' if verdict.inside else ' (outside)'}"
    same = verdict.error_at_same_speed
    yield f"{verdict.error_ratio:+.1%}" + ("" if same is None else f" ({same:+.1%} at one speed)")
    yield f"{verdict.bottleneck.predicted}; was {verdict.bottleneck.measured}"
    yield "  ".join(
        f"{check.share:.0%}: " + ", ".join(f"{error:+.0%}" for error in check.error_ratio.values())
        for check in verdict.delays
    )
