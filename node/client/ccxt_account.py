"""The account's half of the adapter: balance, positions and open orders."""

from collections.abc import Sequence

from node.client.ccxt_errors import translated
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_public import PublicMethods, counted, not_before, require_limit
from node.client.ccxt_structures import (
    balance_structure,
    gone_position_structure,
    order_structure,
    position_structure,
)
from node.client.ccxt_venue import Structure, require_none
from node.client.local_account import Order
from node.client.subscription import Message
from node.client.valuation import value


class AccountMethods(PublicMethods):
    """What the holder of a key sees of his account."""

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
        wanted = None if symbols is None else frozenset(self.market(name)["id"] for name in symbols)
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
        require_limit(limit)
        feeds = await self._now()
        name = None if symbol is None else self.market(symbol)["id"]
        orders = [one for one in feeds.account.open.values() if name in {None, one.market}]
        shown = [self._shown_order(one) for one in orders]
        return counted(not_before(shown, since), since, limit)

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
        """Wait until positions change, and return them; one that is gone has no ``contracts``."""
        require_none(params)
        await self.load_markets()
        wanted = None if symbols is None else frozenset(self.market(name)["id"] for name in symbols)
        while True:
            feeds = await self._private()
            news = await feeds.position_news.take(wanted)
            changed = {one["market"]: one for one in news if one}
            names = sorted(changed if wanted is None else changed.keys() & wanted)
            if names:
                held = feeds.account.positions
                return [
                    await self._position(held[name])
                    if name in held
                    else await self._gone_position(changed[name])
                    for name in names
                ]

    async def _private(self) -> Feeds:
        """Return the feeds, with the account's among them."""
        await self.load_markets()
        with translated():
            await self.trader()
            return await self.feeds()

    async def _now(self) -> Feeds:
        """Return the feeds, once what they tell of the account is how it stands by now."""
        await self.load_markets()
        with translated():
            await self.current()
        # Only now: the log-in may have been refused when the connection was renewed.
        return await self._private()

    async def _shown(self) -> Message:
        with translated():
            return await self._get(f"/account/{await self.account()}")

    async def _position(self, told: Message) -> Structure:
        with translated():
            marks, session = await self.marks(), await self.session()
        name = told["market"]
        held = value(told, session.rules, marks.prices[name], marks.indices[name])
        rules = self._rules_of(name)
        return position_structure(self._symbol_of(name), told, held, rules, marks.times[name])

    async def _gone_position(self, told: Message) -> Structure:
        with translated():
            marks = await self.marks()
        name = told["market"]
        return gone_position_structure(self._symbol_of(name), told, marks.times[name])

    def _shown_order(self, order: Order) -> Structure:
        return order_structure(self._symbol_of(order.market), order, self.quote)
