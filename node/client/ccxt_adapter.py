"""The exchange through the methods, structures and errors of CCXT, without CCXT.

    async with PlimsollExchange({"privateKey": key}) as exchange:
        await exchange.create_order("BTC/USDC:USDC", "limit", "buy", 0.01, 60000)
        print(await exchange.fetch_positions())

``has`` tells exactly what there is. Arguments may be floats; what is signed is an exact number of
ticks and lots. Times are those of blocks, in milliseconds. An answer of the exchange stands in
``info`` as it came.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

import msgspec

from node.client.ccxt_errors import (
    ArgumentsRequired,
    BadRequest,
    InvalidOrder,
    OperationRejected,
    OrderNotFound,
    translated,
)
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_kinds import OrderKinds
from node.client.ccxt_numbers import Number, exact, iso8601, truncated, units
from node.client.ccxt_orders import (
    Wish,
    client_id_of,
    end_of,
    kind_of,
    order_number,
    order_of_result,
    refused_order,
    wish_in,
)
from node.client.ccxt_structures import margin_structure, unheard_order_structure
from node.client.ccxt_venue import Structure, also_in_camel_case, require_none
from node.client.ccxt_watch import WatchMethods
from node.client.errors import error_from_body
from node.client.local_account import Order
from node.client.marks import worst_price
from node.client.retry import PATIENT
from node.client.subscription import Message
from node.client.trader import Trader
from node.client.valuation import lots_of, ticks_of
from node.codec.ranges import MONEY_MAX
from node.types.commands import AmendOrder, CancelOrder, NewOrder, Side
from node.types.errors import EveryItemRejected, NothingToCancel
from node.types.ids import EVERY_MARKET, ClientOrderId, OrderId
from node.types.units import MONEY_DECIMALS, UINT64_MAX, Lots, Millis, Money, Ticks

FEED_S: Final = 2.0
"""How long a result waits for the feed: it tells what fills cost, and what an edit may name."""


@also_in_camel_case
class PlimsollExchange(OrderKinds, WatchMethods):
    """See the module and ``Venue``. Every method raises the errors of ``ccxt_errors``."""

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
        """Place an order.

        Params: clientOrderId, timeInForce, goodTillDate, postOnly, reduceOnly, slippage, group,
        selfTrade, and one of triggerPrice (with triggerDirection), stopLossPrice, takeProfitPrice;
        with one of the last two it only closes, unless reduceOnly is False.
        """
        asked = {"symbol": symbol, "type": type, "side": side, "amount": amount, "price": price}
        return (await self.create_orders([{**asked, "params": params or {}}]))[0]

    async def create_orders(
        self, orders: Sequence[Structure], params: Structure | None = None
    ) -> list[Structure]:
        """Place orders under one signature; each that is refused is ``rejected``, and says why.

        The very same orders again, each with a clientOrderId, before they were answered (after a
        ``RequestTimeout``, or a call that was cancelled) are those that were signed first, and
        placed once at most.
        """
        require_none(params)
        if not orders:
            raise ArgumentsRequired("plimsoll: there are no orders")
        feeds = await self._private()
        wishes = tuple(wish_in(one) for one in orders)
        unanswered = self._unanswered
        with translated():
            now = (await self.trader()).now_ms()
        lost = unanswered.action(wishes, now)
        new = lost.orders if lost else tuple([await self._new_order(wish) for wish in wishes])

        def send(trader: Trader) -> Awaitable[Message]:
            sent = (
                trader.send(lost, lost=True, retry=PATIENT)
                if lost
                else trader.place(new, signed=lambda action: unanswered.note(wishes, action))
            )
            return unanswered.result(wishes, sent)

        items, time = await self._outcomes(feeds, len(wishes), send)
        unanswered.told(wishes)
        _require_taken(items)
        return [
            self._placed(feeds, wish.symbol, one, item, time)
            for wish, one, item in zip(wishes, new, items, strict=True)
        ]

    async def edit_order(
        self,
        id: str | None,  # noqa: A002 - CCXT's name
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number | None = None,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Change amount and price of an open order (None: as it is), which keeps its id.

        The amount is the whole one, with what is filled. Params: clientOrderId may name the order,
        goodTillDate is its new end, triggerPrice what it waits for from now on.
        """
        asked = dict(params or {})
        number = None if id is None else order_number(id)
        client_id = client_id_of(asked.pop("clientOrderId", None))
        waits_for, ends = asked.pop("triggerPrice", None), asked.pop("goodTillDate", None)
        require_none(asked)
        if (number is None) == (client_id == 0):
            raise ArgumentsRequired("plimsoll: an edit names an id, or a clientOrderId in params")
        feeds = await self._private()
        order = feeds.account.named(number, client_id)
        if order is None:
            raise OrderNotFound(f"plimsoll: no order {id or client_id} is open")
        kind = kind_of(order.type)["type"]
        if (type, side, self.market(symbol)["id"]) != (kind, order.side, order.market):
            raise InvalidOrder("plimsoll: an edit changes neither type, nor side, nor market")
        amend = self._amend(symbol, order, amount, price)
        if ends is not None:
            amend = msgspec.structs.replace(amend, good_till=Millis(end_of(ends)))
        if waits_for is not None:
            ticks = self._ticks(symbol, waits_for)
            amend = msgspec.structs.replace(amend, trigger_price=ticks)
            if kind == "market" and price is None and order.trigger_price:
                amend = msgspec.structs.replace(amend, price=_as_far(order, ticks))
        with translated():
            result = await (await self.trader()).place(amends=(amend,))
            _require_taken(result["results"])
            await feeds.until(result["sequence"], FEED_S)
        return self._shown_order(order) | {"info": result["results"][0]}

    async def cancel_all_orders_after(
        self,
        timeout: int,  # noqa: ASYNC109 - CCXT's name, of what the exchange does and not this method
        params: Structure | None = None,
    ) -> Structure:
        """Let the exchange cancel all orders in ``timeout`` milliseconds; 0: not any more.

        With ``onDisconnect`` in params, also when the account's last connection ends.
        """
        asked = dict(params or {})
        on_disconnect = bool(asked.pop("onDisconnect", False))
        require_none(asked)
        if type(timeout) is not int or not 0 <= timeout <= UINT64_MAX - self._now_ms():
            raise BadRequest("plimsoll: a timeout is a number of milliseconds from 0")
        await self._private()
        with translated():
            trader = await self.trader()
            cancel_at = Millis(trader.now_ms() + timeout if timeout else 0)
            result = await trader.set_switch(cancel_at, on_disconnect=on_disconnect)
        time = result["time"]
        return {
            "timestamp": time, "datetime": iso8601(time), "triggerTime": cancel_at, "info": result,
        }  # fmt: skip

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
        """Cancel orders under one signature; each that was gone is ``rejected``."""
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
        return await self._adjust(symbol, exact(amount), "add", 1)

    async def reduce_margin(
        self, symbol: str, amount: Number, params: Structure | None = None
    ) -> Structure:
        """Take collateral out of a position's margin."""
        require_none(params)
        return await self._adjust(symbol, exact(amount), "reduce", -1)

    async def _new_order(self, wish: Wish) -> NewOrder:
        waits_for = Ticks(0)
        if wish.trigger_price is not None:
            waits_for = self._ticks(wish.symbol, wish.trigger_price)
        ticks = (
            await self._worst_price(wish, waits_for)
            if wish.price is None
            else self._ticks(wish.symbol, wish.price)
        )
        size = self._lots(wish.symbol, wish.amount)
        client_id = ClientOrderId(wish.client_id)
        market = self._market_id(wish.symbol)
        return NewOrder(
            market, wish.side, wish.kind, ticks, size, wish.reduce_only, client_id,
            wish.self_trade, Millis(wish.good_till), wish.trigger, waits_for, wish.group,
        )  # fmt: skip

    def _amend(
        self, symbol: str, order: Order, amount: Number | None, price: Number | None
    ) -> AmendOrder:
        return AmendOrder(
            self._market_id(symbol),
            self._ticks(symbol, order.price if price is None else price),
            self._lots(symbol, order.amount if amount is None else amount),
            OrderId(order.order_id),
        )

    def _ticks(self, symbol: str, price: Number) -> Ticks:
        ticks = ticks_of(self.price_to_precision(symbol, price), self._rules_of(symbol))
        if not 0 < ticks <= UINT64_MAX:
            raise InvalidOrder(f"plimsoll: a price is above zero, and at most {UINT64_MAX} ticks")
        return ticks

    def _lots(self, symbol: str, amount: Number) -> Lots:
        lots = lots_of(self.amount_to_precision(symbol, amount), self._rules_of(symbol))
        if not 0 < lots <= UINT64_MAX:
            raise InvalidOrder(f"plimsoll: an amount is above zero, and at most {UINT64_MAX} lots")
        return lots

    async def _worst_price(self, wish: Wish, waits_for: Ticks) -> Ticks:
        """Return the price ``slippage`` off the mark that the order meets, rounded toward it."""
        mark: Ticks | None = waits_for
        if not mark:
            with translated():
                mark = (await self.marks()).prices.get(self.market(wish.symbol)["id"])
        if mark is None:
            raise OperationRejected(f"plimsoll: {wish.symbol} has no mark so far")
        share = self.slippage if wish.slippage is None else exact(wish.slippage)
        if not 0 <= share < 1:
            raise InvalidOrder("plimsoll: a slippage is a share of the mark, from 0 to below 1")
        return worst_price(mark, wish.side is Side.BUY, share)

    async def _outcomes(
        self, feeds: Feeds, count: int, send: Callable[[Trader], Awaitable[Message]]
    ) -> tuple[list[Message], int | None]:
        """Let ``send`` send; return what became of each of ``count`` items, and when (None: never).

        Raises what a single one was refused with, and a refusal that does not tell of each.
        """
        with translated():
            try:
                result = await send(await self.trader())
            except EveryItemRejected as refusal:
                told = refusal.values.get("errors", ())
                if len(told) != count:
                    raise
                return [{"error": one} for one in told], None
            if any("error" not in item for item in result["results"]):
                # Whoever has its answer may name the order at once: it is known here by then.
                await feeds.until(result["sequence"], FEED_S)
        return result["results"], result["time"]

    def _placed(
        self, feeds: Feeds, symbol: str, new: NewOrder, item: Message, time: int | None
    ) -> Structure:
        name, rules = self.market(symbol)["id"], self._rules_of(symbol)
        if time is None or "error" in item:
            refused = self._shown_order(refused_order(new, name, rules, time))
            return refused | {"id": None, "status": "rejected", "info": item}
        order = feeds.order(item["order_id"])
        if order is None:
            order = order_of_result(item, new, name, rules.tick_decimals, time)
        return self._shown_order(order) | {"info": item}

    async def _cancel(
        self, cancels: tuple[CancelOrder, ...], symbol: str | None
    ) -> list[Structure]:
        if not cancels:
            raise ArgumentsRequired("plimsoll: there are no orders")
        feeds = await self._private()
        items, _ = await self._outcomes(
            feeds, len(cancels), lambda trader: trader.place((), cancels)
        )
        _require_taken(items)
        return [
            self._ended(feeds, cancel.order_id, symbol, item, "rejected")
            if "error" in item
            else self._ended(feeds, item["order_id"], symbol, item)
            for cancel, item in zip(cancels, items, strict=True)
        ]

    def _ended(
        self, feeds: Feeds, number: int, symbol: str | None, item: Message, how: str = "canceled"
    ) -> Structure:
        order, told = feeds.order(number), {"status": how, "info": item}
        if order is not None:
            return self._shown_order(order) | told
        named = symbol and self.market(symbol)["symbol"]
        return unheard_order_structure({"id": str(number), "symbol": named, **told})

    async def _adjust(self, symbol: str, amount: Decimal, kind: str, sign: int) -> Structure:
        await self._private()
        money = units(truncated(amount, MONEY_DECIMALS), MONEY_DECIMALS)
        if not 0 < money <= MONEY_MAX:
            raise BadRequest("plimsoll: an amount is above zero, and at most what an account holds")
        with translated():
            trader = await self.trader()
            result = await trader.adjust_margin(self._market_id(symbol), Money(sign * money))
        market = self.market(symbol)["symbol"]
        return margin_structure(market, kind, sign * amount, self.quote, result)


def _require_taken(items: Sequence[Message]) -> None:
    """Raise why it was refused what is the only one; of several each tells for itself."""
    if len(items) == 1 and "error" in items[0]:
        with translated():
            raise error_from_body(items[0]["error"])


def _as_far(order: Order, trigger_price: Ticks) -> Ticks:
    """Return the worst price as far from ``trigger_price`` as it was, rounded toward that.

    A market order that waits means a slippage: its worst price goes along.
    """
    exact = trigger_price * order.price / order.trigger_price
    rounding = ROUND_DOWN if order.side == "buy" else ROUND_UP
    return Ticks(max(1, int(exact.to_integral_value(rounding))))
