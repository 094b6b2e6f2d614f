"""``plimsoll rehearse``: a scenario on the real node, under a simulated clock."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from node.app.cli.arguments import require_places
from node.app.cli.recorded import RecordedOption, recorded_folder, recorded_path
from node.app.cli.rehearsed import BEFORE_S, first_event_s, node_of, script_of, unplayed
from node.app.config import NodeConfig, read_config
from node.app.logs import set_up_logs
from node.app.sections import read_toml
from node.planner.calibrated import resolved
from node.planner.model import with_laws
from node.planner.scenario import Scenario
from node.planner.timeline import Timeline, timeline
from node.simulation.flow.config import FlowConfig
from node.simulation.progress import shown_progress
from node.simulation.rehearsal.run import Rehearsal, rehearse
from node.simulation.rehearsal.script import Script
from node.simulation.replay.sources import read_flow_config
from node.types.faults import out_of, raise_faults

CLIENTS = Path("configs/flows/demo.toml")
CONFIG = Path("configs/devnet.toml")

SECONDS = 120.0
LEAD_MAX_S = 86_400


class Played(msgspec.Struct, frozen=True):
    """What of a scenario was rehearsed, and how.

    ``notes`` say what stands in for what is missing, ``unplayed`` are the keys that the scenario
    says and a rehearsal does not play.
    """

    begin_s: float
    scale: float
    seed: int
    notes: tuple[str, ...]
    unplayed: tuple[str, ...]


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command("rehearse")(rehearse_scenario)


def rehearse_scenario(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    scenario: Annotated[Path, typer.Argument(help="A scenario (TOML): see configs/scenarios.")],
    config: Annotated[Path, typer.Option(help="The node's configuration (TOML).")] = CONFIG,
    clients: Annotated[Path, typer.Option(help="Who sends (TOML): see configs/flows.")] = CLIENTS,
    begin: Annotated[
        float | None,
        typer.Option(
            help="Where in the scenario to begin, in seconds.",
            show_default=f"{BEFORE_S:.0f} before the first thing that happens",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="How much of it to play.", show_default=f"{SECONDS:.0f}, or what is left"
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Part of the flow that is played, on a node as much slower.")
    ] = 0.1,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the scenario's.")] = None,
    data: RecordedOption = None,
    json: Annotated[Path | None, typer.Option(help="Write everything here (JSON).")] = None,
) -> None:
    """Rehearse: play a scenario to the whole node, its L1 and its verifier, on a simulated clock.

    Nothing waits, and work takes the time that the scenario says, so the same seed gives the same
    log on any machine. Exits 1 where the verifier rebuilds another root.

    Example: plimsoll rehearse configs/scenarios/l1-outage.toml --begin 1700 --seconds 300
    """
    require_places(json=json)
    read, sends = read_config(config), read_flow_config(clients)
    named = resolved(read_toml(scenario), scenario.parent)
    found = with_laws(named.scenario, named.calibration)
    record, note = recorded_path(found, recorded_folder(data))
    seed = found.extent.seed if seed is None else seed
    _require_ranges(found, begin, seconds, scale, seed)
    drawn = timeline(found, seed, record)
    begin, seconds = _part(found, drawn, begin, seconds)
    script = script_of(found, drawn, seed).stretch(begin, seconds, scale)
    raise_faults(out_of("seconds until l1.unposted_at_start wait", script.lead_s, 0, LEAD_MAX_S))
    played = Played(
        begin_s=begin,
        scale=scale,
        seed=seed,
        notes=tuple(filter(None, (note, named.note))),
        unplayed=unplayed(named.tables, found, script),
    )
    set_up_logs("error")
    result = _rehearse(script, node_of(read, found, script, sends), sends)
    if json is not None:
        whole_of_it = msgspec.structs.asdict(played) | msgspec.structs.asdict(result)
        json.write_bytes(msgspec.json.format(msgspec.json.encode(whole_of_it)) + b"\n")
    Console(soft_wrap=True, highlight=False).print(table_of(played, result))
    if result.verdict or len(set(result.roots.values())) != 1 or not result.conserved:
        raise typer.Exit(1)


def _part(
    scenario: Scenario, drawn: Timeline, begin: float | None, seconds: float | None
) -> tuple[float, float]:
    """Return where to begin and how much to play, where nothing else is asked for."""
    whole_s = scenario.steps * scenario.extent.step_s
    if begin is None:
        # No later than leaves room for what is asked for.
        latest_s = whole_s - (seconds or SECONDS)
        begin = max(min(first_event_s(scenario, drawn) - BEFORE_S, latest_s), 0.0)
    return begin, min(SECONDS, whole_s - begin) if seconds is None else seconds


def _rehearse(script: Script, node: NodeConfig, clients: FlowConfig) -> Rehearsal:
    """Rehearse, and show how far it has come."""
    columns = (
        TextColumn("rehearsing"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with shown_progress(*columns) as progress:
        task = progress.add_task("opening", total=script.seconds)

        def tell(done_s: float, total_s: float) -> None:
            about = f"{done_s:,.0f} of {total_s:,.0f} s"
            progress.update(task, completed=done_s, description=about)

        return rehearse(script, node, clients, tell)


def _require_ranges(
    scenario: Scenario, begin: float | None, seconds: float | None, scale: float, seed: int
) -> None:
    """Raise ``ConfigInvalid`` for what is asked for and not there."""
    step_s = scenario.extent.step_s
    whole_s = scenario.steps * step_s
    faults = out_of("scale", scale, 1e-4, 1) + out_of("seed", seed, 0, 2**63 - 1)
    if begin is not None:
        faults += out_of("begin", begin, 0, whole_s - step_s)
    if seconds is not None:
        faults += out_of("seconds", seconds, step_s, max(whole_s - (begin or 0.0), step_s))
    raise_faults(faults)


def table_of(played: Played, result: Rehearsal) -> Table:
    """Return what came of a rehearsal for a person."""
    table = Table(title=f"Rehearsed: {result.name}", title_justify="left", show_header=False)
    clients, moments, stats = result.clients, result.moments, result.stats
    ack = clients.latency_ms["ack"]
    lead = f", after {result.lead_s:,.0f} s in which L1 took nothing" if result.lead_s else ""
    worst = max(moments, key=lambda moment: moment.unposted_batches)
    rows = {
        "played": f"{result.seconds:,.0f} s from {played.begin_s:,.0f} s on, at a scale of"
        f" {played.scale:g}" + lead,
        "actions": f"{clients.offered:,} offered = {clients.accepted:,} accepted"
        f" + {clients.refused:,} refused + {clients.lost:,} lost",
        "refusals": _counts(clients.refusals),
        "acknowledged": ", ".join(
            f"{name} {'–' if value is None else f'{value:,.1f} ms'}" for name, value in ack.items()
        ),
        "gate closed": _counts({k: round(v) for k, v in result.gate_closed_s.items()}, " s"),
        "most unposted": f"{worst.unposted_batches:,} batches, {worst.unposted_bytes:,} bytes,"
        f" at {worst.at_s:,.0f} s",
        "most in flight": f"{max(moment.in_flight for moment in moments)} transactions",
        "price of work": f"{moments[0].fee} at first, {max(m.fee for m in moments)} at most",
        "oldest mark": f"{max(moment.mark_age_s for moment in moments):,.1f} s",
        "liquidations": f"{stats['liquidations']:,}, deleveragings {stats['deleveragings']:,}",
        "L1": f"{stats['batches']['posted']:,} batches posted, {result.reorgs} reorgs",
        "verifier": "the same root" if not result.verdict else result.verdict,
        "conserved": "yes" if result.conserved else "NO",
        "not played": ", ".join(played.unplayed) or "–",
        "notes": "\n".join(played.notes) or "–",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _counts(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{count:,}{unit} {name}" for name, count in counts.items()) or "none"
