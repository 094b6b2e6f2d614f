"""CCXT's names for each kind of order; all of them are ``create_order`` with a param or two."""

from abc import ABC, abstractmethod

from node.client.ccxt_errors import ArgumentsRequired
from node.client.ccxt_numbers import Number
from node.client.ccxt_venue import Structure


class OrderKinds(ABC):
    """What ``create_order`` can do, by kind; see there for params and what is raised."""

    @abstractmethod
    async def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order."""

    async def create_limit_order(
        self,
        symbol: str,
        side: str,
        amount: Number,
        price: Number,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order with a price."""
        return await self.create_order(symbol, "limit", side, amount, price, params)

    async def create_market_order(
        self,
        symbol: str,
        side: str,
        amount: Number,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order that takes at once, at ``price`` at worst (None: ``slippage`` away)."""
        return await self.create_order(symbol, "market", side, amount, price, params)

    async def create_post_only_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order that rests or is refused."""
        asked = {**(params or {}), "postOnly": True}
        return await self.create_order(symbol, type, side, amount, price, asked)

    async def create_reduce_only_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        params: Structure | None = None,
    ) -> Structure:
        """Place an order that can only make a position smaller."""
        asked = {**(params or {}), "reduceOnly": True}
        return await self.create_order(symbol, type, side, amount, price, asked)

    async def create_trigger_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        triggerPrice: Number | None = None,  # noqa: N803 - CCXT's name
        params: Structure | None = None,
    ) -> Structure:
        """Place an order that waits for the mark to reach ``triggerPrice``."""
        asked = _waiting("triggerPrice", triggerPrice, params)
        return await self.create_order(symbol, type, side, amount, price, asked)

    create_stop_order = create_trigger_order
    """CCXT's older name of it."""

    async def create_stop_loss_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        stopLossPrice: Number | None = None,  # noqa: N803 - CCXT's name
        params: Structure | None = None,
    ) -> Structure:
        """Place a stop: it waits until the mark has gone against the position."""
        asked = _waiting("stopLossPrice", stopLossPrice, params)
        return await self.create_order(symbol, type, side, amount, price, asked)

    async def create_take_profit_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 - CCXT's name
        side: str,
        amount: Number,
        price: Number | None = None,
        takeProfitPrice: Number | None = None,  # noqa: N803 - CCXT's name
        params: Structure | None = None,
    ) -> Structure:
        """Place an order that waits until the mark has gone with the position."""
        asked = _waiting("takeProfitPrice", takeProfitPrice, params)
        return await self.create_order(symbol, type, side, amount, price, asked)


def _waiting(name: str, price: Number | None, params: Structure | None) -> Structure:
    """Return ``params`` with the price to wait for. Raises ``ArgumentsRequired``: there is none."""
    asked = dict(params or {})
    if price is not None:
        asked[name] = price
    if asked.get(name) is None:
        raise ArgumentsRequired(f"plimsoll: this order waits for a price: {name}")
    return asked
