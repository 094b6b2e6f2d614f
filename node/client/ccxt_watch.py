"""The adapter's orders and fills as they are told, and from the history what nobody told.

After a break that was too long the feed begins anew: it does not tell how an order ended meanwhile,
nor what was filled. The node's history does, where it keeps one. It also has the fills that are not
kept any more for who asks too rarely; of such orders, and where it has too much, an error tells.
"""

from node.client.ccxt_errors import NotSupported, OperationFailed, OrderNotFound, translated
from node.client.ccxt_history import ROWS, Pages, Span, fill_of_row
from node.client.ccxt_news import CHANGES_MAX, Gap, Taking
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
        Raises ``OperationFailed``, once, where more orders changed since the last call than are
        kept: the next call goes on with those that are.
        """
        require_none(params)
        require_limit(limit)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            async with feeds.order_news.taking(name) as news:
                if news.gap is not None:
                    news.let_go(0)
                    raise _left_behind("fetch_open_orders and fetch_orders", news.gap)
                told = [*feeds.account.open.values()] if news.first else []
                changed = {one.order_id: one for one in [*told, *news.items] if one}
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

        Raises ``OperationFailed``, once, where some that were missed are told by nobody: they are
        more than ``CHANGES_MAX``, or more than was kept and there is no history. The next call goes
        on behind them.
        """
        require_none(params)
        require_limit(limit)
        name = None if symbol is None else (await self._loaded(symbol))["id"]
        while True:
            feeds = await self._private()
            async with feeds.fill_news.taking(name) as news:
                fills = await self._filled_up(news)
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

    async def _filled_up(self, news: Taking) -> list[Fill]:
        """Return the fills among ``news``, with those that were missed in their places.

        What nobody tells is an error of its own call: what is before it is returned first.
        """
        fills: dict[str, Fill] = {}
        for count, one in enumerate([news.gap, *news.items]):
            if isinstance(one, Fill):
                fills[one.key] = one
            elif one is not None:
                told = await self._missed(one)
                if told is None and fills:
                    news.let_go(count - 1)
                    break
                if told is None:
                    news.let_go(count)
                    raise _left_behind("fetch_my_trades", one)
                fills |= {fill.key: fill for fill in told}
        return [*fills.values()]

    async def _missed(self, missed: Missed | Gap) -> list[Fill] | None:
        """Return what was filled meanwhile, the oldest first; None where nobody tells all of it.

        Without a history it is nothing, where there was nobody to hear it.
        """
        with translated():
            account = await self.account()
        newest_first = Span(None, None, ROWS)
        rows: list[Message] = []
        try:
            pages = await Pages.begin(
                self._get, "fills", newest_first, reached=missed.up_to, account=account
            )
            while len(rows) <= CHANGES_MAX:
                sequence = await pages.head()
                if sequence is None or sequence <= missed.behind:
                    return [fill_of_row(row, account) for row in reversed(rows)]
                taken = await pages.take(sequence)
                if sequence <= missed.up_to:
                    rows += taken
        except NotSupported:
            return None if isinstance(missed, Gap) else []
        return None


def _left_behind(ask: str, missed: Missed | Gap) -> OperationFailed:
    """Return the error for what is told to this reader no more."""
    values = {"behind": missed.behind, "up_to": missed.up_to}
    told = f"plimsoll: more happened than is kept for who watches: {values}; {ask} may tell"
    return OperationFailed(told, 0, values)
