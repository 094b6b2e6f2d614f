"""Tables of the trader's commands, made of what the node answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from node.client.addresses import checksummed
from node.client.valuation import Valued, market_called
from node.types.ids import Address
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS, decimal_from_units

NOTHING = "–"

_MS_PER_S: Final = 1_000


def results_table(result: dict[str, Any]) -> Table:
    """Return what became of each item of an action."""
    table = _table(f"sequence {result['sequence']}, block {result['block']}")
    for name in ("order", "client id", "status", "filled", "remaining", "reason"):
        table.add_column(name, justify="right" if name in {"filled", "remaining"} else "left")
    for item in result["results"]:
        fault = item.get("error")
        if fault is not None:
            told = f"{fault['code']} {fault['name']}"
            table.add_row(NOTHING, NOTHING, Text("refused", "red"), NOTHING, NOTHING, told)
            continue
        table.add_row(
            str(item["order_id"]),
            str(item.get("client_id") or NOTHING),
            item["status"],
            item.get("filled", NOTHING),
            item.get("remaining", NOTHING),
            item.get("reason", NOTHING),
        )
    return table


def cancelled_line(result: dict[str, Any]) -> str:
    """Return how many orders a cancel-all took, and which."""
    orders = result["results"][0]["cancelled"]
    named = ", ".join(str(number) for number in orders[:20])
    more = ", …" if len(orders) > 20 else ""
    return f"{len(orders)} cancelled: {named}{more}; sequence {result['sequence']}"


def orders_table(account: dict[str, Any]) -> Table:
    """Return the open orders of an account; one that waits tells the mark that it waits for."""
    table = _table(f"open orders of {account['account']}")
    columns = (
        "order", "client id", "market", "side", "type", "price", "remaining", "filled",
        "waits for", "group", "until",
    )  # fmt: skip
    for name in columns:
        numeric = name in {"price", "remaining", "filled"}
        table.add_column(name, justify="right" if numeric else "left")
    for order in account["orders"]:
        table.add_row(
            str(order["order_id"]),
            str(order["client_id"] or NOTHING),
            order["market"],
            side_text(order["side"]),
            order["type"].replace("_", " ") + (", reduce only" if order["reduce_only"] else ""),
            order["price"],
            order["remaining"],
            order["filled"],
            _waits_for(order),
            str(order.get("group", NOTHING)),
            moment(order["good_till"]) if "good_till" in order else NOTHING,
        )
    return table


def _waits_for(order: dict[str, Any]) -> str:
    if "trigger" not in order:
        return NOTHING
    return f"{order['trigger'].replace('_', ' ')} {order['trigger_price']}"


def moment(time: int) -> str:
    """Return milliseconds since the Unix epoch as a date and a time of day, to the second."""
    return f"{datetime.fromtimestamp(time / _MS_PER_S, UTC):%Y-%m-%d %H:%M:%S} UTC"


def positions_table(address: Address, valued: list[Valued], rules: Rules) -> Table:
    """Return the positions of an account, each at its mark."""
    table = _table(f"positions of {checksummed(address)}")
    columns = (
        "market", "side", "size", "entry", "mark", "liquidation", "notional", "unrealized",
        "margin", "maintenance / equity", "leverage",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="left" if name in {"market", "side"} else "right")
    for position in valued:
        table.add_row(*_position_row(position, rules))
    return table


def _position_row(position: Valued, rules: Rules) -> list[Text | str]:
    market = market_called(position.market, rules)
    ticks = market.tick_decimals
    ratio = position.margin_ratio
    return [
        position.market,
        Text("long", "green") if position.long else Text("short", "red"),
        decimal_from_units(abs(position.size), market.lot_decimals),
        f"{position.entry_price.scaleb(-ticks):.{ticks}f}",
        decimal_from_units(position.mark, ticks),
        NOTHING
        if position.liquidation is None
        else decimal_from_units(position.liquidation, ticks),
        dollars(position.notional),
        Text(dollars(position.unrealized), "green" if position.unrealized >= 0 else "red"),
        dollars(position.margin),
        f"{ratio:.1%}" if ratio.is_finite() else "past it",
        f"{position.leverage:.1f}×",
    ]


def balance_line(account: dict[str, Any], valued: list[Valued]) -> str:
    """Return what the account has: free, held back by orders, and with its positions."""
    free, reserved = Decimal(account["free"]), Decimal(account["reserved"])
    equity = free + reserved + sum(Decimal(one.equity).scaleb(-MONEY_DECIMALS) for one in valued)
    return f"free {free:,.2f}   reserved {reserved:,.2f}   equity {equity:,.2f}"


def book_table(symbol: str, seq: int, bids: list[Any], asks: list[Any], depth: int) -> Table:
    """Return the best ``depth`` levels of each side, bids left, the best ones on top."""
    table = _table(f"{symbol}  at sequence {seq}")
    for name, style in (("size", ""), ("bid", "green"), ("ask", "red"), ("size", "")):
        table.add_column(name, justify="right", style=style, min_width=10)
    for place in range(min(depth, max(len(bids), len(asks), 1))):
        bid = bids[place] if place < len(bids) else ("", "")
        ask = asks[place] if place < len(asks) else ("", "")
        table.add_row(bid[1], bid[0], ask[0], ask[1])
    if bids and asks:
        spread = Decimal(asks[0][0]) - Decimal(bids[0][0])
        middle = (Decimal(asks[0][0]) + Decimal(bids[0][0])) / 2
        table.caption = f"spread {spread.normalize():f} ({spread / middle * 10_000:.2f} bp)"
    return table


def side_text(side: str) -> Text:
    """Return a side in its colour."""
    return Text(side, "green" if side == "buy" else "red")


def dollars(amount: int) -> str:
    """Return millionths as dollars and cents, rounded half to even, for people alone."""
    return f"{Decimal(amount).scaleb(-MONEY_DECIMALS):,.2f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", caption_justify="left")
