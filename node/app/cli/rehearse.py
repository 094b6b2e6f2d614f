"""``plimsoll rehearse``: a scenario on the real node, under a simulated clock."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from node.app.cli.arguments import require_places
from node.app.cli.recorded import RecordedOption, recorded_folder, recorded_path
from node.app.config import NodeConfig, read_config
from node.app.logs import set_up_logs
from node.app.sections import read_toml
from node.planner.calibrated import resolved
from node.planner.model import pipeline_of, with_laws
from node.planner.scenario import Scenario
from node.planner.timeline import Timeline, timeline
from node.simulation.rehearsal.run import Rehearsal, rehearse
from node.simulation.rehearsal.script import Costs, Fault, Script
from node.simulation.replay.sources import read_flow_config
from node.types.errors import ConfigInvalid

CLIENTS = Path("configs/flows/demo.toml")
CONFIG = Path("configs/devnet.toml")

_US = 1e-6


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command("rehearse")(rehearse_scenario)


def rehearse_scenario(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    scenario: Annotated[Path, typer.Argument(help="A scenario (TOML): see configs/scenarios.")],
    config: Annotated[Path, typer.Option(help="The node's configuration (TOML).")] = CONFIG,
    clients: Annotated[Path, typer.Option(help="Who sends (TOML): see configs/flows.")] = CLIENTS,
    begin: Annotated[float, typer.Option(help="Where in the scenario to begin, in seconds.")] = 0.0,
    seconds: Annotated[float, typer.Option(help="How much of it to play.")] = 120.0,
    scale: Annotated[
        float, typer.Option(help="Part of the flow that is played, on a node as much slower.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of the scenario's draw.")] = 1,
    data: RecordedOption = None,
    json: Annotated[Path | None, typer.Option(help="Write everything here (JSON).")] = None,
) -> None:
    """Rehearse: play a scenario to the whole node, its L1 and its verifier, on a simulated clock.

    Nothing waits, and work takes the time that the scenario says, so the same seed gives the same
    log on any machine. Exits 1 where the verifier rebuilds another root.

    Example: plimsoll rehearse configs/scenarios/l1-outage.toml --begin 1700 --seconds 300
    """
    require_places(json=json)
    _require_ranges(begin, seconds, scale)
    read = read_config(config)
    named = resolved(read_toml(scenario), scenario.parent)
    found = with_laws(named.scenario, named.calibration)
    record, _ = recorded_path(found, recorded_folder(data))
    drawn = timeline(found, seed, record)
    script = script_of(found, drawn, seed).stretch(begin, seconds, scale)
    set_up_logs("error")
    columns = (
        TextColumn("rehearsing"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("opening", total=script.seconds)

        def tell(done_s: float, total_s: float) -> None:
            about = f"{done_s:,.0f} of {total_s:,.0f} s"
            progress.update(task, completed=done_s, description=about)

        result = rehearse(script, node_of(read, found, script), read_flow_config(clients), tell)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    Console(soft_wrap=True, highlight=False).print(table_of(result))
    if result.verdict or len(set(result.roots.values())) != 1 or not result.conserved:
        raise typer.Exit(1)


def _require_ranges(begin: float, seconds: float, scale: float) -> None:
    ranges = {
        "begin": (begin, 0, 86_400),
        "seconds": (seconds, 1, 86_400),
        "scale": (scale, 1e-4, 1),
    }
    faults = tuple(
        f"{name}: {value:g}, {low:g} … {high:g} allowed"
        for name, (value, low, high) in ranges.items()
        if not low <= value <= high
    )
    if faults:
        raise ConfigInvalid(faults=faults)


def script_of(scenario: Scenario, drawn: Timeline, seed: int) -> Script:
    """Return one draw of a scenario as what is to be rehearsed."""
    loop_us = [(kind.share, kind.loop_us) for kind in scenario.kinds if kind.loop_us is not None]
    verify_us = [
        (kind.share, kind.verify_us) for kind in scenario.kinds if kind.verify_us is not None
    ]
    service = scenario.service
    return Script(
        name=scenario.name,
        step_s=drawn.step_s,
        rate=tuple(drawn.rate_per_s.tolist()),
        price=tuple(drawn.price.tolist()),
        oracle=tuple(drawn.oracle.tolist()),
        oracle_s=scenario.oracle.interval_s,
        faults=tuple(
            Fault(
                fault.from_s, fault.until_s, fault.kind, fault.gas_price_factor,
                fault.inclusion, fault.depth,
            )
            for fault in drawn.faults
        ),
        costs=Costs(
            command_s=_mean(loop_us) * _US,
            verify_s=_mean(verify_us) * _US,
            commit_s=pipeline_of(scenario).journal.commit_s,
            workers=service.workers,
        ),
        block_s=scenario.l1.block_s,
        inclusion=scenario.l1.inclusion,
        finality_blocks=scenario.l1.finality_blocks,
        seed=seed,
    )  # fmt: skip


def _mean(weighted: list[tuple[float, float]]) -> float:
    total = sum(share for share, _ in weighted)
    return sum(share * value for share, value in weighted) / total if total else 0.0


def node_of(config: NodeConfig, scenario: Scenario, script: Script) -> NodeConfig:
    """Return the node that a scenario describes: its lanes, batches and L1."""
    replace = msgspec.structs.replace
    lanes, batches = scenario.lanes, scenario.batches
    return replace(
        config,
        sequencer=replace(
            config.sequencer,
            system_lane=lanes.system,
            liquidation_lane=lanes.liquidation,
            reducing_lane=lanes.reducing,
            resting_lane=lanes.resting,
            taking_lane=lanes.taking,
            signature_workers=script.costs.workers,
        ),
        batcher=replace(
            config.batcher,
            commands_max=batches.commands_max,
            data_bytes_max=batches.data_bytes_max,
            gas_max=batches.gas_max,
            age_ms_max=round(batches.age_s * 1_000),
            backlog_batches_max=batches.backlog_batches_max,
            backlog_bytes_max=batches.backlog_bytes_max,
        ),
        settlement=replace(config.settlement, in_flight_max=scenario.l1.in_flight_max),
        l1=replace(config.l1, finality_blocks=scenario.l1.finality_blocks),
        http=replace(config.http, port=0),
        # It would run in processes of its own, which know nothing of the simulated clock.
        history=replace(config.history, enabled=False),
        drain_s=max(config.drain_s, 60 * scenario.l1.block_s),
    )


def table_of(result: Rehearsal) -> Table:
    """Return what came of a rehearsal for a person."""
    table = Table(title=f"Rehearsed: {result.name}", title_justify="left", show_header=False)
    clients, moments, stats = result.clients, result.moments, result.stats
    ack = clients.latency_ms["ack"]
    worst = max(moments, key=lambda moment: moment.unposted_batches)
    rows = {
        "played": f"{result.seconds:,.0f} s on the simulated clock",
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
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _counts(counts: dict[str, int], unit: str = "") -> str:
    return ", ".join(f"{count:,}{unit} {name}" for name, count in counts.items()) or "none"
