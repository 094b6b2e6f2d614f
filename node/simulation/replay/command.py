"""What ``plimsoll replay`` does."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from node.simulation.replay.outcomes import ReplayReport
from node.simulation.replay.pace import speed_from_text
from node.simulation.replay.run import Load, run_replay
from node.simulation.replay.sources import Scheduled, Source, flow_source, read_flow_config
from node.simulation.replay.tape_source import ACCOUNTS, tape_source
from node.simulation.tape.replay import replay_engine_only
from node.types.errors import ConfigInvalid
from node.types.faults import raise_faults
from node.types.rules import Rules

BUNDLED_FLOW = Path(__file__).resolve().parents[3] / "configs" / "flows" / "demo.toml"

_COUNTS: dict[str, tuple[int, int]] = {
    "connections": (1, 64),
    "window": (1, 4_096),
    "accounts": (1, 10_000),
    "limit": (1, 2**63),
}


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, where to, and how fast.

    ``file``: a tape, read as ``format_name`` (bme, lobster, bitstamp, csv) and played into
    ``market`` (a symbol; empty: the first one) by ``accounts`` accounts; at most ``limit`` of its
    events. Without a file: the seeded ``flow``, a TOML file, with
    ``loop`` until a signal (SIGINT, SIGTERM) stops it. ``speed``: a multiple of real time,
    or ``max``, with at most ``window`` actions unanswered. ``rpc``: a devnet to fund the accounts
    on; empty: they must have money. ``json_path``: where the report goes. ``engine_only``: play
    the tape into the matching engine in this process; then ``fills_path`` gets the fills as CSV.
    """

    url: str = "http://127.0.0.1:8480"
    file: Path | None = None
    format_name: str = "csv"
    flow: Path = BUNDLED_FLOW
    loop: bool = False
    market: str = ""
    accounts: int = ACCOUNTS
    limit: int | None = None
    speed: str = "1"
    connections: int = 4
    window: int = 256
    rpc: str = ""
    json_path: Path | None = None
    engine_only: bool = False
    fills_path: Path | None = None


def replay(options: ReplayOptions, console: Console | None = None) -> int:
    """Drive a running node from a flow or a tape and tell what came of it; return the exit code.

    Every refusal is counted by its name, so a replay that was refused in parts still succeeds; it
    fails (1) if answers were lost. Raises ``ConfigInvalid``, ``TapeMalformed``, ``PathUnusable`` of
    a tape, ``OSError`` of a report, and what connecting and funding raise.
    """
    console = console or Console()
    raise_faults(_faults(options))
    if options.engine_only:
        _engine_only(options, console)
        return 0
    load = _load(options)
    report = uvloop.run(run_replay(load, _source_of(options), console))
    if options.json_path is not None:
        encoded = msgspec.json.encode(report)
        options.json_path.write_bytes(msgspec.json.format(encoded) + b"\n")
    console.print(report_table(report))
    return 1 if report.lost else 0


def report_table(report: ReplayReport) -> Table:
    """Return a replay's figures for a person."""
    table = Table(title="What the clients saw", title_justify="left", show_header=False)
    ack, late = report.latency_ms["ack"], report.lateness_ms
    rows = {
        "actions": f"{report.offered:,} offered = {report.accepted:,} accepted"
        f" + {report.refused:,} refused + {report.lost:,} lost",
        "carried": f"{report.orders:,} orders, {report.cancels:,} cancels,"
        f" {report.oracle_rounds:,} oracle rounds beside them",
        "items": _counts(report.items),
        "refused items": _counts(report.item_errors),
        "refused actions": _counts(report.refusals),
        "acknowledged": f"{_quantiles(ack)}, from the moment an action was due",
        "sender late": _quantiles(late),
        "throughput": f"{report.throughput_per_s:,.0f} orders and cancels per second"
        f" over {report.seconds:,.1f} s",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _quantiles(values: dict[str, float | None]) -> str:
    return ", ".join(f"{n} {'–' if v is None else f'{v:,.1f} ms'}" for n, v in values.items())


def _faults(options: ReplayOptions) -> list[str]:
    faults = [
        f"{name}: {value}, {low} … {high} allowed"
        for name, (low, high) in _COUNTS.items()
        if (value := getattr(options, name)) is not None and not low <= value <= high
    ]
    if options.fills_path is not None and not options.engine_only:
        faults.append("fills: only with engine-only; a node tells its fills on its feeds")
    if options.loop and (options.file is not None or options.engine_only):
        faults.append("loop: only with a flow; a tape ends")
    return faults


def _load(options: ReplayOptions) -> Load:
    """Return the load. Raises ``ConfigInvalid`` for a speed that is none."""
    return Load(
        url=options.url.rstrip("/"),
        speed=speed_from_text(options.speed),
        connections=options.connections,
        window=options.window,
        rpc=options.rpc,
    )


def _source_of(options: ReplayOptions) -> Callable[[Rules], Source]:
    if options.file is None:
        config = read_flow_config(options.flow)

        def of_flow(rules: Rules) -> Source:
            source = flow_source(config, rules, options.flow.stem, loop=options.loop)
            if not options.loop:
                return source
            return msgspec.structs.replace(source, events=_until_stopped(source.events))

        return of_flow
    file = options.file

    def of_tape(rules: Rules) -> Source:
        symbol = options.market or rules.markets[0].symbol
        return tape_source(
            options.format_name, file, rules, symbol, options.accounts, options.limit
        )

    return of_tape


def _until_stopped(events: Iterable[Scheduled]) -> Iterator[Scheduled]:
    """Yield ``events``; from the first of them on, SIGINT and SIGTERM are their orderly end."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    for event in events:
        if stopped.is_set():
            return
        yield event


def _engine_only(options: ReplayOptions, console: Console) -> None:
    if options.file is None:
        raise ConfigInvalid(faults=("file: a tape is needed for the engine alone",))
    with console.status("reading …") as status:
        result = replay_engine_only(
            options.format_name,
            options.file,
            options.json_path,
            options.fills_path,
            lambda count: status.update(f"{count:,} operations"),
        )
    console.print(
        f"{result.operations:,} operations, {len(result.fills):,} fills,"
        f" {result.resting_orders:,} orders left, {result.unknown_references:,} unknown references,"
        f" {result.ops_per_s:,.0f} operations/s",
        highlight=False,
    )
