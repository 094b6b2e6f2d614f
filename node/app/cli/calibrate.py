"""``plimsoll calibrate``: what a node and a flow cost, measured, into a file for the planner."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from node.app.cli.arguments import require_places
from node.app.cli.calibration_table import change_lines, tables_of
from node.app.cli.simulate import TapeFormat
from node.capacity.telemetry import Telemetry
from node.client.errors import ConnectionLost
from node.client.session import Session, connect
from node.planner.calibration import LOAD_MAX, Calibration, calibrate, with_flow
from node.planner.calibration_file import encode_calibration, write_calibration
from node.planner.flow_fit import FlowRecord, calibrate_flow
from node.planner.recalibration import Recalibrator
from node.planner.windows import WINDOWS_MIN, commands_of, load_of, read_telemetry
from node.simulation.progress import shown_progress
from node.simulation.tape.flow import Decision, FlowTrace, read_flow
from node.types.faults import out_of, raise_faults

FIT_STEPS = 4
"""Reading, time scales, marks, the whole record."""


class Options(msgspec.Struct, frozen=True):
    """What was typed."""

    node: str
    seconds: float
    interval: float
    load_max: float
    tape: Path | None
    format_name: str
    first: float | None
    watch: bool
    windows: int
    run_length: float


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command(name="calibrate")(run)


def run(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    node: Annotated[str, typer.Option(help="A node to read telemetry from, while it works.")] = "",
    seconds: Annotated[float, typer.Option(help="How long to read it.")] = 60.0,
    interval: Annotated[float, typer.Option(help="Seconds between two reads: a window.")] = 1.0,
    load_max: Annotated[
        float, typer.Option(help="Leave out windows with loop or a process busier than this.")
    ] = LOAD_MAX,
    tape: Annotated[Path | None, typer.Option(help="A recorded tape to fit the flow to.")] = None,
    tape_format: Annotated[
        TapeFormat, typer.Option("--format", help="The tape's format.")
    ] = TapeFormat.CSV,
    first: Annotated[
        float | None, typer.Option(help="Only so many seconds of the tape's beginning.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the calibration here (JSON).")] = None,
    windows: Annotated[
        int, typer.Option(help="With --watch: windows that a calibration is made from.")
    ] = 30,
    run_length: Annotated[
        float, typer.Option(help="With --watch: windows until a false alarm, on average.")
    ] = 2_000.0,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print the calibration instead of tables.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the node and say what changes in it.")
    ] = False,
) -> None:
    """Measure what a node's work costs, or what a flow is like, and write it for the planner.

    Example: plimsoll calibrate --node http://127.0.0.1:8480 --seconds 60 --out node.json

    Example: plimsoll calibrate --tape orders.csv.gz --format bitstamp --out flow.json
    """
    require_places(out=out)
    options = Options(
        node=node.rstrip("/"),
        seconds=seconds,
        interval=interval,
        load_max=load_max,
        tape=tape,
        format_name=tape_format.value,
        first=first,
        watch=watch,
        windows=windows,
        run_length=run_length,
    )
    raise_faults(_faults(options))
    # Progress and changes are for a person; what is piped on is the calibration alone.
    aside = Console(stderr=True, highlight=False, soft_wrap=True)
    found = _calibrated(options, aside)
    if out is not None:
        write_calibration(out, found)
    if json:
        typer.echo(encode_calibration(found).decode(), nl=False)
        return
    console = Console(highlight=False)
    for table in tables_of(found):
        console.print(table)


def _faults(options: Options) -> list[str]:
    faults = [
        *out_of("seconds", options.seconds, 1.0, 86_400.0),
        *out_of("interval", options.interval, 0.1, 600.0),
        *out_of("load-max", options.load_max, 0.01, 1.0),
        *out_of("windows", options.windows, WINDOWS_MIN, 100_000),
        *out_of("run-length", options.run_length, 2.0, 1e9),
    ]
    if options.first is not None:
        faults += out_of("first", options.first, 1.0, 1e9)
    if not options.node and options.tape is None:
        faults.append("node, tape: one of them, or both, is needed")
    if options.watch and not options.node:
        faults.append("watch: only with --node; a tape does not change")
    least = options.windows if options.watch else WINDOWS_MIN
    if options.node and options.interval > 0 and options.seconds / options.interval < least:
        lowest = least * options.interval
        faults.append(f"seconds: {options.seconds}, {lowest:g} … 86400.0 allowed: {least} windows")
    return faults


def _calibrated(options: Options, aside: Console) -> Calibration:
    found = None
    if options.tape is not None:
        found = _of_tape(options.tape, options, aside)
    if options.node:
        measured = asyncio.run(_of_node(options, aside))
        return measured if found is None else with_flow(measured, found)
    assert found is not None, "one source was asked for"
    return found


# --- a node -----------------------------------------------------------------------------------


async def _of_node(options: Options, aside: Console) -> Calibration:
    async with connect(options.node) as session:
        if options.watch:
            return await _watched(session, options, aside)
        reads = [read async for read in _reads(session, options, aside)]
    return calibrate(reads, options.load_max)


async def _watched(session: Session, options: Options, aside: Console) -> Calibration:
    """Follow the node; raises what ``calibrate`` raises where nothing could be made of it."""
    follower = Recalibrator(options.windows, options.load_max, options.run_length)
    reads: list[Telemetry] = []
    async for read in _reads(session, options, aside):
        restarts = follower.restarts
        changes = follower.see(read)
        if follower.restarts > restarts:
            aside.print("the node was restarted: a new reference begins")
            reads = []
        # Kept only to tell what is missing; once there is a reference it has its own.
        reads = [] if follower.calibration is not None else [*reads, read]
        for line in change_lines(changes):
            aside.print(line)
    found = follower.calibration
    aside.print(f"{follower.alarms} alarms, {follower.restarts} restarts")
    return calibrate(reads, options.load_max, options.windows) if found is None else found


async def _reads(session: Session, options: Options, aside: Console) -> AsyncIterator[Telemetry]:
    """Yield reads of the telemetry, one each interval; a node that is away is waited for."""
    loop = asyncio.get_running_loop()
    started_s, count, last = loop.time(), 0, None
    with _progress(aside) as progress:
        task = progress.add_task("reading telemetry", total=options.seconds)
        while (passed_s := loop.time() - started_s) <= options.seconds + options.interval / 2:
            try:
                read = read_telemetry(await session.get("/telemetry"))
            except ConnectionLost:
                if last is None:
                    raise
                progress.update(task, description="the node is away")
                read = last
            # The node repeats an answer that is young beside what it costs.
            if last is None or read.at_ns != last.at_ns:
                progress.update(task, description=_described(last, read))
                yield read
                last = read
            progress.update(task, completed=passed_s)
            count += 1
            await asyncio.sleep(max(started_s + count * options.interval - loop.time(), 0))


def _described(last: Telemetry | None, read: Telemetry) -> str:
    if last is None or read.window_ns < last.window_ns:
        return "reading telemetry"
    window = read.since(last)
    rate = commands_of(window) / max(window.window_ns * 1e-9, 1e-9)
    return f"{rate:,.0f} commands/s, {load_of(window):.0%} busy"


@contextmanager
def _progress(aside: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with shown_progress(*columns, console=aside) as progress:
        yield progress


# --- a tape -----------------------------------------------------------------------------------


def _of_tape(tape: Path, options: Options, aside: Console) -> Calibration:
    with _progress(aside) as progress:
        task = progress.add_task("reading the tape", total=FIT_STEPS)

        def begins(what: str) -> None:
            progress.update(task, description=f"fitting {what}", advance=1)

        trace = read_flow(options.format_name, tape, options.first)
        return calibrate_flow(record_of(trace), tape.name, progress=begins)


def record_of(trace: FlowTrace) -> FlowRecord:
    """Return ``trace`` as the planner reads it; kinds of decisions that never came are left out."""
    times_ns = np.asarray(trace.times_ns, dtype=np.int64)
    decisions = np.asarray(trace.decisions, dtype=np.int64)
    kinds = sorted(set(decisions.tolist()))
    since_first = times_ns - times_ns[0] if times_ns.size else times_ns
    return FlowRecord(
        names=tuple(Decision(kind).name.lower() for kind in kinds),
        times_s=np.asarray(since_first * 1e-9, dtype=np.float64),
        kinds=np.searchsorted(kinds, decisions),
        sizes=np.asarray(trace.sizes, dtype=np.float64),
        fills=np.asarray(trace.fills, dtype=np.float64),
        resolution_s=trace.resolution_ns * 1e-9,
        resting_orders=_mean(trace.resting_orders),
        levels=_mean(trace.levels),
        touch_size=_mean(trace.touch_sizes),
    )


def _mean(values: list[int] | list[float]) -> float | None:
    return float(np.mean(values)) if values else None
