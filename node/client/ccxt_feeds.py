"""What the adapter hears while it is connected. Every time in it is the exchange's own."""

import asyncio

from node.client.ccxt_errors import BaseError
from node.client.ccxt_news import CHANGES_MAX, TRADES_MAX, News
from node.client.errors import ConnectionLost, SubscriptionEnded
from node.client.local_account import Changes, LocalAccount, Order
from node.client.session import Session
from node.client.subscription import Message, Subscription
from node.types.errors import PlimsollError


class Feeds:
    """Follows blocks, and of the other channels those that somebody asks for."""

    def __init__(self, session: Session) -> None:
        self.account = LocalAccount()
        self.time = 0
        self.trade_news: dict[str, News] = {}
        self.order_news = News(CHANGES_MAX)
        self.fill_news = News(CHANGES_MAX)
        self.balance_news = News(CHANGES_MAX)
        self.position_news = News(CHANGES_MAX)
        self._session = session
        self._traded: dict[str, int | None] = {}
        self._blind = False
        self._ended: BaseError | None = None
        self._told = asyncio.Event()
        self._account_told: Subscription | None = None

    async def begin(self) -> None:
        """Follow the blocks."""
        await self._session.subscribe("blocks", self._block, ended=self._blinded)

    async def next_block(self) -> None:
        """Wait until another block has told all that it has to tell.

        Raises the server's refusal where it tells of no more blocks, and why all has ended.
        """
        self._require_open()
        if self._blind:
            await self.begin()
            self._blind = False
        await self._told.wait()
        self._require_open()

    async def follow_trades(self, market: str) -> None:
        """Hear the trades of ``market`` from now on; nobody tells of those before."""
        self._require_open()
        if market in self._traded:
            return
        self._traded[market] = None
        news = self.trade_news[market] = News(TRADES_MAX)

        def end(error: PlimsollError) -> None:
            # Whoever asks next asks the server again; if somebody has, this is no more his.
            if self.trade_news[market] is news:
                self._traded.pop(market, None)
            news.end(error)

        try:
            await self._session.subscribe("trades", self._trade, market=market, ended=end)
        except PlimsollError as refusal:
            end(refusal)
            raise
        except asyncio.CancelledError:
            # Whoever relies on this request must not wait for what nobody asks for any more.
            end(ConnectionLost(method="subscribe"))
            raise

    async def follow_account(self) -> None:
        """Hear of the account that the session is logged in for, and wait for how it stands."""
        self._require_open()
        if self._account_told is None or self._account_told.error is not None:
            try:
                self._account_told = await self._session.follow(
                    "account", self._account_message, ended=self._account_ended
                )
            except SubscriptionEnded:
                # Of what ended with all the rest, why that has ended is the reason.
                self._require_open()
                raise

    async def until(self, sequence: int, within_s: float) -> None:
        """Wait until the account was told of the command ``sequence``, or the time is over.

        Raises nothing where it is told of nothing more: the command was executed all the same.
        """
        try:
            async with asyncio.timeout(within_s):
                while self.account.seq < sequence:
                    await self.next_block()
        except (TimeoutError, PlimsollError, BaseError):
            return

    def end(self, error: BaseError) -> None:
        """Let all who wait for anything here have ``error``, and whoever comes after them."""
        self._ended = error
        for news in (*self._of_account(), *self.trade_news.values()):
            news.end(error)
        self._wake()

    def order(self, order_id: int) -> Order | None:
        """Return an order of the account that is open or has ended lately."""
        return self.account.order(order_id)

    def account_fields(self) -> Message:
        """Return the account's collateral and positions in the form in which the node shows it."""
        account = self.account
        return {
            "seq": account.seq,
            "free": str(account.free),
            "reserved": str(account.reserved),
            "positions": list(account.positions.values()),
        }

    def _block(self, message: Message) -> None:
        self.time = message["time"]
        self._wake()

    def _trade(self, message: Message) -> None:
        market = message["market"]
        if market not in self._traded:
            # Whoever asked was told that the connection is lost; the next one asked all the same.
            return
        known = self._traded[market]
        # What was there before anybody asked is no news; what a break kept back is.
        if known is not None:
            for trade in message["trades"]:
                if trade["sequence"] > known:
                    self.trade_news[market].add(trade)
        self._traded[market] = message["seq"]

    def _account_message(self, message: Message) -> None:
        held, first = set(self.account.positions), not self.account.whole_since
        changes = self.account.apply(message)
        if first:
            self.fill_news.begin(self.account.seq)
        # A snapshot tells of the positions that there are, and of none that went before it.
        for market in sorted(held - self.account.positions.keys() - changes.positions.keys()):
            changes.positions[market] = {"market": market, "size": "0"}
        self._note(changes)

    def _account_ended(self, _error: SubscriptionEnded) -> None:
        """Let those who wait for news of the account ask the server, and have its answer."""
        for news in self._of_account():
            news.add(None, at=self.account.seq)

    def _blinded(self, _error: SubscriptionEnded) -> None:
        """Let those who wait for a block go on, and find out when they wait for the next."""
        self._blind = True
        self._wake()

    def _wake(self) -> None:
        """Let those go on who wait for a block."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    def _of_account(self) -> tuple[News, ...]:
        return self.order_news, self.balance_news, self.position_news, self.fill_news

    def _require_open(self) -> None:
        """Raise why all has ended, if it has."""
        if self._ended is not None:
            raise self._ended.with_traceback(None)

    def _note(self, changes: Changes) -> None:
        at = self.account.seq
        for order in changes.orders.values():
            self.order_news.add(order, order.order_id, at)
        for one in (changes.missed, *changes.fills):
            if one is not None:
                self.fill_news.add(one, at=at)
        for market, position in changes.positions.items():
            self.position_news.add(position, market, at)
        if changes.balance:
            self.balance_news.add(at, "balance", at)
