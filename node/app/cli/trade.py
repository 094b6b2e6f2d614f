"""``plimsoll order`` and ``plimsoll cancel``: one signed action, and what became of it."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
import typer

from node.app.cli.arguments import (
    read_address,
    read_market,
    read_moment,
    read_money,
    read_units,
)
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
from node.app.cli.order_options import (
    DeadlineOption,
    ExpiresOption,
    GoodTillOption,
    GroupOption,
    MaxFeeOption,
    PreviewOption,
    RetryOption,
    SelfTradeName,
    SelfTradeOption,
    SideName,
    SlippageOption,
    StopOption,
    TakeProfitOption,
    TypeName,
    TypeOption,
)
from node.app.cli.trade_tables import cancelled_line, preview_table, results_table
from node.client.marks import follow_marks, worst_price
from node.client.pinned import Pinned
from node.client.retry import PATIENT
from node.client.session import Session, connect
from node.client.trader import Trader, wall_clock_ms
from node.types.commands import CancelOrder, NewOrder, OrderType, SelfTrade, Side, Trigger
from node.types.errors import ConfigInvalid, MarkStale
from node.types.ids import EVERY_MARKET, ClientOrderId, MarketId, OrderId
from node.types.rules import MarketRules
from node.types.units import UINT64_MAX, Lots, Millis, Ticks

EXPIRES_S: Final = 60

_TYPES: Final = dict(zip(TypeName, OrderType, strict=True))


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was typed; numbers are still texts, since their steps are the market's."""

    market: str
    side: SideName
    size: str
    price: str | None
    kind: TypeName
    slippage: Decimal
    reduce_only: bool
    client_id: int
    self_trade: SelfTradeName
    good_till: str | None
    stop: str | None
    take_profit: str | None
    group: int
    max_fee: str | None
    expires_s: int
    deadline_ms: int | None
    retry: bool


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to ``app``."""
    app.command()(order)
    app.command()(cancel)


def order(  # noqa: PLR0913 - each is an option of the command line
    market: Annotated[str, typer.Argument(help="The market's symbol: BTC-PERP.")],
    side: Annotated[SideName, typer.Argument(help="buy or sell.")],
    size: Annotated[str, typer.Argument(help="In the base asset, as a decimal: 0.01.")],
    price: Annotated[
        str | None, typer.Argument(help="The worst price; a market order needs none.")
    ] = None,
    kind: TypeOption = None,
    slippage: SlippageOption = 0.02,
    *,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only ever reduce.")] = False,
    client_id: Annotated[
        int, typer.Option(min=0, max=UINT64_MAX, help="A name of your own; 0: none.")
    ] = 0,
    self_trade: SelfTradeOption = SelfTradeName.CANCEL_MAKER,
    good_till: GoodTillOption = None,
    stop: StopOption = None,
    take_profit: TakeProfitOption = None,
    group: GroupOption = 0,
    max_fee: MaxFeeOption = None,
    expires_s: ExpiresOption = EXPIRES_S,
    deadline_ms: DeadlineOption = None,
    retry: RetryOption = False,
    preview: PreviewOption = False,
    account: AccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    json: JsonOption = False,
) -> None:
    """Place an order, and tell what became of it once it is durable; or preview what it would be.

    Example: plimsoll order BTC-PERP buy 0.01 60000

    Example: plimsoll order ETH-PERP sell 1.5 --slippage 0.005 --reduce-only --key ~/trader.key

    Example: plimsoll order BTC-PERP buy 0.01 59000 --type post-only-slide --good-till 15m

    Example: plimsoll order BTC-PERP sell 0.01 --stop 58000 --reduce-only --group 1
    """
    wish = _Wish(
        market=market, side=side, size=size, price=price,
        kind=kind or (TypeName.MARKET if price is None else TypeName.GTC),
        slippage=Decimal(str(slippage)), reduce_only=reduce_only, client_id=client_id,
        self_trade=self_trade, good_till=checked_end(good_till), stop=stop, take_profit=take_profit,
        group=group, max_fee=max_fee, expires_s=expires_s, deadline_ms=deadline_ms, retry=retry,
    )  # fmt: skip
    if price is None and wish.kind is not TypeName.MARKET:
        raise ConfigInvalid(faults=(f"price: is missing, and --type is {wish.kind.value}",))
    if stop is not None and take_profit is not None:
        fault = "stop: an order waits for one price; two orders of one --group are a pair"
        raise ConfigInvalid(faults=(fault,))
    if preview and (retry or deadline_ms is not None):
        fault = "preview: nothing is sent, so neither --retry nor --deadline-ms is allowed"
        raise ConfigInvalid(faults=(fault,))
    result = asyncio.run(
        _order(wish, read_key(key), account, node, pinned_to(rollup), preview=preview)
    )
    (_tell_preview if preview else tell_results)(result, as_json=json)


def cancel(  # noqa: PLR0913 - each is an option of the command line
    order_ids: Annotated[
        list[int] | None, typer.Argument(help="Orders, by the exchange's numbers.")
    ] = None,
    client_id: Annotated[
        list[int] | None,
        typer.Option(min=1, max=UINT64_MAX, help="An order by your own number; repeatable."),
    ] = None,
    market: Annotated[str, typer.Option(help="All open orders of this market.")] = "",
    *,
    every: Annotated[bool, typer.Option("--all", help="All open orders of all markets.")] = False,
    account: AccountOption = "",
    key: KeyOption = DEFAULT_KEY,
    node: NodeOption = DEFAULT_NODE,
    rollup: RollupOption = None,
    json: JsonOption = False,
) -> None:
    """Cancel orders by number, by client id, of one market, or all.

    It is sent again while the node is overloaded, for ten seconds at most: it can only happen once.

    Example: plimsoll cancel 1207 1208

    Example: plimsoll cancel --client-id 7

    Example: plimsoll cancel --all
    """
    single = (
        *(CancelOrder(OrderId(number)) for number in order_ids or ()),
        *(CancelOrder(client_id=ClientOrderId(number)) for number in client_id or ()),
    )
    ways = (bool(single), bool(market), every)
    if sum(ways) != 1:
        fault = "cancel: order numbers or client ids, or --market, or --all: one of them allowed"
        raise ConfigInvalid(faults=(fault,))
    if any(not 0 < number <= UINT64_MAX for number in order_ids or ()):
        raise ConfigInvalid(faults=("order_ids: numbers from 1 allowed",))
    result = asyncio.run(_cancel(single, market, read_key(key), account, node, pinned_to(rollup)))
    if single:
        tell_results(result, as_json=json)
    elif json:
        print_json(result)
    else:
        for_people().print(cancelled_line(result))


async def _order(
    wish: _Wish, secret: bytes, account: str, node: str, pinned: Pinned, *, preview: bool
) -> dict[str, Any]:
    """Return the order's result, or with ``preview`` what it would come to."""
    async with connect(node, pinned=pinned) as session:
        market_id, rules = read_market(wish.market, session.rules)
        size = Lots(read_units("size", wish.size, rules.lot_decimals))
        max_fee = None if wish.max_fee is None else read_money("max_fee", wish.max_fee)
        trigger, trigger_price = _trigger(wish, rules)
        trader = await open_trader(session, secret, account, wish.expires_s)
        new = NewOrder(
            market_id,
            Side[wish.side.name],
            _TYPES[wish.kind],
            await _price(session, wish, rules, trigger_price),
            size,
            wish.reduce_only,
            ClientOrderId(wish.client_id),
            SelfTrade[wish.self_trade.name],
            read_end(wish.good_till, trader.now_ms()),
            trigger,
            trigger_price,
            wish.group,
        )
        if preview:
            return await trader.preview(new, max_fee=max_fee)
        return await trader.place(
            (new,),
            max_fee=max_fee,
            deadline_ms=wish.deadline_ms,
            retry=PATIENT if wish.retry else None,
        )


def checked_end(good_till: str | None) -> str | None:
    """Return ``good_till`` as it was typed: what it cannot mean is told before anyone is asked."""
    read_end(good_till, wall_clock_ms())
    return good_till


def read_end(good_till: str | None, now: Millis) -> Millis:
    """Return when an order ends, by the node's clock; 0 where nothing was typed."""
    return Millis(0) if good_till is None else read_moment("good_till", good_till, now)


def _trigger(wish: _Wish, rules: MarketRules) -> tuple[Trigger, Ticks]:
    """Return what the order waits for, and at which price; at once: ``NONE`` and 0."""
    for kind, name, text in (
        (Trigger.STOP, "stop", wish.stop),
        (Trigger.TAKE_PROFIT, "take_profit", wish.take_profit),
    ):
        if text is not None:
            return kind, Ticks(read_units(name, text, rules.tick_decimals))
    return Trigger.NONE, Ticks(0)


async def _price(session: Session, wish: _Wish, rules: MarketRules, trigger_price: Ticks) -> Ticks:
    """Return the worst price: the one that was typed, or ``slippage`` off what it will meet."""
    if wish.price is not None:
        return Ticks(read_units("price", wish.price, rules.tick_decimals))
    if trigger_price:
        return worst_price(trigger_price, wish.side is SideName.BUY, wish.slippage)
    marks = await follow_marks(session)
    mark = marks.prices.get(rules.symbol)
    if mark is None:
        raise MarkStale(market=rules.symbol, detail="there is no mark so far")
    return worst_price(mark, wish.side is SideName.BUY, wish.slippage)


async def _cancel(
    single: Sequence[CancelOrder],
    market: str,
    secret: bytes,
    account: str,
    node: str,
    pinned: Pinned,
) -> dict[str, Any]:
    async with connect(node, pinned=pinned) as session:
        chosen: MarketId = EVERY_MARKET
        if market:
            chosen = read_market(market, session.rules)[0]
        trader = await open_trader(session, secret, account, EXPIRES_S)
        if single:
            return await trader.place((), tuple(single))
        return await trader.cancel_all(chosen)


async def open_trader(session: Session, secret: bytes, account: str, expires_s: int) -> Trader:
    """Return what signs for the key's own account, or for ``account`` as its agent."""
    owner = read_address("account", account) if account else None
    return await Trader.open(session, secret, owner, lifetime_ms=expires_s * 1_000)


def _tell_preview(told: dict[str, Any], *, as_json: bool) -> None:
    """Write what an order would come to; exit with 1 where it would be refused."""
    if as_json:
        print_json(told)
    else:
        for_people().print(preview_table(told))
    if told["error"] is not None:
        raise typer.Exit(1)


def tell_results(result: dict[str, Any], *, as_json: bool) -> None:
    """Write ``result``; exit with 1 where an item of it was refused."""
    if as_json:
        print_json(result)
    else:
        for_people().print(results_table(result))
    if any("error" in item for item in result["results"]):
        raise typer.Exit(1)
