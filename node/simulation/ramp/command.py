"""What ``plimsoll ramp`` does."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from node.adapters.system_clock import SystemClock
from node.app.knee import KneeBoard, write_knee
from node.capacity.loadline import Knee as ShownKnee
from node.simulation.interruption import INTERRUPTED, until_terminated
from node.simulation.progress import Teller, shown_line
from node.simulation.ramp.knee import Knee, KneeSearch, SearchLimits
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.page import write_page
from node.simulation.ramp.points import RampPoint
from node.simulation.ramp.ramp import ACCOUNTS, CONNECTIONS, WINDOW_S, RampSettings, ramp_of
from node.simulation.ramp.report import Machine, MixReport, RampReport, mix_report, tables
from node.simulation.ramp.target import (
    CONFIG,
    Target,
    require_loopback,
    target_at,
    target_of_its_own,
)
from node.types.errors import ConfigInvalid, Unavailable
from node.types.faults import out_of


class RampTimedOut(Unavailable):
    """The ramp was not over within ``seconds``."""

    code = 2124


class NothingCarried(Unavailable):
    """Not even ``rate`` actions a second of ``mix`` were carried: something else is wrong."""

    code = 2125


class RampOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which node, what load, and where the figures go.

    ``url``: a running node; empty: one is started with a devnet of its own, as ``config`` says.
    ``rpc``: a devnet on which to fund the accounts; empty: they have money.
    """

    url: str = ""
    rpc: str = ""
    config: Path = CONFIG
    mixes: tuple[Mix, ...] = (Mix.SINGLE,)
    first_per_s: float = 250.0
    highest_per_s: float = 50_000.0
    window_s: float = WINDOW_S
    within_s: float = 1_800.0
    accounts: int = ACCOUNTS
    connections: int = CONNECTIONS
    seed: int = 1
    liquidations: bool = True
    data: Path | None = None
    """The data folder of the node, whose page then shows the first mix's knee."""
    json_path: Path | None = None
    html_path: Path | None = None


def settings_of(options: RampOptions) -> RampSettings:
    """Return the settings of a ramp. Raises ``ConfigInvalid`` with every fault."""
    faults = [
        *out_of("first", options.first_per_s, 1, 100_000),
        *out_of("highest", options.highest_per_s, options.first_per_s, 1_000_000),
        *out_of("window", options.window_s, 0.2, 60),
        *out_of("within", options.within_s, 1, 86_400),
        *out_of("accounts", options.accounts, 1, 2_000),
        *out_of("connections", options.connections, 1, 64),
    ]
    if options.data is not None and not options.data.is_dir():
        faults.append(f"data: {options.data}: the folder of a node allowed")
    if faults:
        raise ConfigInvalid(faults=tuple(faults))
    return RampSettings(
        window_s=options.window_s,
        accounts=options.accounts,
        connections=options.connections,
        seed=options.seed,
        search=SearchLimits(first_per_s=options.first_per_s, highest_per_s=options.highest_per_s),
        liquidations=options.liquidations,
    )


def ramp(options: RampOptions, console: Console | None = None) -> int:
    """Find the knee of each mix and tell of it; return the exit code: 0, or 130 if interrupted.

    Raises ``ConfigInvalid``, ``RampTimedOut``, ``NothingCarried``, ``OSError`` of a report, and
    what starting, connecting and funding raise. Where time is up, what is known is told and
    written all the same, and marked as incomplete.
    """
    console = console or Console()
    settings = settings_of(options)
    if options.url:
        require_loopback(options.url)
    found: dict[str, MixReport] = {}
    cut: RampTimedOut | None = None
    try:
        node = uvloop.run(until_terminated(_within(options, settings, found)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; every program has ended", highlight=False)
        return INTERRUPTED
    except RampTimedOut as error:
        node, cut = options.url, error
    report = RampReport(node, Machine.here(), found, incomplete=cut is not None)
    write_report(report, options.json_path, options.html_path)
    if options.data is not None and cut is None:
        show_knee(report, options.data)
    for table in tables(report):
        console.print(table)
    if cut is not None:
        raise cut
    return 0


def write_report(report: RampReport, json_path: Path | None, html_path: Path | None) -> None:
    """Write ``report`` wherever it was asked for. Raises ``OSError``."""
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if html_path is not None:
        write_page(report, html_path)


def show_knee(report: RampReport, data: Path) -> None:
    """Let the node of the folder ``data`` show the first mix's knee.

    What was predicted stays beside it where it was of the same mix: others have other knees.
    """
    found = next(iter(report.mixes.values()))
    before = KneeBoard(data).read()
    shown = ShownKnee(
        predicted=before.predicted if before.mix == found.mix else None,
        measured_per_s=found.knee.per_s,
        at_ms=SystemClock().now_ms(),
        mix=found.mix,
    )
    write_knee(data, shown)


def target_for(options: RampOptions) -> AbstractAsyncContextManager[Target]:
    """Give the node that ``options`` name, or one of its own."""
    if options.url:
        return target_at(options.url, options.rpc, options.accounts)
    return target_of_its_own(options.accounts, options.config)


async def _within(options: RampOptions, settings: RampSettings, found: dict[str, MixReport]) -> str:
    """Ramp each mix into ``found``; return the node's address. Raises ``RampTimedOut``."""
    try:
        async with asyncio.timeout(options.within_s):
            with shown_line("a node, its chain, its accounts") as tell:
                async with target_for(options) as target:
                    for mix in options.mixes:
                        await ramp_mix(target, mix, settings, tell, found)
                    return target.url
    except TimeoutError:
        raise RampTimedOut(seconds=options.within_s) from None


async def ramp_mix(
    target: Target, mix: Mix, settings: RampSettings, tell: Teller, found: dict[str, MixReport]
) -> None:
    """Keep in ``found`` what is known of ``mix``: the knee, and the curve around it.

    Incomplete until all is known, and nothing before a rate was carried. Raises ``NothingCarried``.
    """
    search = KneeSearch(settings.search)
    searched: list[RampPoint] = []
    points: list[RampPoint] = []
    known: list[Knee] = []

    def know(knee: Knee, *, incomplete: bool) -> None:
        found[mix.value] = mix_report(mix, knee, searched, points, incomplete=incomplete)

    def progress(what: str, point: RampPoint) -> None:
        (searched if what == "search" else points).append(point)
        with suppress(ValueError):  # Of a knee before any rate was carried.
            known.append(search.knee())
        if known:
            know(known[-1], incomplete=True)
        tell(
            f"{mix.value}, {what}: {point.offered_per_s:,.0f}/s offered,"
            f" {point.goodput_per_s:,.0f}/s carried"
        )

    tell(f"{mix.value}: connecting")
    async with ramp_of(target, mix, settings) as running:
        await running.find(search, progress)
        try:
            knee = search.knee()
        except ValueError:
            raise NothingCarried(mix=mix.value, rate=settings.search.first_per_s) from None
        await running.curve(knee.per_s, progress)
    know(knee, incomplete=False)
