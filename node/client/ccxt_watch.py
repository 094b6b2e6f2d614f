"""The adapter's orders and fills as they are told, and from the history what nobody told.

After a break that was too long the feed begins anew: it does not tell how an order ended meanwhile,
nor what was filled. The node's history does, where it keeps one.
"""

from collections.abc import Iterable

from node.client.ccxt_errors import NotSupported, OrderNotFound, translated
from node.client.ccxt_feeds import TRADES_MAX
from node.client.ccxt_history import ROWS, Pages, Span, fill_of_row
from node.client.ccxt_past import PastMethods
from node.client.ccxt_public import newest, require_limit
from node.client.ccxt_structures import own_trade_structure
from node.client.ccxt_venue import Structure, require_none
from node.client.local_account import UNKNOWN, Fill, Missed, Order
from node.client.subscription import Message


class WatchMethods(PastMethods):
    """What is waited for. A call that raises has taken nothing: the next one tells of it again."""

    async def watch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait until orders change, and return them as they stand; first those that are open.

        One that ended unheard stands as the history says; its status is None where there is none.
        """
        require_none(params)
        require_limit(limit)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            async with feeds.order_news.taking(name) as news:
                changed = {one.order_id: one for one in news if one}
                orders = [one for one in changed.values() if name in {None, one.market}]
                shown = [await self._as_it_ended(one) for one in orders]
            if shown:
                return newest(shown, since, limit)

    async def watch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait for fills of the account, and return them; those that nobody told, if they are kept.

        Of one break the history is asked for the last ``TRADES_MAX`` or little more.
        """
        require_none(params)
        require_limit(limit)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            async with feeds.fill_news.taking(name) as news:
                fills = await self._filled_up(one for one in news if one)
            wanted = [one for one in fills if name in {None, one.market}]
            if wanted:
                shown = [
                    own_trade_structure(self._symbol_of(one.market), one, self.quote)
                    for one in wanted
                ]
                return newest(shown, since, limit)

    async def _as_it_ended(self, order: Order) -> Structure:
        """Return an order as it was told of, or where nobody told how it ended, as it did."""
        if order.ended == UNKNOWN:
            try:
                return await self.fetch_order(str(order.order_id))
            except OrderNotFound:
                # The history has a gap there.
                pass
        return self._shown_order(order)

    async def _filled_up(self, news: Iterable[Fill | Missed]) -> list[Fill]:
        """Return the fills among ``news``, with those that were missed in their places."""
        fills: list[Fill] = []
        for one in news:
            if isinstance(one, Missed):
                fills += await self._missed(one)
            else:
                fills.append(one)
        return fills

    async def _missed(self, missed: Missed) -> list[Fill]:
        """Return what was filled meanwhile, the oldest first; nothing where nobody keeps it."""
        with translated():
            account = await self.account()
        newest_first = Span(None, None, ROWS)
        rows: list[Message] = []
        try:
            pages = await Pages.begin(
                self._get, "fills", newest_first, reached=missed.up_to, account=account
            )
            while len(rows) < TRADES_MAX:
                sequence = await pages.head()
                if sequence is None or sequence <= missed.behind:
                    break
                taken = await pages.take(sequence)
                if sequence <= missed.up_to:
                    rows += taken
        except NotSupported:
            return []
        return [fill_of_row(row, account) for row in reversed(rows)]
