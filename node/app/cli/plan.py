"""``plimsoll plan``: what a node carries under a scenario, and what must change to carry more."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from node.app.cli.arguments import require_places
from node.app.cli.cluster import cluster
from node.app.cli.idle import idle_faults, spelt, typed
from node.app.cli.plan_tables import shown
from node.app.cli.ramp import ConfigOption
from node.app.cli.recorded import RecordedOption, recorded_folder, recorded_path
from node.app.cli.verify_plan import (
    TURNS,
    MixOption,
    NodeDataOption,
    RpcOption,
    TurnsOption,
    UrlOption,
    VerifyOption,
    verify_plan,
)
from node.app.sections import read_toml
from node.planner.answer import Answer, Band, band
from node.planner.calibrated import Resolved, resolved
from node.planner.calibration import Calibration
from node.planner.chunks import Crew, Processes
from node.planner.conclude import conclude
from node.planner.forecast import draw, knees_of
from node.planner.model import pipeline_of, with_laws
from node.planner.report import PlanReport, page_of
from node.planner.scenario import Scenario
from node.planner.scenario_reading import read_scenario
from node.planner.sweep import (
    Axis,
    Sweep,
    SweepPoint,
    figures_at,
    grid,
    parse_axes,
    quick,
    tables_at,
)
from node.planner.target import Way, way_to
from node.simulation.progress import shown_progress
from node.simulation.ramp.command import RampOptions
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.target import CONFIG
from node.types.errors import ConfigInvalid
from node.types.faults import raise_faults

Tell = Callable[[int, int], None]

ScenarioArgument = Annotated[
    Path | None, typer.Argument(help="A scenario (TOML): see configs/scenarios.")
]
TargetOption = Annotated[
    float | None, typer.Option(help="Tell what must change to carry so many actions a second.")
]
SweepOption = Annotated[
    list[str] | None,
    typer.Option(help="KEY=FROM:UNTIL:COUNT of the scenario's keys; one or two."),
]
RunsOption = Annotated[int | None, typer.Option(help="Runs, instead of the scenario's.")]
SeedOption = Annotated[
    int | None,
    typer.Option(help="Seed, instead of the scenario's; with --verify of the flow's (1)."),
]
SchedulerOption = Annotated[
    str, typer.Option(help="tcp://… of a Dask scheduler that computes instead.")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="Write a page with plots here (HTML, self-contained).")
]


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command()(plan)


class PlanOptions(msgspec.Struct, frozen=True):
    """What was asked."""

    scenario: Path
    target_per_s: float | None = None
    sweep: tuple[str, ...] = ()
    sweep_runs: int = 40
    runs: int | None = None
    seed: int | None = None
    processes: int = 1
    scheduler: str = ""
    data: Path | None = None
    json_path: Path | None = None
    html_path: Path | None = None


def plan(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    scenario: ScenarioArgument = None,
    target: TargetOption = None,
    sweep: SweepOption = None,
    sweep_runs: Annotated[int, typer.Option(help="Runs at each point of a sweep.")] = 40,
    runs: RunsOption = None,
    seed: SeedOption = None,
    processes: Annotated[int, typer.Option(help="Processes that compute.")] = os.cpu_count() or 1,
    scheduler: SchedulerOption = "",
    data: RecordedOption = None,
    json: Annotated[Path | None, typer.Option(help="Write everything here (JSON).")] = None,
    report: ReportOption = None,
    mix: MixOption = None,
    url: UrlOption = "",
    rpc: RpcOption = "",
    config: ConfigOption = CONFIG,
    node_data: NodeDataOption = None,
    turns: TurnsOption = TURNS,
    *,
    verify: VerifyOption = False,
) -> None:
    """Plan: the analytic law and a seeded Monte Carlo of a node under a scenario.

    With --verify there is no scenario: a node's knee is predicted from below half load, then found
    by ramping. Exits 1 where the two differ by more than a tenth, the knee is outside P5 … P95, or
    more than half of it was seen before.
    --mix, --node, --rpc, --config, --node-data, --turns belong to it, and of the others --json and
    --seed alone.

    Example: plimsoll plan configs/scenarios/crash-2025-10-10.toml --report crash.html

    Example: plimsoll plan configs/scenarios/calm.toml --target 5000

    Example: plimsoll plan configs/scenarios/rush.toml --sweep l1.block_s=2:24:6

    Example: plimsoll plan --verify --json verdict.json
    """
    _refuse_idle(context, verify=verify)
    require_places(json=json, report=report)
    if verify:
        mixes, seed = tuple(mix or Mix), 1 if seed is None else seed
        load = RampOptions(url=url, rpc=rpc, config=config, mixes=mixes, seed=seed, json_path=json)
        raise typer.Exit(verify_plan(load, node_data, turns=turns))
    if scenario is None:
        raise ConfigInvalid(faults=("scenario: a file (TOML) allowed; or --verify without one",))
    options = PlanOptions(
        scenario=scenario,
        target_per_s=target,
        sweep=tuple(sweep or ()),
        sweep_runs=sweep_runs,
        runs=runs,
        seed=seed,
        processes=processes,
        scheduler=scheduler,
        data=recorded_folder(data),
        json_path=json,
        html_path=report,
    )
    run_plan(options, Console())


_ONLY_WITH: Final = {"sweep_runs": "sweep", "rpc": "url", "node_data": "url"}
_NOT_WITH: Final = {"processes": "scheduler", "config": "url"}


def _refuse_idle(context: typer.Context, *, verify: bool) -> None:
    """Raise ``ConfigInvalid`` naming what was typed and would do nothing."""
    own, both = {"mix", "url", "rpc", "config", "node_data", "turns"}, {"verify", "json", "seed"}
    word, options, given = "not" if verify else "only", spelt(context), typed(context)
    foreign = {name for name in given - both if (name in own) != verify}
    faults = [
        f"{options[name]}: {word} together with --verify" for name in options if name in foreign
    ]
    faults += idle_faults(context, given - foreign, _ONLY_WITH, _NOT_WITH)
    raise_faults(faults)


def run_plan(options: PlanOptions, console: Console) -> PlanReport:
    """Plan, show it, write what was asked for, and return it. Raises ``ConfigInvalid``."""
    axes = _checked(options)
    found = resolved(_tables(options), options.scenario.parent)
    scenario, calibration = found.scenario, found.calibration
    # Every point is read before the first is computed, so that a slip costs no time.
    points = [
        (at, read_scenario(quick(tables_at(found.tables, at), options.sweep_runs)))
        for at in (grid(axes) if axes else ())
    ]
    with _crew(options) as crew:
        answer = _answer(found, options, crew)
        way, knee = _way(scenario, calibration, options, crew)
        swept = _sweep(axes, points, calibration, options, crew) if axes else None
    report = PlanReport(answer, way, knee, swept)
    console.print(shown(report))
    if options.json_path is not None:
        body = msgspec.json.format(msgspec.json.encode(report))
        options.json_path.write_bytes(body + b"\n")
    if options.html_path is not None:
        options.html_path.write_text(page_of(report), encoding="utf-8")
    return report


def _checked(options: PlanOptions) -> tuple[Axis, ...]:
    """Return the sweep's axes. Raises ``ConfigInvalid`` with the faults of all options."""
    faults = []
    if options.target_per_s is not None and not 0 < options.target_per_s <= 1e9:
        faults.append(f"--target: {options.target_per_s}, above 0 … 1e9 allowed")
    for name, count in (("processes", options.processes), ("sweep-runs", options.sweep_runs)):
        if not 1 <= count <= 1_000_000:
            faults.append(f"--{name}: {count}, 1 … 1000000 allowed")
    axes: tuple[Axis, ...] = ()
    try:
        axes = parse_axes(options.sweep) if options.sweep else ()
    except ConfigInvalid as error:
        faults += error.faults
    if faults:
        raise ConfigInvalid(faults=tuple(faults))
    return axes


def _tables(options: PlanOptions) -> dict[str, Any]:
    """Return the scenario's tables with what the command line says instead."""
    tables = read_toml(options.scenario)
    extent = tables.get("extent", {})
    given = {"runs": options.runs, "seed": options.seed}
    if isinstance(extent, dict):
        tables["extent"] = {**extent, **{k: v for k, v in given.items() if v is not None}}
    return tables


def _crew(options: PlanOptions) -> AbstractContextManager[Crew]:
    if options.scheduler:
        return cluster(options.scheduler)
    return nullcontext(Processes(options.processes))


@contextmanager
def _progress(what: str) -> Iterator[Tell]:
    columns = (
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("runs"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with shown_progress(*columns) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _answer(found: Resolved, options: PlanOptions, crew: Crew) -> Answer:
    record, instead = recorded_path(found.scenario, options.data)
    with _progress("planning") as tell:
        drawn = draw(found.scenario, found.calibration, record, crew=crew, progress=tell)
    answer = conclude(found.scenario, drawn)
    notes = [note for note in (found.note, instead) if note]
    return msgspec.structs.replace(answer, notes=[*answer.notes, *notes])


def _way(
    scenario: Scenario, calibration: Calibration | None, options: PlanOptions, crew: Crew
) -> tuple[Way | None, Band | None]:
    """Return the way to the target, and the knee after it by Monte Carlo."""
    if options.target_per_s is None:
        return None, None
    way, after = way_to(with_laws(scenario, calibration), options.target_per_s)
    if not way.changes:
        return way, None
    with _progress("the knee after it") as tell:
        return way, band(knees_of(after, pipeline_of(after), crew=crew, progress=tell))


def _sweep(
    axes: tuple[Axis, ...],
    points: list[tuple[dict[str, float], Scenario]],
    calibration: Calibration | None,
    options: PlanOptions,
    crew: Crew,
) -> Sweep:
    calls = [(one, calibration, recorded_path(one, options.data)[0]) for _, one in points]
    found: dict[int, dict[str, float | None]] = {}
    with _progress("sweeping") as tell:
        for index, figures in crew.compute(figures_at, calls):
            found[index] = figures
            tell(len(found) * options.sweep_runs, len(points) * options.sweep_runs)
    rows = [SweepPoint(at, found[index]) for index, (at, _) in enumerate(points)]
    return Sweep(list(axes), rows)
