"""``plimsoll ramp``: where the knee of a running node is."""

from pathlib import Path
from typing import Annotated, Final

import typer

from node.app.cli.arguments import require_places
from node.app.cli.idle import idle_faults, typed
from node.simulation.ramp.command import RampOptions
from node.simulation.ramp.command import ramp as run_ramp
from node.simulation.ramp.messages import Mix
from node.simulation.ramp.ramp import ACCOUNTS, WINDOW_S
from node.simulation.ramp.target import CONFIG
from node.types.faults import raise_faults

DataOption = Annotated[
    Path | None, typer.Option(help="The node's data folder: its page then shows the knee.")
]
ConfigOption = Annotated[
    Path, typer.Option(help="The configuration of a node that is started here.")
]
ReportOption = Annotated[
    Path | None, typer.Option(help="Write the report with its plots here (HTML).")
]


_ONLY_WITH: Final = {"rpc": "url", "data": "url"}
_NOT_WITH: Final = {"config": "url"}


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command()(ramp)


def ramp(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    url: Annotated[
        str, typer.Option("--node", help="A node of this machine; empty: start one of its own.")
    ] = "",
    rpc: Annotated[
        str, typer.Option(help="A devnet on which to fund the accounts; empty: they are funded.")
    ] = "",
    config: ConfigOption = CONFIG,
    mix: Annotated[
        list[Mix] | None, typer.Option(help="What the flow consists of; may be given repeatedly.")
    ] = None,
    first: Annotated[float, typer.Option(help="Actions a second to begin with.")] = 250.0,
    highest: Annotated[float, typer.Option(help="Actions a second never to exceed.")] = 50_000.0,
    window: Annotated[float, typer.Option(help="Seconds for which each point counts.")] = WINDOW_S,
    within: Annotated[
        float, typer.Option(help="Seconds after which to end, all known or not.")
    ] = 1_800.0,
    accounts: Annotated[int, typer.Option(help="Accounts that trade.")] = ACCOUNTS,
    connections: Annotated[int, typer.Option(help="WebSocket connections.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the flow and of its times.")] = 1,
    data: DataOption = None,
    json: Annotated[Path | None, typer.Option(help="Write the report here.")] = None,
    report: ReportOption = None,
    *,
    liquidations: Annotated[
        bool, typer.Option(help="Liquidate small accounts at each point, to time their lane.")
    ] = True,
) -> None:
    """Find the knee of a node with an open-loop load from another process, and draw it.

    Open loop: actions go out when they are due, answered or not, and delays count from then. Only
    nodes of this machine are ramped: the load goes to twice what they carry. A mix takes about
    five minutes. Where --within cuts it, what is known is told and written as incomplete (exit 4).

    Example: plimsoll ramp --mix single --mix bulk --json ramp.json --report ramp.html
    """
    raise_faults(idle_faults(context, typed(context), _ONLY_WITH, _NOT_WITH))
    require_places(json=json, report=report)
    options = RampOptions(
        url=url,
        rpc=rpc,
        config=config,
        mixes=tuple(mix or (Mix.SINGLE,)),
        first_per_s=first,
        highest_per_s=highest,
        window_s=window,
        within_s=within,
        accounts=accounts,
        connections=connections,
        seed=seed,
        liquidations=liquidations,
        data=data,
        json_path=json,
        html_path=report,
    )
    raise typer.Exit(run_ramp(options))
