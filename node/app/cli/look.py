"""``plimsoll positions``, ``orders``, ``fills``, ``book``: what stands, and what an account did."""

import asyncio
import signal
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.table import Table

from node.app.cli.arguments import read_market
from node.app.cli.fitting_table import FittingTable
from node.app.cli.options import (
    DEFAULT_KEY,
    DEFAULT_NODE,
    AnyAccountOption,
    JsonOption,
    KeyOption,
    NodeOption,
    account_of,
    for_people,
    print_json,
)
from node.app.cli.past import last_rows
from node.app.cli.trade_tables import (
    balance_line,
    book_table,
    closed_orders_table,
    fills_table,
    orders_table,
    positions_table,
)
from node.client.local_book import LocalBook
from node.client.marks import follow_marks
from node.client.session import connect
from node.client.valuation import Valued, market_called, value
from node.types.errors import ConfigInvalid
from node.types.ids import Address, hex_from_address
from node.types.rules import Rules
from node.types.units import decimal_from_units, money_text

LOOK_S: Final = 0.2
"""How often the live book is drawn: faster than an eye reads, slower than a terminal writes."""


OPEN: Final = ("waiting", "resting")
"""What the history says of an order that has not ended."""

LIMIT: Final = 20
LimitOption = Annotated[
    int | None, typer.Option(min=1, max=10_000, help=f"How many, the newest first; else {LIMIT}.")
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(positions)
    app.command()(orders)
    app.command()(fills)
    app.command()(book)


def positions(
    account: AnyAccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    *,
    json: JsonOption = False,
) -> None:
    """Show balances and positions, each at its mark and with the price that would liquidate it.

    Equity and that price count the funding since a position was last touched. Any account may be
    named.

    Example: plimsoll positions --account 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    address = account_of(key, account)
    shown, valued, rules = asyncio.run(_positions(address, node))
    if json:
        print_json({**shown, "positions": [position_fields(one, rules) for one in valued]})
        return
    console = for_people()
    console.print(balance_line(shown, valued))
    if valued:
        console.print(positions_table(address, valued, rules))
    else:
        console.print("no positions")


def orders(
    account: AnyAccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    *,
    closed: Annotated[
        bool,
        typer.Option("--closed", help="Show those that ended instead, from the node's history."),
    ] = False,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Show the open orders of an account, or of those that ended the last to be accepted.

    Example: plimsoll orders --key ~/trader.key

    Example: plimsoll orders --closed --limit 5
    """
    if limit is not None and not closed:
        raise ConfigInvalid(faults=("limit: without --closed all open orders are shown",))
    address = account_of(key, account)
    if closed:
        past = asyncio.run(_past(node, "orders", address, limit, OPEN))
        _show_past(past, closed_orders_table(address, past), "no closed orders", as_json=json)
        return
    shown = asyncio.run(_get(node, f"/orders/{hex_from_address(address)}"))
    if json:
        print_json(shown)
    elif shown["orders"]:
        for_people().print(orders_table(address, shown["orders"]))
    else:
        for_people().print("no open orders")


def fills(
    account: AnyAccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    *,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Show the last fills of an account, the newest first, from the node's history.

    Example: plimsoll fills --limit 5
    """
    address = account_of(key, account)
    past = asyncio.run(_past(node, "fills", address, limit))
    _show_past(past, fills_table(address, past), "no fills", as_json=json)


def book(
    market: Annotated[str, typer.Argument(help="The market's symbol: BTC-PERP.")],
    depth: Annotated[int, typer.Option(min=1, max=100, help="Levels of each side.")] = 10,
    node: NodeOption = DEFAULT_NODE,
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it as it stands, and end.")] = False,
    json: JsonOption = False,
) -> None:
    """Show a market's book, live until Ctrl-C; with --json a line when it has changed.

    Example: plimsoll book BTC-PERP --depth 5

    Example: plimsoll book BTC-PERP --once --json
    """
    asyncio.run(
        _book_once(market, depth, node, json) if once else _follow(market, depth, node, json)
    )


def position_fields(position: Valued, rules: Rules) -> dict[str, Any]:
    """Return a position for programs: decimals as texts, in the units of the API."""
    market = market_called(position.market, rules)
    ticks, ratio = market.tick_decimals, position.margin_ratio
    liquidation = position.liquidation
    money = {
        name: money_text(getattr(position, name))
        for name in (
            "entry",
            "margin",
            "funding",
            "notional",
            "unrealized",
            "equity",
            "initial",
            "maintenance",
        )
    }
    return {
        "market": position.market,
        "size": decimal_from_units(position.size, market.lot_decimals),
        **money,
        "mark": decimal_from_units(position.mark, ticks),
        "liquidation": None if liquidation is None else decimal_from_units(liquidation, ticks),
        "margin_ratio": f"{ratio:.6f}" if ratio.is_finite() else None,
    }


async def _positions(address: Address, node: str) -> tuple[dict[str, Any], list[Valued], Rules]:
    async with connect(node) as session:
        marks = await follow_marks(session)
        shown = await session.get(f"/account/{hex_from_address(address)}")
        valued = [
            value(position, session.rules, marks.prices[market], marks.indices[market])
            for position in shown["positions"]
            for market in (position["market"],)
        ]
        return shown, valued, session.rules


def _show_past(past: dict[str, Any], table: FittingTable, nothing: str, *, as_json: bool) -> None:
    if as_json:
        print_json(past)
    else:
        for_people().print(table if past["rows"] else nothing)


async def _past(
    node: str, table: str, account: Address, limit: int | None, without: Iterable[str] = ()
) -> dict[str, Any]:
    async with connect(node) as session:
        return await last_rows(session.get, table, account, limit or LIMIT, without)


async def _get(node: str, path: str) -> dict[str, Any]:
    async with connect(node) as session:
        return await session.get(path)


async def _book_once(symbol: str, depth: int, node: str, as_json: bool) -> None:
    async with connect(node) as session:
        rules = read_market(symbol, session.rules)[1]
        shown = await session.get(f"/book/{rules.symbol}?depth={depth}")
    if as_json:
        print_json(shown)
    else:
        for_people().print(
            book_table(shown["market"], shown["seq"], shown["bids"], shown["asks"], depth)
        )


async def _follow(symbol: str, depth: int, node: str, as_json: bool) -> None:
    """Draw the book until the process is interrupted, which is how it is meant to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with connect(node) as session:
        rules = read_market(symbol, session.rules)[1]
        followed = await session.follow_book(rules.symbol)
        if as_json:
            await _write(followed, depth, stop)
        else:
            await _draw(followed, depth, stop)


async def _draw(followed: LocalBook, depth: int, stop: asyncio.Event) -> None:
    with Live(console=for_people(), auto_refresh=False, transient=False) as live:
        while not stop.is_set():
            live.update(drawn(followed, depth), refresh=True)
            await _pause(stop)


def drawn(followed: LocalBook, depth: int) -> Table | str:
    """Return the book; while nobody tells it, that: the last one may be long past."""
    if _is_away(followed):
        return f"{followed.market}: reconnecting"
    bids, asks = followed.bids(depth), followed.asks(depth)
    return book_table(followed.market, followed.seq, bids, asks, depth)


def _is_away(followed: LocalBook) -> bool:
    return followed.ended is None and not followed.known


async def _write(followed: LocalBook, depth: int, stop: asyncio.Event) -> None:
    told, away = -1, False
    while not stop.is_set():
        was_away, away = away, _is_away(followed)
        if away and not was_away:
            for_people(stderr=True).print(f"{followed.market}: reconnecting")
        if not away and followed.seq != told:
            told = followed.seq
            bids, asks = followed.bids(depth), followed.asks(depth)
            print_json({"market": followed.market, "seq": told, "bids": bids, "asks": asks})
        await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_S):
            await stop.wait()
    except TimeoutError:
        return
