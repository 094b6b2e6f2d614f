"""``plimsoll amend`` and ``plimsoll switch``: what becomes of orders that stand already."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from node.app.cli.arguments import read_duration, read_market, read_money, read_units
from node.app.cli.options import (
    DEFAULT_KEY,
    DEFAULT_NODE,
    AccountOption,
    JsonOption,
    KeyOption,
    NodeOption,
    RollupOption,
    for_people,
    pinned_to,
    print_json,
    read_key,
)
from node.app.cli.order_options import GoodTillOption, MaxFeeOption, RetryOption
from node.app.cli.trade import EXPIRES_S, checked_end, open_trader, read_end, tell_results
from node.app.cli.trade_tables import moment
from node.client.pinned import Pinned
from node.client.retry import PATIENT
from node.client.session import Session, connect
from node.client.wallet import NEVER
from node.types.commands import AmendOrder
from node.types.errors import ConfigInvalid, UnknownOrder
from node.types.ids import Address, ClientOrderId, OrderId, hex_from_address
from node.types.units import UINT64_MAX, Lots, Millis, Ticks


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An amend as it was typed: an order by one of its numbers, the other is 0."""

    order_id: int
    client_id: int
    price: str | None
    size: str | None
    trigger_price: str | None
    good_till: str | None
    max_fee: str | None
    retry: bool


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(amend)
    app.command()(switch)


def amend(  # noqa: PLR0913 - each is an option of the command line
    order_id: Annotated[
        int, typer.Argument(min=0, max=UINT64_MAX, help="The order, by the exchange's number.")
    ] = 0,
    *,
    size: Annotated[
        str | None,
        typer.Option(help="Its whole size from now on; what is filled counts. Default: as it is."),
    ] = None,
    price: Annotated[str | None, typer.Option(help="Its price; default: as it is.")] = None,
    trigger_price: Annotated[
        str | None,
        typer.Option(help="The mark that it waits for; its --price stays unless it is named too."),
    ] = None,
    good_till: GoodTillOption = None,
    client_id: Annotated[
        int, typer.Option(min=0, max=UINT64_MAX, help="The order, by your own number.")
    ] = 0,
    max_fee: MaxFeeOption = None,
    retry: RetryOption = False,
    account: AccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    json: JsonOption = False,
) -> None:
    """Change an open order, which keeps its numbers.

    It keeps its place in the queue as well if only its size falls or its end moves.

    Example: plimsoll amend 1207 --size 0.02

    Example: plimsoll amend --client-id 7 --size 0.02 --price 60010.5

    Example: plimsoll amend 1208 --trigger-price 57500 --good-till 2d
    """
    if bool(order_id) == bool(client_id):
        raise ConfigInvalid(faults=("amend: an order number, or --client-id: one of them allowed",))
    if (size, price, trigger_price, good_till) == (None,) * 4:
        fault = "amend: --size, --price, --trigger-price, --good-till: at least one of them allowed"
        raise ConfigInvalid(faults=(fault,))
    wish = _Wish(
        order_id=order_id, client_id=client_id, price=price, size=size,
        trigger_price=trigger_price, good_till=checked_end(good_till), max_fee=max_fee,
        retry=retry,
    )  # fmt: skip
    result = asyncio.run(_amend(wish, read_key(key), account, node, pinned_to(rollup)))
    tell_results(result, as_json=json)


def switch(
    within: Annotated[
        str | None, typer.Option("--in", help="When: 30s, 15m, 4h or 2d from now.")
    ] = None,
    *,
    on_disconnect: Annotated[
        bool,
        typer.Option(
            "--on-disconnect",
            help="When the last connection that is logged in ends; at once, if there is none.",
        ),
    ] = False,
    off: Annotated[bool, typer.Option("--off", help="Not any more.")] = False,
    account: AccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    json: JsonOption = False,
) -> None:
    """Set the dead man's switch: when the exchange itself cancels all orders of the account.

    It replaces what was set before; set it anew, again and again, and it never goes off.

    Example: plimsoll switch --in 30s

    Example: plimsoll switch --in 5m --on-disconnect

    Example: plimsoll switch --off
    """
    armed = within is not None or on_disconnect
    if armed == off:
        fault = "switch: --in and --on-disconnect, one or both of them, or --off allowed"
        raise ConfigInvalid(faults=(fault,))
    ahead = None if within is None else read_duration("in", within)
    secret = read_key(key)
    cancel_at, result = asyncio.run(
        _switch(ahead, secret, account, node, pinned_to(rollup), on_disconnect=on_disconnect)
    )
    if json:
        print_json({**result, "switch": {"cancel_at": cancel_at, "on_disconnect": on_disconnect}})
    else:
        for_people().print(_switch_line(cancel_at, on_disconnect=on_disconnect))


async def _amend(
    wish: _Wish, secret: bytes, account: str, node: str, pinned: Pinned
) -> dict[str, Any]:
    async with connect(node, pinned=pinned) as session:
        trader = await open_trader(session, secret, account, EXPIRES_S)
        order = await _open_order(session, trader.wallet.account, wish)
        new = _change(wish, order, session, trader.now_ms())
        max_fee = None if wish.max_fee is None else read_money("max_fee", wish.max_fee)
        return await trader.place(
            amends=(new,), max_fee=max_fee, retry=PATIENT if wish.retry else None
        )


def _change(wish: _Wish, order: dict[str, Any], session: Session, now: Millis) -> AmendOrder:
    """Return what is meant; ``order`` is as it stands."""
    market_id, rules = read_market(order["market"], session.rules)
    # A size is the whole one, what is filled included.
    told = str(Decimal(order["filled"]) + Decimal(order["remaining"]))
    size = read_units("size", wish.size or told, rules.lot_decimals)
    trigger_price = 0
    if wish.trigger_price is not None:
        trigger_price = read_units("trigger_price", wish.trigger_price, rules.tick_decimals)
    return AmendOrder(
        market_id,
        Ticks(read_units("price", wish.price or order["price"], rules.tick_decimals)),
        Lots(size),
        OrderId(wish.order_id),
        ClientOrderId(wish.client_id),
        Ticks(trigger_price),
        read_end(wish.good_till, now),
    )


async def _open_order(session: Session, account: Address, wish: _Wish) -> dict[str, Any]:
    """Return the order that is meant, as it stands. Raises ``UnknownOrder``."""
    field, number = ("order_id", wish.order_id) if wish.order_id else ("client_id", wish.client_id)
    shown = await session.get(f"/orders/{hex_from_address(account)}")
    for order in shown["orders"]:
        if order[field] == number:
            return dict(order)
    raise UnknownOrder(**{field: number})


async def _switch(
    ahead: int | None,
    secret: bytes,
    account: str,
    node: str,
    pinned: Pinned,
    *,
    on_disconnect: bool,
) -> tuple[Millis, dict[str, Any]]:
    """Set the switch ``ahead`` milliseconds from now; return when that is, and the result."""
    async with connect(node, pinned=pinned) as session:
        trader = await open_trader(session, secret, account, EXPIRES_S)
        cancel_at = NEVER if ahead is None else Millis(trader.now_ms() + ahead)
        return cancel_at, await trader.set_switch(cancel_at, on_disconnect=on_disconnect)


def _switch_line(cancel_at: Millis, *, on_disconnect: bool) -> str:
    when = []
    if cancel_at:
        when.append(f"at {moment(cancel_at)}")
    if on_disconnect:
        when.append("when its last connection ends")
    return f"all orders are cancelled {', or '.join(when)}" if when else "the switch is off"
