"""The exchange through the methods, structures and errors of CCXT, without CCXT.

    async with PlimsollExchange({"privateKey": key}) as exchange:
        await exchange.create_order("BTC/USDC:USDC", "limit", "buy", 0.01, 60000)
        print(await exchange.fetch_positions())

``has`` tells exactly what there is. Arguments may be floats; what is signed is an exact number of
ticks and lots. Times are those of blocks, in milliseconds. An answer of the exchange stands in
``info`` as it came.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from node.client.ccxt_errors import (
    ArgumentsRequired,
    BadRequest,
    InvalidOrder,
    OperationRejected,
    OrderNotFound,
    translated,
)
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_numbers import Number, exact, truncated, units
from node.client.ccxt_orders import (
    Wish,
    asked_of,
    client_id_of,
    order_number,
    order_of_result,
    rejected_structure,
    wish_of,
)
from node.client.ccxt_public import PublicMethods, within
from node.client.ccxt_structures import (
    balance_structure,
    margin_structure,
    order_structure,
    own_trade_structure,
    position_structure,
)
from node.client.ccxt_venue import Structure, also_in_camel_case, require_none
from node.client.local_account import ENDED_MAX, Order
from node.client.marks import worst_price
from node.client.subscription import Message
from node.client.trader import wall_clock_ms
from node.client.valuation import lots_of, ticks_of, value
from node.types.commands import CancelOrder, NewOrder, Side
from node.types.errors import NothingToCancel
from node.types.ids import EVERY_MARKET, ClientOrderId, OrderId
from node.types.units import MONEY_DECIMALS, Millis, Money, Ticks

FEED_S: Final = 2.0
"""How long a result waits for the feed to tell what its fills cost."""


@also_in_camel_case
class PlimsollExchange(PublicMethods):
    """See the module and ``Venue``. Every method raises the errors of ``ccxt_errors``."""

    def __init__(
        self,
        config: Structure | None = None,
        *,
        now_ms: Callable[[], Millis] = wall_clock_ms,
    ) -> None:
        super().__init__(config, now_ms=now_ms)
        self._asked: OrderedDict[int, Structure] = OrderedDict()

    # --- the account --------------------------------------------------------------------------

    async def fetch_balance(self, params: Structure | None = None) -> Structure:
        """Return the collateral: free, and used by orders and positions."""
        require_none(params)
        return balance_structure(await self._shown(), self.quote)

    async def fetch_positions(
        self, symbols: Sequence[str] | None = None, params: Structure | None = None
    ) -> list[Structure]:
        """Return the open positions of ``symbols`` (None: of every market), each at its mark."""
        require_none(params)
        await self.load_markets()
        wanted = None if symbols is None else {self.market(name)["id"] for name in symbols}
        shown = await self._shown()
        return [
            await self._position(told)
            for told in shown["positions"]
            if wanted is None or told["market"] in wanted
        ]

    async def fetch_position(
        self, symbol: str, params: Structure | None = None
    ) -> Structure | None:
        """Return the position in a market; None where there is none."""
        positions = await self.fetch_positions([symbol], params)
        return positions[0] if positions else None

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return the open orders, of ``symbol`` or of every market."""
        require_none(params)
        feeds = await self._private()
        name = None if symbol is None else self.market(symbol)["id"]
        orders = [one for one in feeds.account.open.values() if name in {None, one.market}]
        return within([self._shown_order(one) for one in orders], since, limit)

    async def fetch_order(
        self,
        id: str,  # noqa: A002 - CCXT's name
        symbol: str | None = None,  # noqa: ARG002 - an id says all
        params: Structure | None = None,
    ) -> Structure:
        """Return an order that is open, or has ended since the account is followed."""
        require_none(params)
        order = (await self._private()).order(order_number(id))
        if order is None:
            raise OrderNotFound(f"plimsoll: no order {id} is open or has ended lately")
        return self._shown_order(order)

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return the account's fills since it is followed, the oldest first."""
        require_none(params)
        feeds = await self._private()
        name = None if symbol is None else self.market(symbol)["id"]
        fills = [fill for fill in feeds.fills() if name in {None, fill.market}]
        shown = [own_trade_structure(self._symbol_of(one.market), one, self.quote) for one in fills]
        return within(shown, since, limit)

    # --- orders -------------------------------------------------------------------------------

    async def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order; params: clientOrderId, timeInForce, postOnly, reduceOnly, slippage."""
        asked = {"symbol": symbol, "type": type, "side": side, "amount": amount, "price": price}
        return (await self.create_orders([{**asked, "params": params or {}}]))[0]

    async def create_orders(
        self, orders: Sequence[Structure], params: Structure | None = None
    ) -> list[Structure]:
        """Place orders under one signature; one that is refused alone is ``rejected``."""
        require_none(params)
        if not orders:
            raise ArgumentsRequired("plimsoll: there are no orders")
        feeds = await self._private()
        wishes = [
            wish_of(
                one["symbol"], one["type"], one["side"], one["amount"], one.get("price"),
                one.get("params") or {},
            )
            for one in orders
        ]  # fmt: skip
        new = tuple([await self._new_order(wish) for wish in wishes])
        with translated():
            result = await (await self.trader()).place(new)
            if any(item.get("filled", "0") != "0" for item in result["results"]):
                await feeds.until(result["sequence"], FEED_S)
        return [
            self._placed(wish, one, item, result)
            for wish, one, item in zip(wishes, new, result["results"], strict=True)
        ]

    async def cancel_order(
        self,
        id: str | None,  # noqa: A002 - CCXT's name
        symbol: str | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Cancel an order by its id, or by ``clientOrderId`` in params."""
        asked = dict(params or {})
        client_id = client_id_of(asked.pop("clientOrderId", None))
        require_none(asked)
        if (id is None) == (client_id == 0):
            raise ArgumentsRequired("plimsoll: a cancel names an id, or a clientOrderId in params")
        cancel = (
            CancelOrder(client_id=ClientOrderId(client_id))
            if id is None
            else CancelOrder(OrderId(order_number(id)))
        )
        return (await self._cancel((cancel,), symbol))[0]

    async def cancel_orders(
        self, ids: Sequence[str], symbol: str | None = None, params: Structure | None = None
    ) -> list[Structure]:
        """Cancel orders under one signature; one that was gone is ``rejected``."""
        require_none(params)
        return await self._cancel(
            tuple(CancelOrder(OrderId(order_number(one))) for one in ids), symbol
        )

    async def cancel_all_orders(
        self, symbol: str | None = None, params: Structure | None = None
    ) -> list[Structure]:
        """Cancel every open order, of ``symbol`` or of every market; [] where there is none."""
        require_none(params)
        feeds = await self._private()
        market = EVERY_MARKET if symbol is None else self._market_id(symbol)
        with translated():
            try:
                result = await (await self.trader()).cancel_all(market)
            except NothingToCancel:
                return []
            await feeds.until(result["sequence"], FEED_S)
        numbers = result["results"][0]["cancelled"]
        return [self._ended(feeds, number, symbol, {"order_id": number}) for number in numbers]

    async def add_margin(
        self, symbol: str, amount: Number, params: Structure | None = None
    ) -> Structure:
        """Move free collateral into a position's margin."""
        require_none(params)
        return await self._adjust(symbol, exact(amount), "add")

    async def reduce_margin(
        self, symbol: str, amount: Number, params: Structure | None = None
    ) -> Structure:
        """Take collateral out of a position's margin."""
        require_none(params)
        return await self._adjust(symbol, -exact(amount), "reduce")

    # --- live ---------------------------------------------------------------------------------

    async def watch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait until orders change, and return them as they stand; first those that are open."""
        require_none(params)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            changed = {one.order_id: one for one in await feeds.order_news.take() if one}
            orders = [one for one in changed.values() if name in {None, one.market}]
            if orders:
                return within([self._shown_order(one) for one in orders], since, limit)

    async def watch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait for fills of the account, and return them."""
        require_none(params)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            fills = [one for one in await feeds.fill_news.take() if one]
            wanted = [one for one in fills if name in {None, one.market}]
            if wanted:
                shown = [
                    own_trade_structure(self._symbol_of(one.market), one, self.quote)
                    for one in wanted
                ]
                return within(shown, since, limit)

    async def watch_balance(self, params: Structure | None = None) -> Structure:
        """Wait until the collateral changes, and return it; at first, as it stands."""
        require_none(params)
        while True:
            feeds = await self._private()
            if any(await feeds.balance_news.take()):
                return balance_structure(feeds.account_fields(), self.quote)

    async def watch_positions(
        self,
        symbols: Sequence[str] | None = None,
        since: int | None = None,  # noqa: ARG002 - a position is as it stands
        limit: int | None = None,  # noqa: ARG002 - as above
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait until positions change, and return the open ones among them."""
        require_none(params)
        await self.load_markets()
        wanted = None if symbols is None else {self.market(name)["id"] for name in symbols}
        while True:
            feeds = await self._private()
            changed = {one["market"] for one in await feeds.position_news.take() if one}
            names = changed if wanted is None else changed & wanted
            if names:
                held = feeds.account.positions
                return [await self._position(held[name]) for name in sorted(names) if name in held]

    async def _private(self) -> Feeds:
        """Return the feeds, with the account's among them."""
        await self.load_markets()
        with translated():
            await self.trader()
            return await self.feeds()

    async def _shown(self) -> Message:
        with translated():
            return await (await self.session()).get(f"/account/{await self.account()}")

    async def _position(self, told: Message) -> Structure:
        with translated():
            marks, session = await self.marks(), await self.session()
        name = told["market"]
        held = value(told, session.rules, marks.prices[name])
        rules = self._rules_of(name)
        return position_structure(self._symbol_of(name), told, held, rules, marks.times[name])

    async def _new_order(self, wish: Wish) -> NewOrder:
        rules = self._rules_of(wish.symbol)
        price = wish.price
        ticks = (
            await self._worst_price(wish)
            if price is None
            else ticks_of(self.price_to_precision(wish.symbol, price), rules)
        )
        if ticks <= 0:
            raise InvalidOrder("plimsoll: a price is above zero")
        size = lots_of(self.amount_to_precision(wish.symbol, wish.amount), rules)
        client_id = ClientOrderId(wish.client_id)
        market = self._market_id(wish.symbol)
        return NewOrder(market, wish.side, wish.kind, ticks, size, wish.reduce_only, client_id)

    async def _worst_price(self, wish: Wish) -> Ticks:
        """Return the price that ``slippage`` off the mark is, rounded toward the mark."""
        with translated():
            mark = (await self.marks()).prices.get(self.market(wish.symbol)["id"])
        if mark is None:
            raise OperationRejected(f"plimsoll: {wish.symbol} has no mark so far")
        share = self.slippage if wish.slippage is None else exact(wish.slippage)
        return worst_price(mark, wish.side is Side.BUY, share)

    def _placed(self, wish: Wish, new: NewOrder, item: Message, result: Message) -> Structure:
        market = self.market(wish.symbol)
        if "error" in item:
            return rejected_structure(market["symbol"], wish, item, result["time"])
        self._asked[item["order_id"]] = asked_of(new)
        if len(self._asked) > ENDED_MAX:
            self._asked.popitem(last=False)
        assert self._feeds is not None
        order = self._feeds.order(item["order_id"])
        if order is None:
            decimals = self._rules_of(wish.symbol).tick_decimals
            price = Decimal(new.price).scaleb(-decimals)
            side = wish.side.name.lower()
            order = order_of_result(item, market["id"], side, price, result["time"])
        return self._shown_order(order) | {"info": item}

    def _shown_order(self, order: Order) -> Structure:
        asked = self._asked.get(order.order_id, {})
        return order_structure(self._symbol_of(order.market), order, asked, self.quote)

    async def _cancel(
        self, cancels: tuple[CancelOrder, ...], symbol: str | None
    ) -> list[Structure]:
        if not cancels:
            raise ArgumentsRequired("plimsoll: there are no orders")
        feeds = await self._private()
        with translated():
            result = await (await self.trader()).place((), cancels)
            await feeds.until(result["sequence"], FEED_S)
        return [
            {"id": str(cancel.order_id), "status": "rejected", "info": item}
            if "error" in item
            else self._ended(feeds, item["order_id"], symbol, item)
            for cancel, item in zip(cancels, result["results"], strict=True)
        ]

    def _ended(self, feeds: Feeds, number: int, symbol: str | None, item: Message) -> Structure:
        order = feeds.order(number)
        if order is None:
            return {"id": str(number), "symbol": symbol, "status": "canceled", "info": item}
        return self._shown_order(order) | {"status": "canceled", "info": item}

    async def _adjust(self, symbol: str, amount: Decimal, kind: str) -> Structure:
        await self._private()
        if not amount:
            raise BadRequest("plimsoll: an amount is above zero")
        money = Money(units(truncated(amount, MONEY_DECIMALS), MONEY_DECIMALS))
        with translated():
            result = await (await self.trader()).adjust_margin(self._market_id(symbol), money)
        return margin_structure(self.market(symbol)["symbol"], kind, amount, self.quote, result)
