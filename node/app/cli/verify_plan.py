"""``plimsoll plan --verify``: a node's knee, predicted from its quiet hours, then measured.

    climb:    rates from a tiny one up, while nothing is half busy ─▶ about where the knee lies
    a round:  rates up to 34 % of that one ─▶ calibration ─▶ the knee, and how delays grow
              the same node, the same flow, at shares of the knee predicted ─▶ delays
              to its knee and past it ─▶ measured
    all rounds ─▶ verdict

A machine that is shared has many speeds, and keeps none for long: between quiet hours and a ramp it
may move by more than a law is off. So there are several rounds, each short, and quiet hours and
ramps take turns. What a round predicts rests on its own quiet windows alone.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import time
from typing import Annotated, Final

import msgspec
import typer
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from node.app.cli.verify_quiet import (
    HALF,
    OVER_S,
    QUIET_SHARES,
    Climbed,
    Quiet,
    Wanted,
    climb,
    measured_all,
    predicted_below_half,
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
from node.app.knee import write_knee
from node.capacity.loadline import Knee as ShownKnee
from node.capacity.loadline import KneeRange
from node.planner.predict import Prediction, predict_knee
from node.planner.responses import DelayLaws, DelayPoint, fit_delays
from node.planner.rounds import of_rounds
from node.planner.verification import (
    DelayCheck,
    MixVerdict,
    delay_check,
    verdict_of,
)
from node.simulation.interruption import INTERRUPTED, until_terminated
from node.simulation.ramp.command import (
    NothingCarried,
    RampOptions,
    RampTimedOut,
    Teller,
    settings_of,
    target_for,
)
from node.simulation.ramp.knee import SearchLimits
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import Measured, Ramp, RampSettings, ramp_of
from node.simulation.ramp.report import Machine
from node.simulation.ramp.target import Target, require_loopback

ROUNDS: Final = 3
ROUNDS_MAX: Final = 20
WITHIN_S_A_ROUND: Final = 600.0
"""What a round of one mix may take, the way up included; it takes about three minutes."""
DELAY_SHARES: Final = (0.3, 0.6, 0.8)
"""Of the predicted knee: where delays are measured, before the ramp, which would leave the node
with longer tables and another load behind it."""
BELOW_HALF: Final = (0.42, 0.42)
"""Of the predicted knee: windows for the law of the delays, which grow late. Below half load even
where the knee is told a sixth too high."""
AGAIN_FROM: Final = 0.5
"""Of the knee measured last: where the next ramp begins."""

_MS_PER_S: Final = 1_000


class VerifyReport(msgspec.Struct, frozen=True):
    """The verdicts by mix, and where they come from."""

    node: str
    machine: Machine
    mixes: dict[str, MixVerdict]


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
RoundsOption = Annotated[
    int,
    typer.Option(min=1, max=ROUNDS_MAX, help="How often to predict and ramp; all count alike."),
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Predict a node's knee from its quiet hours; ramp it.")
]


def verify_plan(
    options: RampOptions,
    data: Path | None,
    console: Console | None = None,
    rounds: int = ROUNDS,
) -> int:
    """Predict, ramp and compare for each mix; return 0, 1 if a knee is off, 130 if interrupted.

    Each mix is allowed ``rounds`` times ``WITHIN_S_A_ROUND``, whatever ``options`` say.

    ``data`` is the data folder of a node that runs already; its page then shows both knees. Raises
    what ``ramp`` raises, and ``MeasurementInvalid`` where the quiet part told too little.
    """
    console = console or Console()
    settings = settings_of(options)
    if options.url:
        require_loopback(options.url)
    try:
        within = _within(options, settings, data, rounds, console)
        report = uvloop.run(until_terminated(within))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; every program has ended", highlight=False)
        return INTERRUPTED
    if options.json_path is not None:
        encoded = msgspec.json.encode(report)
        options.json_path.write_bytes(msgspec.json.format(encoded) + b"\n")
    console.print(verdict_table(report))
    return 0 if all(verdict.holds for verdict in report.mixes.values()) else 1


async def _within(
    options: RampOptions,
    settings: RampSettings,
    data: Path | None,
    rounds: int,
    console: Console,
) -> VerifyReport:
    within_s = WITHIN_S_A_ROUND * rounds * len(options.mixes)
    try:
        async with asyncio.timeout(within_s), target_for(options) as target:
            found: dict[str, MixVerdict] = {}
            with console.status("") as status:
                for mix in options.mixes:
                    found[mix.value] = await verify_mix(
                        target, mix, settings, rounds, status.update
                    )
            folder = target.data or data
            if folder is not None:
                write_knee(folder, shown_knee(next(iter(found.values()))))
            return VerifyReport(target.url, Machine.here(), found)
    except TimeoutError:
        raise RampTimedOut(seconds=within_s) from None


async def verify_mix(
    target: Target, mix: Mix, settings: RampSettings, rounds: int, tell: Teller
) -> MixVerdict:
    """Return the verdict on one mix. Raises ``NothingCarried``, ``MeasurementInvalid``."""
    async with ramp_of(target, mix, settings) as running:
        climbed = await climb(running, mix, lambda text: tell(f"{mix.value}, quiet: {text}"))
        clusters, search = climbed.quiet.clusters, settings.search
        verdicts: list[MixVerdict] = []
        for number in range(1, rounds + 1):
            name = f"{mix.value} {number}/{rounds}"
            if verdicts:
                tell(f"{name}, quiet: clusters")
                clusters = await measured_all(running, climbed.clusters)
                again_per_s = AGAIN_FROM * verdicts[-1].measured
                search = msgspec.structs.replace(search, first_per_s=again_per_s)
            verdicts.append(await _round(running, climbed, clusters, search, _after(name, tell)))
    return of_rounds(verdicts)


async def _round(
    running: Ramp, climbed: Climbed, clusters: list[Measured], search: SearchLimits, tell: Teller
) -> MixVerdict:
    """Measure one by one below half load, predict, measure delays, ramp, and compare."""
    first = climbed.first_per_s
    tell(f"about {first:,.0f}/s; now below half of that")
    ones = await measured_all(running, [Wanted(share * first) for share in QUIET_SHARES])
    seen, calibration, prediction = predicted_below_half(
        Quiet(ones, clusters).at_one_speed(), first
    )
    tell(f"predicted {prediction.p50:,.0f}/s; now the delays below it")
    ones += await measured_all(running, [Wanted(part * prediction.p50) for part in BELOW_HALF])
    laws = delay_laws([*climbed.quiet.ones, *ones], prediction)
    delayed = [
        (await running.measure(share * prediction.p50, share=share, window_s=OVER_S)).point
        for share in DELAY_SHARES
    ]
    tell(f"predicted {prediction.p50:,.0f}/s; now the ramp")
    searched: list[RampPoint] = []
    try:
        knee = await running.find(lambda _, point: searched.append(point), search)
    except ValueError:
        raise NothingCarried(mix=climbed.mix.value, rate=search.first_per_s) from None
    full = min(
        (point for point in searched if point.wanted_per_s >= knee.high),
        key=lambda point: point.wanted_per_s,
        default=searched[-1],
    )
    shape, around = shape_of(seen.all), around_of(seen.all, seen.ones, first)
    return verdict_of(
        climbed.mix.value,
        prediction,
        predict_knee(calibration, shape, beside_strangers(around, strangers_at(full))).p50,
        (knee.low, knee.per_s, knee.high),
        utilization_of(full),
        delay_checks(delayed, laws, knee.per_s),
        calibrated_below=max(each.point.offered_per_s for each in (*seen.all, *ones)) / knee.per_s,
        windows=calibration.source.windows,
        strangers=strangers_of(seen.all),
        at_same_speed=knee_at_speed_of(seen.all, searched, search),
    )


def _after(name: str, tell: Teller) -> Teller:
    return lambda text: tell(f"{name}: {text}")


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
