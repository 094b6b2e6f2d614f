"""Tables of the trader's commands, made of what the node answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from node.app.cli.fitting_table import NOTHING, FittingTable, plain_table
from node.client.addresses import checksummed
from node.client.valuation import Valued, market_called
from node.types.ids import Address
from node.types.rules import Rules
from node.types.units import MONEY_DECIMALS, MS_PER_S, decimal_from_units


def results_table(result: dict[str, Any]) -> FittingTable:
    """Return what became of each item of an action."""
    names = ("order", "client id", "status", "filled", "remaining", "reason")
    rows: list[list[Text | str]] = []
    for item in result["results"]:
        fault = item.get("error")
        if fault is not None:
            told = f"{fault['code']} {fault['name']}"
            rows.append([NOTHING, NOTHING, Text("refused", "red"), NOTHING, NOTHING, told])
            continue
        rows.append(
            [
                str(item["order_id"]),
                str(item.get("client_id") or NOTHING),
                item["status"],
                item.get("filled", NOTHING),
                item.get("remaining", NOTHING),
                item.get("reason", NOTHING),
            ]
        )
    title = f"sequence {result['sequence']}, block {result['block']}"
    return FittingTable(title, names, {"status", "reason"}, rows)


def preview_table(told: dict[str, Any]) -> Table:
    """Return what an order would come to: its fills, what it would cost, and the position then."""
    result, fault, fees, held = told["result"], told["error"], told["fees"], told["position"]
    rows: list[tuple[str, Text | str]] = []
    if fault:
        values = ", ".join(f"{name}={value}" for name, value in fault["values"].items())
        rows.append(("outcome", Text("refused", "red")))
        rows.append(("reason", f"{fault['code']} {fault['name']}({values})"))
    else:
        rows.append(("outcome", result["status"].replace("_", " ")))
        rows += [("fill", f"{one['size']} at {one['price']}") for one in told["fills"]]
        rows += [
            ("value of fills", told["value"]),
            ("fees", f"{fees['trade']} for fills, {fees['work']} for work"),
            ("remaining", result["remaining"]),
            ("reserved for it", told["reserved"]),
        ]
    rows.append(("free", told["free"]))
    if held:
        rows += [
            (f"position in {held['market']}", held["size"]),
            ("margin", held["margin"]),
            ("liquidation price", held["liquidation_price"] or NOTHING),
        ]
    if not told["exact"]:
        rows.append(("not tried", "orders beyond those that a preview looks at"))
    table = plain_table(f"preview, as of sequence {told['sequence']}: nothing was sent")
    table.show_header = False
    for row in rows:
        table.add_row(*row)
    return table


def cancelled_line(result: dict[str, Any]) -> str:
    """Return how many orders a cancel-all took, and which."""
    orders = result["results"][0]["cancelled"]
    named = ", ".join(str(number) for number in orders[:20])
    more = ", …" if len(orders) > 20 else ""
    return f"{len(orders)} cancelled: {named}{more}; sequence {result['sequence']}"


def orders_table(address: Address, orders: list[dict[str, Any]]) -> FittingTable:
    """Return the open ``orders`` of an account; one that waits tells the mark that it waits for."""
    names = (
        "order", "client id", "market", "side", "type", "price", "remaining", "filled",
        "waits for", "group", "until",
    )  # fmt: skip
    rows: list[list[Text | str]] = [
        [
            str(order["order_id"]),
            str(order["client_id"] or NOTHING),
            order["market"],
            side_text(order["side"]),
            _type_of(order),
            order["price"],
            order["remaining"],
            order["filled"],
            _waits_for(order),
            str(order.get("group", NOTHING)),
            moment(order["good_till"]) if "good_till" in order else NOTHING,
        ]
        for order in orders
    ]
    words = {"market", "side", "type", "waits for", "until"}
    title = f"open orders of {checksummed(address)}"
    return FittingTable(title, names, words, rows, ("group", "client id", "until", "filled"))


def _type_of(order: dict[str, Any]) -> str:
    kind = str(order["type"]).replace("_", " ")
    return f"{kind}, reduce only" if order["reduce_only"] else kind


def closed_orders_table(address: Address, past: dict[str, Any]) -> FittingTable:
    """Return the orders of an account that ended, as the history has them."""
    names = (
        "ended", "order", "client id", "market", "side", "type", "price", "size", "filled", "fees",
        "status", "reason",
    )  # fmt: skip
    rows: list[list[Text | str]] = [
        [
            moment(order["closed_time"]),
            str(order["order_id"]),
            str(order["client_id"] or NOTHING),
            order["market"],
            side_text(order["side"]),
            _type_of(order),
            order["price"],
            order["size"],
            order["filled"],
            order["fees"],
            order["status"],
            (order["reason"] or NOTHING).replace("_", " "),
        ]
        for order in past["rows"]
    ]
    words = {"ended", "market", "side", "type", "status", "reason"}
    title = _past_title("closed orders", address, past)
    return FittingTable(title, names, words, rows, ("client id", "fees", "type", "reason"))


def fills_table(address: Address, past: dict[str, Any]) -> FittingTable:
    """Return the fills of an account, each from its own side, as the history has them."""
    names = ("time", "order", "market", "side", "price", "size", "value", "fee", "realized", "role")
    rows = [_fill_row(fill, past["account"]) for fill in past["rows"]]
    title = _past_title("fills", address, past)
    words = {"time", "market", "side", "role"}
    return FittingTable(title, names, words, rows, ("value", "realized", "role"))


def _fill_row(fill: dict[str, Any], account: str) -> list[Text | str]:
    making = fill["maker"] == account
    role = "maker" if making else "taker"
    other = "sell" if fill["taker_side"] == "buy" else "buy"
    return [
        moment(fill["time"]),
        # A liquidation takes without an order.
        str(fill[f"{role}_order"] or NOTHING),
        fill["market"],
        side_text(other if making else fill["taker_side"]),
        fill["price"],
        fill["size"],
        fill["value"],
        fill[f"{role}_fee"],
        fill[f"{role}_realized"],
        role if making or fill["taker_order"] else "liquidated",
    ]


def _past_title(what: str, address: Address, past: dict[str, Any]) -> str:
    return f"{what} of {checksummed(address)}, up to sequence {past['sequence']}"


def _waits_for(order: dict[str, Any]) -> str:
    if "trigger" not in order:
        return NOTHING
    return f"{order['trigger'].replace('_', ' ')} {order['trigger_price']}"


def moment(time: int) -> str:
    """Return milliseconds since the Unix epoch as a date and a time of day, to the second."""
    return f"{datetime.fromtimestamp(time / MS_PER_S, UTC):%Y-%m-%d %H:%M:%S} UTC"


def positions_table(address: Address, valued: list[Valued], rules: Rules) -> FittingTable:
    """Return the positions of an account, each at its mark."""
    names = (
        "market", "side", "size", "entry", "mark", "liquidation", "notional", "unrealized",
        "margin", "funding", "maintenance / equity", "leverage",
    )  # fmt: skip
    rows = [_position_row(position, rules) for position in valued]
    spare = ("leverage", "maintenance / equity", "notional", "margin", "funding")
    title = f"positions of {checksummed(address)}"
    return FittingTable(title, names, {"market", "side"}, rows, spare)


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
        dollars(position.funding),
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
    table = plain_table(f"{symbol}  at sequence {seq}")
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
