"""The public half of the adapter: markets, books, tickers and trades, asked for and watched."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from node.client.ccxt_errors import BadRequest, ExchangeNotAvailable, translated
from node.client.ccxt_structures import (
    candle_structure,
    funding_rate_structure,
    open_interest_structure,
    order_book_structure,
    ticker_structure,
    trade_structure,
)
from node.client.ccxt_venue import Structure, Venue, require_none
from node.client.local_book import LocalBook
from node.client.trader import wall_clock_ms
from node.ports.api import BOOK_DEPTH_MAX
from node.types.units import Millis

T = TypeVar("T")

KEPT_MAX: Final = 1_000
"""The most trades or candles that a node shows at once."""


class PublicMethods(Venue):
    """What everybody may see."""

    timeframes: Final = {name: name for name in ("1m", "5m", "15m", "1h", "4h", "1d")}

    def __init__(
        self,
        config: Structure | None = None,
        *,
        now_ms: Callable[[], Millis] = wall_clock_ms,
    ) -> None:
        super().__init__(config, now_ms=now_ms)
        self._books: dict[str, LocalBook] = {}
        self._book_seen: dict[str, int] = {}

    async def close(self) -> None:
        """Hang up; what was followed is forgotten."""
        self._books.clear()
        self._book_seen.clear()
        await super().close()

    async def fetch_time(self, params: Structure | None = None) -> int:
        """Return the exchange's clock in milliseconds."""
        require_none(params)
        with translated():
            answer = await (await self.session()).request("ping", {})
        return int(answer["time"])

    async def fetch_status(self, params: Structure | None = None) -> Structure:
        """Return whether the node can do its work; ``info`` has the reasons why not."""
        require_none(params)
        with translated():
            health = await self._get("/health")
        told = "ok" if health["status"] == "ok" else "maintenance"
        return {"status": told, "updated": None, "eta": None, "url": self.url, "info": health}

    async def fetch_order_book(
        self, symbol: str, limit: int | None = None, params: Structure | None = None
    ) -> Structure:
        """Return a book; ``limit`` levels of each side, at most what the node shows at once."""
        require_none(params)
        require_limit(limit)
        market = await self._loaded(symbol)
        depth = "" if limit is None else f"?depth={min(limit, BOOK_DEPTH_MAX)}"
        with translated():
            time = await self._block_time()
            book = await self._get(f"/book/{market['id']}{depth}")
        return order_book_structure(market["symbol"], book, time)

    async def fetch_ticker(self, symbol: str, params: Structure | None = None) -> Structure:
        """Return the top of a book, the mark, and the last trade."""
        require_none(params)
        market = await self._loaded(symbol)
        name = market["id"]
        with translated():
            top = await self._get(f"/book/{name}?depth=1")
            marks = await self.marks()
            trades = (await self._get(f"/trades?market={name}&limit=1"))["trades"]
        mark = marks.prices.get(name)
        decimals = self._rules_of(name).tick_decimals
        price = None if mark is None else float(Decimal(mark).scaleb(-decimals))
        last = float(trades[-1]["price"]) if trades else None
        return ticker_structure(market["symbol"], top, price, marks.times.get(name), last)

    async def fetch_tickers(
        self, symbols: Sequence[str] | None = None, params: Structure | None = None
    ) -> dict[str, Structure]:
        """Return the tickers of ``symbols`` (None: of every market)."""
        await self.load_markets()
        tickers = [await self.fetch_ticker(name, params) for name in symbols or self.symbols]
        return {ticker["symbol"]: ticker for ticker in tickers}

    async def fetch_funding_rate(self, symbol: str, params: Structure | None = None) -> Structure:
        """Return the rate that the premium so far comes to, and when it will be paid."""
        market, told = await self._marked(symbol, params)
        interval_ms = self._rules_of(market["id"]).funding_interval_ms
        return funding_rate_structure(market["symbol"], told, interval_ms)

    async def fetch_open_interest(self, symbol: str, params: Structure | None = None) -> Structure:
        """Return the size of all long positions, which is that of all short ones."""
        market, told = await self._marked(symbol, params)
        with translated():
            markets = (await self._get("/markets"))["markets"]
        # It moves with every trade, and the marks tell it no more often than they move.
        [now] = (one["now"] for one in markets if one["symbol"] == market["id"])
        return open_interest_structure(market["symbol"], {**told, **now})

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Return the last public trades that the node keeps, the oldest first.

        ``watch_trades`` begins behind what the first of these calls returned.
        """
        require_none(params)
        require_limit(limit)
        market = await self._loaded(symbol)
        with translated():
            await (await self.feeds()).follow_trades(market["id"])
            path = f"/trades?market={market['id']}&limit={KEPT_MAX}"
            told = (await self._get(path))["trades"]
        shown = [trade_structure(market["symbol"], trade, trade["time"]) for trade in told]
        return counted(not_before(shown, since), since, limit)

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[list[float]]:
        """Return the last candles that the node keeps; a time without a trade has none."""
        require_none(params)
        require_limit(limit)
        if timeframe not in self.timeframes:
            raise BadRequest(f"plimsoll: timeframes are {', '.join(self.timeframes)}")
        market = await self._loaded(symbol)
        with translated():
            path = f"/candles?market={market['id']}&interval={timeframe}&limit={KEPT_MAX}"
            told = (await self._get(path))["candles"]
        candles = [candle_structure(one) for one in told if one["start"] >= (since or 0)]
        return counted(candles, since, limit)

    async def watch_order_book(
        self, symbol: str, limit: int | None = None, params: Structure | None = None
    ) -> Structure:
        """Return the book as soon as it differs from what this returned last."""
        require_none(params)
        require_limit(limit)
        market = await self._loaded(symbol)
        name = market["id"]
        with translated():
            feeds = await self.feeds()
            # Read once: another task that waits for this book, and hears first, moves it on.
            seen = self._book_seen.get(name)
            book = await self._book(name)
            while book.ended is None and (seen == book.seq or not book.known):
                await feeds.next_block()
            if book.ended is not None and self._books.get(name) is book:
                # Whoever asks next asks the server again, and has its answer.
                del self._books[name]
            self._book_seen[name] = book.seq
            shown = {"seq": book.seq, "bids": book.bids(limit), "asks": book.asks(limit)}
            return order_book_structure(market["symbol"], shown, await self._block_time())

    async def watch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Structure | None = None,
    ) -> list[Structure]:
        """Wait for public trades, and return those that nobody was told of here."""
        require_none(params)
        require_limit(limit)
        market = await self._loaded(symbol)
        with translated():
            feeds = await self.feeds()
            await feeds.follow_trades(market["id"])
            news = await feeds.trade_news[market["id"]].take()
        trades = [trade_structure(market["symbol"], trade, trade["time"]) for trade in news]
        return newest(trades, since, limit)

    async def _book(self, name: str) -> LocalBook:
        """Return the book of a market, which follows the feed."""
        async with self._opening[f"book {name}"]:
            if name not in self._books:
                session = await self.session()
                self._books[name] = await session.follow_book(name)
                # The snapshot was told before the answer to what is asked after it.
                await session.request("ping", {})
            return self._books[name]

    async def _marked(self, symbol: str, params: Structure | None) -> tuple[Structure, Structure]:
        """Return a market and what its mark was last told with; without one it raises."""
        require_none(params)
        market = await self._loaded(symbol)
        with translated():
            marks = await self.marks()
            await self.current()
        told = marks.told.get(market["id"])
        if told is None:
            raise ExchangeNotAvailable(f"plimsoll: {symbol} has no mark yet")
        return market, told

    async def _loaded(self, symbol: str) -> Structure:
        await self.load_markets()
        return self.market(symbol)

    async def _block_time(self) -> int:
        """Return the time of the last block; before the first one, the exchange's clock."""
        feeds = await self.feeds()
        return feeds.time or await self.fetch_time()


def require_limit(limit: int | None) -> None:
    """Raise ``BadRequest`` for what is no number of rows: one below zero would count otherwise."""
    if limit is not None and (type(limit) is not int or limit < 1):
        raise BadRequest("plimsoll: limit is an integer from 1")


def counted(items: list[T], since: int | None, limit: int | None) -> list[T]:
    """Return ``limit`` of ``items``: the first where ``since`` was told, else the newest.

    So CCXT counts what is fetched: whoever goes on from ``since`` misses nothing.
    """
    if limit is None:
        return items
    return items[-limit:] if since is None else items[:limit]


def not_before(items: list[Structure], since: int | None) -> list[Structure]:
    """Return those that are not known to be older than ``since``."""
    return [
        one
        for one in items
        if since is None or one["timestamp"] is None or one["timestamp"] >= since
    ]


def newest(items: list[Structure], since: int | None, limit: int | None) -> list[Structure]:
    """Return the newest ``limit`` of those that ``not_before`` leaves: what is watched."""
    return counted(not_before(items, since), None, limit)
