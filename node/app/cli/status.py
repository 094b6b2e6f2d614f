"""``plimsoll status``: how a node is, on one screen."""

import asyncio
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from node.app.cli.options import DEFAULT_NODE, JsonOption, NodeOption, for_people, print_json
from node.client.session import connect
from node.types.errors import NotFound

EXIT_UNWELL: Final = 4
UNKNOWN: Final = "–"


def add_to(app: typer.Typer) -> None:
    """Add this module's command to ``app``."""
    app.command()(status)


def status(
    node: NodeOption = DEFAULT_NODE,
    *,
    json: JsonOption = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Write nothing; the exit code tells.")
    ] = False,
) -> None:
    """Show a node's health, its load line, how far L1 is, and the top of each book.

    Exits with 4 where the node does not answer, or says that it cannot do its work.

    Example: plimsoll status --node http://127.0.0.1:8480
    """
    found = asyncio.run(_look(node))
    if json:
        print_json(found)
    elif not quiet:
        show(found, for_people())
    if found["health"]["status"] != "ok":
        raise typer.Exit(EXIT_UNWELL)


async def _look(node: str) -> dict[str, Any]:
    async with connect(node) as session:
        markets = (await session.get("/markets"))["markets"]
        symbols = [market["symbol"] for market in markets]
        books = [await session.get(f"/book/{symbol}?depth=1") for symbol in symbols]
        load = await session.get("/load")
        return {
            "node": node,
            "rollup": "0x" + session.domain.rollup.hex(),
            "chain_id": session.domain.chain_id,
            "health": await session.get("/health"),
            "load": load,
            "fee": await session.get("/fee"),
            "finality": await _finality(session.get),
            "books": books,
            "markets": [{"symbol": one["symbol"], **one["now"]} for one in markets],
        }


async def _finality(get: Any) -> dict[str, Any]:
    """Return how far each mark of finality is; the first command stands in every log."""
    try:
        shown = await get("/finality/1")
    except NotFound:
        return {"posted": 0, "safe": 0, "final": 0}
    return {name: shown[name] for name in ("posted", "safe", "final")}


def show(found: dict[str, Any], console: Console) -> None:
    """Write what was found for a person."""
    health, load = found["health"], found["load"]
    well = health["status"] == "ok"
    reasons = "" if well else f": {', '.join(health['reasons'])}"
    console.print(f"{health['status']}{reasons}", style="bold green" if well else "bold red")
    console.print(f"{found['node']}   rollup {found['rollup']} on chain {found['chain_id']}")
    console.print(load_line(load))
    console.print(_finality_line(found["finality"], load))
    console.print(f"a unit of work costs {found['fee'].get('price', UNKNOWN)}")
    console.print(_books_table(found))


def load_line(load: dict[str, Any]) -> str:
    """Return the load line as a sentence: the rate, the limit, and what sets it."""
    limit = load.get("bottleneck")
    gate = load.get("gate")
    parts = [f"{load.get('rate_per_s', 0):,.0f} commands/s"]
    if limit is not None:
        parts.append(f"of {limit['limit_per_s']:,.0f} ({limit['resource']})")
    headroom = load.get("headroom")
    if headroom is not None:
        parts.append(f"headroom {headroom:.0%}")
    parts.append(f"gate closed: {gate}" if gate else "gate open")
    return "   ".join(parts)


def _finality_line(finality: dict[str, Any], load: dict[str, Any]) -> str:
    marks = "   ".join(f"{name} {finality[name]:,}" for name in ("posted", "safe", "final"))
    batches = load.get("batches")
    if batches is None:
        return f"L1, by sequence: {marks}"
    return f"L1, by sequence: {marks}   {batches['unposted']} batches wait"


def _books_table(found: dict[str, Any]) -> Table:
    table = Table("market", "bid", "ask", "data's age", "opens")
    now = {market["symbol"]: market for market in found["markets"]}
    for book in found["books"]:
        state = now[book["market"]]
        age = state.get("data_age_ms")
        table.add_row(
            book["market"],
            book["bids"][0][0] if book["bids"] else UNKNOWN,
            book["asks"][0][0] if book["asks"] else UNKNOWN,
            UNKNOWN if age is None else f"{age / 1_000:.1f} s",
            "yes" if state.get("opens") else "no",
        )
    return table
