"""The recent trades and candles of each market, kept from events alone and bounded.

Nothing of them is in the state, so after a start they hold what recovery replayed: the blocks since
the snapshot that it began from. Older trades are in the log on L1, and in no answer of the node.
"""

from collections import deque
from itertools import islice
from typing import Final, TypeVar

import msgspec

from node.publisher.config import PublisherConfig
from node.types.durable import DurableBlock
from node.types.events import Filled
from node.types.ids import MarketId, Sequence
from node.types.units import Lots, Millis, Ticks

T = TypeVar("T")

INTERVALS_MS: Final[dict[str, int]] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}
"""The lengths of candles; each begins at a multiple of its length since the Unix epoch."""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One fill, the command that made it, and the time of its block."""

    sequence: Sequence
    time: Millis
    fill: Filled


class Traded(msgspec.Struct, frozen=True, gc=False):
    """The trades of a block in one market; ``before`` is the market's ``sequence`` before it."""

    market: MarketId
    before: Sequence
    trades: list[Trade]


class Candle:
    """What was traded from ``start`` (milliseconds) on: prices in ticks, ``volume`` in lots."""

    __slots__ = ("close", "high", "low", "open", "start", "trades", "volume")

    def __init__(self, start: int, price: Ticks) -> None:
        self.start = start
        self.open = self.high = self.low = self.close = price
        self.volume = 0
        self.trades = 0

    def add(self, price: Ticks, size: Lots) -> None:
        """Count one trade."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += size
        self.trades += 1

    def merge(self, later: "Candle") -> None:
        """Count the trades of ``later``, which follow those of this one."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.trades += later.trades


class _Market:
    """The recent past of one market; ``sequence`` is that of the last block that traded."""

    __slots__ = ("candles", "sequence", "trades")

    def __init__(self, config: PublisherConfig) -> None:
        self.sequence = Sequence(0)
        self.trades: deque[Trade] = deque(maxlen=config.trades_kept)
        self.candles: dict[str, deque[Candle]] = {
            interval: deque(maxlen=config.candles_kept) for interval in INTERVALS_MS
        }

    def add(self, trades: list[Trade], time: Millis) -> None:
        """Count the trades of one block; block times never go back."""
        self.trades.extend(trades)
        first = trades[0].fill.price
        together = Candle(time, first)
        for trade in trades:
            together.add(trade.fill.price, trade.fill.size)
        # Merged once a block, not trade by trade: there are as many candles as intervals.
        for interval, length_ms in INTERVALS_MS.items():
            candles, start = self.candles[interval], time - time % length_ms
            if not candles or candles[-1].start != start:
                candles.append(Candle(start, first))
            candles[-1].merge(together)


class Tape:
    """The recent trades and candles of all markets."""

    __slots__ = ("_markets",)

    def __init__(self, markets: int, config: PublisherConfig) -> None:
        """Start with nothing traded; ``config`` says how much is kept."""
        self._markets = [_Market(config) for _ in range(markets)]

    def begin(self, after: Sequence) -> None:
        """Know every trade that follows command ``after``, and nothing of those before.

        A reader who stands before that may have missed some: it is not told that it has not.
        """
        for market in self._markets:
            market.sequence = after

    def take(self, block: DurableBlock) -> list[Traded]:
        """Follow ``block``; return its trades, for each market that traded."""
        traded: dict[MarketId, Traded] = {}
        time = block.block.time
        for sequence, events in enumerate(block.events, start=block.block.first_sequence):
            for event in events:
                if type(event) is Filled:
                    if event.market not in traded:
                        before = self.sequence(event.market)
                        traded[event.market] = Traded(event.market, before, [])
                    traded[event.market].trades.append(Trade(Sequence(sequence), time, event))
        for each in traded.values():
            market = self._markets[each.market - 1]
            market.sequence = block.block.last_sequence
            market.add(each.trades, time)
        return list(traded.values())

    def sequence(self, market: MarketId) -> Sequence:
        """Return the last sequence of the last block that traded in ``market``.

        Where none is known, that of the command from which on one would be: 0 from genesis.
        """
        return self._markets[market - 1].sequence

    def trades(self, market: MarketId, limit: int) -> list[Trade]:
        """Return the last ``limit`` trades that are kept, the oldest first."""
        return _last(self._markets[market - 1].trades, limit)

    def candles(self, market: MarketId, interval: str, limit: int) -> list[Candle]:
        """Return the last ``limit`` candles that are kept, the oldest first.

        An interval in which nothing was traded has none.
        """
        return _last(self._markets[market - 1].candles[interval], limit)


def _last(kept: deque[T], limit: int) -> list[T]:
    return list(islice(kept, max(0, len(kept) - limit), None))
