"""``plimsoll replay`` and ``plimsoll demo``: load for a node, and the whole story at once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from node.app.cli.arguments import require_places
from node.app.cli.idle import idle_faults, typed
from node.simulation.demo.command import DemoOptions
from node.simulation.demo.command import demo as run_demo
from node.simulation.replay.command import BUNDLED_FLOW, ReplayOptions
from node.simulation.replay.command import replay as run_replay
from node.types.faults import raise_faults


class TapeFormat(StrEnum):
    """The formats of recorded tapes."""

    BME = "bme"
    LOBSTER = "lobster"
    BITSTAMP = "bitstamp"
    CSV = "csv"


_ONLY_WITH: Final = {
    "tape": "file",
    "market": "file",
    "accounts": "file",
    "limit": "file",
    "fills": "engine_only",
}
_NOT_WITH: Final = {
    "flow": "file",
    **dict.fromkeys(
        ("url", "rpc", "speed", "accounts", "market", "limit", "connections", "window"),
        "engine_only",
    ),
}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(demo)
    app.command()(replay)


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="Where summary.json, logs and data go; a temporary folder otherwise."),
    ] = None,
    flow: Annotated[Path, typer.Option(help="The flow (TOML).")] = BUNDLED_FLOW,
    block_time: Annotated[float, typer.Option(help="Seconds between the devnet's blocks.")] = 1.0,
) -> None:
    """Watch the whole story: chain, node, calm, rush and crash, batches, and the verifier.

    Exits 1 if anything does not hold in the end: roots, money, counters, the size of the flow.

    Example: plimsoll demo --out ./out
    """
    options = DemoOptions(out=out, flow=flow, block_time_s=block_time)
    raise typer.Exit(run_demo(options))


def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="A recorded tape; without one, the bundled flow.")
    ] = None,
    tape: Annotated[
        TapeFormat, typer.Option("--format", help="The tape's format.")
    ] = TapeFormat.CSV,
    url: Annotated[str, typer.Option("--node", help="The node.")] = "http://127.0.0.1:8480",
    rpc: Annotated[
        str, typer.Option(help="A devnet on which to fund the accounts; empty: they are funded.")
    ] = "",
    speed: Annotated[
        str, typer.Option(help="A multiple of real time, or max: as fast as the node takes.")
    ] = "1",
    flow: Annotated[Path, typer.Option(help="The flow, where there is no tape.")] = BUNDLED_FLOW,
    market: Annotated[str, typer.Option(help="Where the tape trades; empty: the first.")] = "",
    accounts: Annotated[int, typer.Option(help="Accounts that share the tape's orders.")] = 100,
    limit: Annotated[int | None, typer.Option(help="At most so many events of the tape.")] = None,
    connections: Annotated[int, typer.Option(help="WebSocket connections.")] = 4,
    window: Annotated[int, typer.Option(help="Actions unanswered at a time, with max.")] = 256,
    json: Annotated[Path | None, typer.Option(help="Write the report here.")] = None,
    fills: Annotated[Path | None, typer.Option(help="Write the fills here (engine only).")] = None,
    *,
    loop: Annotated[
        bool, typer.Option("--loop", help="Repeat the flow until Ctrl-C; prices go to and fro.")
    ] = False,
    engine_only: Annotated[
        bool, typer.Option("--engine-only", help="In this process: no network, no margin.")
    ] = False,
) -> None:
    """Drive a running node, open loop, from the bundled flow or from a recorded tape.

    Example: plimsoll replay --rpc http://127.0.0.1:8545 --speed 2

    Example: plimsoll replay --rpc http://127.0.0.1:8545 --flow configs/flows/calm.toml --loop

    Example: plimsoll replay --engine-only --format bme orders.csv.gz --json out.json
    """
    raise_faults(idle_faults(context, typed(context), _ONLY_WITH, _NOT_WITH))
    require_places(json=json, fills=fills)
    options = ReplayOptions(
        url=url,
        file=file,
        format_name=tape.value,
        flow=flow,
        loop=loop,
        market=market,
        accounts=accounts,
        limit=limit,
        speed=speed,
        connections=connections,
        window=window,
        rpc=rpc,
        json_path=json,
        engine_only=engine_only,
        fills_path=fills,
    )
    raise typer.Exit(run_replay(options))
