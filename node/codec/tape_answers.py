"""Trades and candles, as the node tells of them over REST and in feeds."""

from typing import Literal

from msgspec import Struct

from node.codec.answers import Decimal, Natural, Side

Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]


class Trade(Struct, frozen=True):
    """One fill: command ``sequence`` made it, in a block at ``time``."""

    sequence: Natural
    time: Natural
    price: Decimal
    size: Decimal
    taker_side: Side
    maker_order: Natural
    taker_order: Natural


class TradesAnswer(Struct, frozen=True):
    """Trades of a market, the oldest first; ``seq`` is that of the last block that traded."""

    market: str
    seq: Natural
    trades: tuple[Trade, ...]


class Candle(Struct, frozen=True):
    """What was traded from ``start`` on; ``trades`` counts the fills."""

    start: Natural
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: Natural


class CandlesAnswer(Struct, frozen=True):
    """Candles of a market, the oldest first; an interval without a trade has none."""

    market: str
    interval: Interval
    seq: Natural
    candles: tuple[Candle, ...]
