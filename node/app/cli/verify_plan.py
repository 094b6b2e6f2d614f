"""``plimsoll plan --verify``: a node's knee, predicted from its quiet hours, and measured.

    climb:  rates from a tiny one up, while nothing is half busy ─▶ about where the knee lies
    turns:  a window below half load ─▶ calibration ─▶ the knee, and how delays grow
            a window of the ramp, up and down around the knee ─▶ measured
            at every other turn a window at a share of the knee ─▶ delays
    ─▶ verdict

A machine that is shared has many speeds and keeps none for long: between quiet hours and a ramp
after them it moved by up to a fifth, which no law can know. So windows of the two take turns and
each meets the same machine. The prediction rests on windows below half load alone; where the ramp's
lay, and what came of them, is not told to it.
"""

import asyncio
from collections.abc import Iterator
from itertools import cycle
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
    QUIET_SHARES,
    Quiet,
    Wanted,
    climb,
    measured_all,
    predicted_below_half,
)
from node.app.cli.verify_turns import Turns
from node.app.knee import write_knee
from node.capacity.loadline import Knee as ShownKnee
from node.capacity.loadline import KneeRange
from node.planner.verification import MixVerdict
from node.simulation.interruption import INTERRUPTED, until_terminated
from node.simulation.progress import Teller, shown_line
from node.simulation.ramp.command import (
    RampOptions,
    RampTimedOut,
    settings_of,
    target_for,
)
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.ramp import RampSettings, ramp_of
from node.simulation.ramp.report import Machine
from node.simulation.ramp.target import Target, require_loopback
from node.types.units import MS_PER_S

TURNS: Final = 56
"""Four times each of the quiet windows: knees of the halves of 28 turns differ by a tenth."""
TURNS_MIN: Final = 14
TURNS_MAX: Final = 1_000
WITHIN_S_A_TURN: Final = 60.0
"""What a turn may take; it takes about 22 s."""
WITHIN_S: Final = 600.0
"""What starting and the way up may take besides, for each mix."""


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
TurnsOption = Annotated[
    int,
    typer.Option(
        min=TURNS_MIN,
        max=TURNS_MAX,
        help="Windows below half load, and of the ramp; with 56, 22 minutes a mix.",
    ),
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Predict a node's knee from its quiet hours; ramp it.")
]


def verify_plan(
    options: RampOptions,
    data: Path | None,
    console: Console | None = None,
    turns: int = TURNS,
) -> int:
    """Predict, ramp and compare for each mix; return 0, 1 if one does not hold, 130 if interrupted.

    Each mix is allowed ``WITHIN_S`` and ``WITHIN_S_A_TURN``, whatever ``options`` say.

    ``data`` is the data folder of a node that runs already; its page then shows both knees. Raises
    what ``ramp`` raises, and ``MeasurementInvalid`` where the quiet part told too little.
    """
    console = console or Console()
    settings = settings_of(options)
    if options.url:
        require_loopback(options.url)
    try:
        within = _within(options, settings, data, turns)
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
    turns: int,
) -> VerifyReport:
    within_s = (WITHIN_S + WITHIN_S_A_TURN * turns) * len(options.mixes)
    try:
        async with asyncio.timeout(within_s), target_for(options) as target:
            found: dict[str, MixVerdict] = {}
            with shown_line("") as tell:
                for mix in options.mixes:
                    found[mix.value] = await verify_mix(target, mix, settings, turns, tell)
            folder = target.data or data
            if folder is not None:
                write_knee(folder, shown_knee(next(iter(found.values()))))
            return VerifyReport(target.url, Machine.here(), found)
    except TimeoutError:
        raise RampTimedOut(seconds=within_s) from None


async def verify_mix(
    target: Target, mix: Mix, settings: RampSettings, turns: int, tell: Teller
) -> MixVerdict:
    """Return the verdict on one mix. Raises ``NothingCarried``, ``MeasurementInvalid``."""

    def say(text: str) -> None:
        tell(f"{mix.value}, {text}")

    async with ramp_of(target, mix, settings) as running:
        climbed = await climb(running, mix, lambda text: say(f"quiet: {text}"))
        first = climbed.first_per_s
        say(f"about {first:,.0f}/s; now below half of that")
        ones = await measured_all(running, [Wanted(share * first) for share in QUIET_SHARES])
        known = Quiet(ones, climbed.quiet.clusters).at_one_speed()
        guess = predicted_below_half(known, first)[2].p50
        seen = Turns(running, guess, settings.search)
        for turn, wanted in zip(range(turns), cycle(climbed.turns(guess)), strict=False):
            say(f"turn {turn + 1}/{turns}: predicted about {guess:,.0f}/s")
            await seen.take(turn, wanted)
    ones += climbed.quiet.ones
    return seen.verdict(mix, ones, first)


def shown_knee(verdict: MixVerdict) -> ShownKnee:
    """Return what the node's page shows."""
    predicted = verdict.predicted
    return ShownKnee(
        predicted=KneeRange(predicted.p5, predicted.p50, predicted.p95),
        measured_per_s=verdict.measured,
        at_ms=int(time() * MS_PER_S),
        mix=verdict.mix,
    )


def verdict_table(report: VerifyReport) -> Table:
    """Return the verdicts for a person."""
    table = Table(
        title="The knee, actions/s: predicted from below half load, then measured",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for name in ("mix", "P5 … P50 … P95", "measured", "error", "seen", "full first", "p50, p99"):
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
    # Of the knee's rate, and of the loop's time: two ways to say half load.
    yield f"to {verdict.calibrated_below:.0%}, loop to {verdict.loop_below:.0%}"
    yield f"{verdict.bottleneck.predicted}; was {verdict.bottleneck.measured}"
    yield "  ".join(
        f"{check.share:.0%}: " + ", ".join(f"{error:+.0%}" for error in check.error_ratio.values())
        for check in verdict.delays
    )
