"""What all methods of the adapter stand on: one connection, the markets, and exact numbers."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any, Final, Self, TypeVar

from node.client.ccxt_config import (
    address_in,
    flag_in,
    pinned_in,
    require_no_options,
    secret_in,
    timeout_in,
)
from node.client.ccxt_errors import (
    AuthenticationError,
    BadRequest,
    BadSymbol,
    ExchangeClosedByUser,
    ExchangeError,
    InvalidOrder,
    RequestTimeout,
    error_of,
    translated,
)
from node.client.ccxt_feeds import Feeds
from node.client.ccxt_numbers import Number, plain, rounded, truncated
from node.client.ccxt_structures import market_structure
from node.client.ccxt_unanswered import Unanswered
from node.client.errors import ConnectionLost
from node.client.marks import MarkTable, follow_marks
from node.client.rest_calls import REST_S
from node.client.session import Session, connect
from node.client.subscription import Message
from node.client.trader import Trader, wall_clock_ms
from node.client.valuation import market_called
from node.types.errors import PlimsollError
from node.types.ids import MarketId, hex_from_address
from node.types.rules import MarketRules, Rules
from node.types.units import MS_PER_S, Millis

Structure = dict[str, Any]
T = TypeVar("T")

CURRENT_S: Final = 5.0
"""How long an answer out of what is heard waits for a connection over which it is heard."""

HAS: Final[dict[str, bool]] = {
    "spot": False, "margin": False, "swap": True, "future": False, "option": False,
    "ws": True,
    "addMargin": True, "cancelAllOrders": True, "cancelAllOrdersAfter": True,
    "cancelOrder": True, "cancelOrders": True, "createOrder": True, "createOrders": True,
    "createMarketOrder": True, "createLimitOrder": True, "createPostOnlyOrder": True,
    "createReduceOnlyOrder": True, "createStopOrder": True, "createTriggerOrder": True,
    "createStopLossOrder": True, "createTakeProfitOrder": True,
    "deposit": False, "editOrder": True, "fetchBalance": True, "fetchCanceledOrders": True,
    "fetchClosedOrders": True, "fetchCurrencies": False, "fetchDeposits": True,
    "fetchDepositsWithdrawals": True, "fetchFundingHistory": True, "fetchFundingRate": True,
    "fetchFundingRateHistory": False,
    "fetchLedger": True, "fetchLiquidations": True, "fetchMarkets": True,
    "fetchMyLiquidations": True, "fetchMyTrades": True, "fetchOHLCV": True,
    "fetchOpenInterest": True, "fetchOpenOrders": True, "fetchOrder": True, "fetchOrderBook": True,
    "fetchOrders": True, "fetchPosition": True, "fetchPositions": True, "fetchStatus": True,
    "fetchTicker": True, "fetchTickers": True, "fetchTime": True, "fetchTrades": True,
    "fetchWithdrawals": True, "reduceMargin": True, "setLeverage": False,
    "setMarginMode": False, "transfer": False,
    "watchBalance": True, "watchMyTrades": True, "watchOHLCV": False, "watchOrderBook": True,
    "watchOrders": True, "watchPositions": True, "watchTicker": False, "watchTrades": True,
    "withdraw": False,
}  # fmt: skip
"""What there is, by CCXT's names; what has been (``ccxt_past``), of a node that keeps a history."""


def also_in_camel_case(kind: type[T]) -> type[T]:
    """Give every public method of ``kind`` its second name: ``fetch_ticker`` is ``fetchTicker``.

    Only ``fetch_ohlcv`` is ``fetchOHLCV``, as CCXT has it.
    """
    for base in kind.__mro__:
        for name, member in list(vars(base).items()):
            if "_" in name and not name.startswith("_") and callable(member):
                first, *others = name.split("_")
                parts = (part.upper() if part == "ohlcv" else part.capitalize() for part in others)
                # What a base only declares, ``kind`` has itself.
                setattr(kind, first + "".join(parts), getattr(kind, name))
    return kind


class Venue:
    """A connection that opens with the first request and is closed by ``close``.

    ``config``, all keys optional: ``url`` (http://127.0.0.1:8480), ``privateKey`` (64 hexadecimal
    digits), ``walletAddress`` (the account, where the key is its agent's), ``quote`` (USDC),
    ``slippage`` (0.05: how far from the mark a market order without a price may go), ``timeout``
    (milliseconds for each request over HTTP, else ``RequestTimeout``; None: the client's, 10 s).
    ``rollup``, ``chainId``, ``sequencer`` and ``rules`` (their digest) are what is known of the
    exchange: a node of another one is refused as below. ``enableRateLimit`` and empty ``options``
    are taken as well: nothing is held back here.

    Where another exchange answers at ``url`` than at first, every request and all that waits raises
    an ``ExchangeError`` of code 4002, until ``close``.
    """

    id = "plimsoll"
    name = "Plimsoll"
    precisionMode = 4  # noqa: N815 - CCXT's name, and its number for steps (TICK_SIZE)

    def __init__(
        self,
        config: Structure | None = None,
        *,
        now_ms: Callable[[], Millis] = wall_clock_ms,
    ) -> None:
        """``now_ms`` is the clock that actions are dated with; tests bring their own."""
        asked = dict(config or {})
        self.url: str = asked.pop("url", "http://127.0.0.1:8480")
        self.quote: str = asked.pop("quote", "USDC")
        self.slippage = Decimal(str(asked.pop("slippage", "0.05")))
        self.timeout = timeout_in(asked.pop("timeout", None))
        self.enableRateLimit = flag_in("enableRateLimit", asked.pop("enableRateLimit", True))
        require_no_options(asked.pop("options", {}))
        self._secret = secret_in(asked.pop("privateKey", ""))
        self._owner = address_in(asked.pop("walletAddress", "") or None)
        self._pinned = pinned_in(asked)
        if asked:
            raise BadRequest(f"plimsoll: unknown keys of the configuration: {sorted(asked)}")
        self.has = dict(HAS)
        self.markets: dict[str, Structure] = {}
        self.symbols: list[str] = []
        self._now_ms = now_ms
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self._rules: Rules | None = None
        self._holder: asyncio.Task[None] | None = None
        self._ended_by: PlimsollError | None = None
        self._trader: Trader | None = None
        self._feeds: Feeds | None = None
        self._marks: MarkTable | None = None
        self._unanswered = Unanswered()
        # Many tasks may make the first request at once; each thing is opened for all of them.
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        await self.load_markets()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up; who waits has ``ExchangeClosedByUser``. The next request would connect again."""
        if self._feeds is not None:
            self._feeds.end(ExchangeClosedByUser("plimsoll: closed by its own program"))
        if self._holder is not None:
            self._holder.cancel()
        self._session = self._trader = self._feeds = self._marks = None
        self._holder = self._ended_by = None
        await self._stack.aclose()

    async def load_markets(
        self,
        reload: bool = False,  # noqa: FBT002 - CCXT's argument
    ) -> dict[str, Structure]:
        """Return every market by its symbol, asked for once."""
        if reload or not self.markets:
            markets = await self.fetch_markets()
            self.markets = {market["symbol"]: market for market in markets}
            self.symbols = list(self.markets)
        return self.markets

    async def fetch_markets(self, params: Structure | None = None) -> list[Structure]:
        """Return every market with its fees, steps and limits."""
        require_none(params)
        with translated():
            session = await self.session()
            shown = (await self._get("/markets"))["markets"]
        return [
            market_structure(info, rules, self.quote)
            for info, rules in zip(shown, session.rules.markets, strict=True)
        ]

    def market(self, symbol: str) -> Structure:
        """Return a market by its symbol or by the exchange's own name. Raises ``BadSymbol``."""
        if symbol in self.markets:
            return self.markets[symbol]
        for market in self.markets.values():
            if market["id"] == symbol:
                return market
        raise BadSymbol(f"plimsoll: no market {symbol} (load_markets first)")

    def price_to_precision(self, symbol: str, price: Number) -> str:
        """Return ``price`` at the nearest tick, as the text that is sent."""
        return plain(rounded(price, self._rules_of(symbol).tick_decimals))

    def amount_to_precision(self, symbol: str, amount: Number) -> str:
        """Return ``amount`` cut to whole lots, as the text that is sent."""
        cut = truncated(amount, self._rules_of(symbol).lot_decimals)
        if not cut:
            raise InvalidOrder(f"plimsoll: {amount} is less than a lot of {symbol}")
        return plain(cut)

    def cost_to_precision(self, _symbol: str, cost: Number) -> str:
        """Return an amount of the quote asset cut to whole millionths."""
        return plain(truncated(cost, 6))

    async def session(self) -> Session:
        """Return the connection, made where there is none. Raises why it has ended, if it has."""
        async with self._opening["session"]:
            if self._ended_by is not None:
                raise self._ended_by.with_traceback(None)
            if self._session is None:
                self._session = await self._opened()
                self._rules = self._session.rules
            return self._session

    async def current(self) -> None:
        """Wait until what was heard is how things stand by now.

        Raises ``ConnectionLost`` where that takes longer than ``CURRENT_S``.
        """
        session = await self.session()
        try:
            async with asyncio.timeout(CURRENT_S):
                await session.ready()
                # All that was told before the answer is heard by then.
                await session.request("ping", {})
        except TimeoutError as silence:
            raise ConnectionLost(node=self.url, waited_s=CURRENT_S) from silence

    async def feeds(self) -> Feeds:
        """Return what is heard over the connection."""
        async with self._opening["feeds"]:
            if self._feeds is None:
                feeds = Feeds(await self.session())
                await feeds.begin()
                self._feeds = feeds
            return self._feeds

    async def marks(self) -> MarkTable:
        """Return the marks, which follow the feed."""
        async with self._opening["marks"]:
            if self._marks is None:
                self._marks = await follow_marks(await self.session())
            return self._marks

    async def trader(self) -> Trader:
        """Return what signs and sends, logged in and with the account's feed.

        Raises ``AuthenticationError`` where there is no key.
        """
        if not self._secret:
            raise AuthenticationError("plimsoll: this needs a privateKey")
        async with self._opening["trader"]:
            if self._trader is None:
                session = await self.session()
                async with self._in_time("/account"):
                    trader = await Trader.open(
                        session, self._secret, self._owner, now_ms=self._now_ms
                    )
                await session.login(trader.wallet)
                self._trader = trader
            await (await self.feeds()).follow_account()
            return self._trader

    async def account(self) -> str:
        """Return the account that is asked about, without signing in."""
        if self._owner is not None:
            return hex_from_address(self._owner)
        if not self._secret:
            raise AuthenticationError("plimsoll: this needs a walletAddress or a privateKey")
        return hex_from_address((await self.session()).wallet(self._secret).account)

    async def _get(self, path: str) -> Message:
        """Return the answer to ``GET path``. Raises ``RequestTimeout`` past ``timeout``."""
        session = await self.session()
        async with self._in_time(path):
            return await session.get(path)

    @asynccontextmanager
    async def _in_time(self, path: str) -> AsyncIterator[None]:
        """Raise ``RequestTimeout`` where what is asked inside takes longer than ``timeout``."""
        try:
            async with asyncio.timeout(self.timeout and self.timeout / MS_PER_S):
                yield
        except TimeoutError as silence:
            values = {"path": path, "timeout_ms": self.timeout}
            raise RequestTimeout(f"plimsoll: no answer in time: {values}", 0, values) from silence

    async def _opened(self) -> Session:
        """Return a connection that a task of its own holds: it outlives whoever asked first."""
        group: asyncio.TaskGroup = await self._stack.enter_async_context(asyncio.TaskGroup())
        opened: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        holder = self._holder = group.create_task(self._hold(opened))
        try:
            return await opened
        except BaseException:
            holder.cancel()
            await self._stack.aclose()
            raise

    async def _hold(self, opened: "asyncio.Future[Session]") -> None:
        """Hold a connection until this is cancelled, or it ends by itself, and tell of its end."""
        try:
            rest_s = max(REST_S, (self.timeout or 0) / MS_PER_S)
            async with connect(self.url, rest_s=rest_s, pinned=self._pinned) as session:
                if not opened.done():
                    opened.set_result(session)
                await asyncio.Event().wait()
        except PlimsollError as error:
            if not opened.done():
                opened.set_exception(error)
            elif not opened.cancelled():
                self._ended_by = error
                if self._feeds is not None:
                    self._feeds.end(error_of(error))
        finally:
            if not opened.done():
                opened.set_exception(ConnectionLost(node=self.url, detail="closed meanwhile"))

    def _rules_of(self, symbol: str) -> MarketRules:
        if self._rules is None:
            raise ExchangeError("plimsoll: load_markets first")
        return market_called(self.market(symbol)["id"], self._rules)

    def _market_id(self, symbol: str) -> MarketId:
        return MarketId(int(self.market(symbol)["info"]["id"]))

    def _symbol_of(self, name: str) -> str:
        return str(self.market(name)["symbol"])


def require_none(params: Structure | None) -> None:
    """Raise ``BadRequest`` for params: none means anything here, and a slip must not pass."""
    if params:
        raise BadRequest(f"plimsoll: unknown params {sorted(params)}")
