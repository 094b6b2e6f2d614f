"""The channels ``trades`` and ``candles``: what was traded, one by one and summed up."""

from collections.abc import Container
from typing import Final

from node.codec.action_types import SIDE_NAMES
from node.ports.api import Channel
from node.publisher.message import Fields, Framer, Message, shown
from node.publisher.tape import INTERVALS_MS, Candle, Tape, Trade, Traded
from node.types.durable import DurableBlock
from node.types.ids import MarketId
from node.types.rules import MarketRules, Rules

TRADES_FIRST: Final = 50
"""The trades that a snapshot of ``trades`` begins with, of those that are kept."""
CANDLES_FIRST: Final = 50
"""Likewise for ``candles``."""


class TapeMessages:
    """Writes what the tape has to tell."""

    __slots__ = ("_candles", "_framer", "_rules", "_tape", "_trades")

    def __init__(self, rules: Rules, tape: Tape, framer: Framer) -> None:
        markets = [MarketId(number) for number in range(1, len(rules.markets) + 1)]
        self._rules = rules
        self._tape = tape
        self._framer = framer
        self._trades = [Channel("trades", market) for market in markets]
        self._candles = [
            [Channel("candles", market, interval=interval) for interval in INTERVALS_MS]
            for market in markets
        ]

    def take(self, block: DurableBlock, wanted: Container[Channel]) -> list[Message]:
        """Follow ``block``; return a message for each channel in ``wanted`` that it speaks on."""
        messages: list[Message] = []
        for traded in self._tape.take(block):
            channel = self._trades[traded.market - 1]
            if channel in wanted:
                messages.append(self._link(channel, traded, self.shown_trades(traded.trades)))
            for channel in self._candles[traded.market - 1]:
                if channel in wanted:
                    newest = self._tape.candles(traded.market, channel.interval, 1)
                    shown_newest = self.shown_candles(traded.market, newest)
                    messages.append(self._link(channel, traded, shown_newest))
        return messages

    def standing(self, channel: Channel) -> bytes:
        """Return the frame that a new reader of ``trades`` or ``candles`` begins with."""
        market, sequence = channel.market, self._tape.sequence(channel.market)
        if channel.kind == "trades":
            items = self.shown_trades(self._tape.trades(market, TRADES_FIRST))
        else:
            candles = self._tape.candles(market, channel.interval, CANDLES_FIRST)
            items = self.shown_candles(market, candles)
        head = self._head(channel, "snapshot")
        return self._framer.frame(
            {**head, "seq": sequence, "prev_seq": sequence, channel.kind: items}
        )

    def shown_trades(self, trades: list[Trade]) -> list[Fields]:
        """Return trades as a reader sees them."""
        return [_trade(trade, self._rules.market(trade.fill.market)) for trade in trades]

    def shown_candles(self, market_id: MarketId, candles: list[Candle]) -> list[Fields]:
        """Return candles as a reader sees them."""
        market = self._rules.market(market_id)
        return [_candle(candle, market) for candle in candles]

    def _link(self, channel: Channel, traded: Traded, items: list[Fields]) -> Message:
        sequence = self._tape.sequence(traded.market)
        chain = {"seq": sequence, "prev_seq": traded.before}
        fields = {**self._head(channel, "diff"), **chain, channel.kind: items}
        return self._framer.link(channel, sequence, traded.before, fields)

    def _head(self, channel: Channel, kind: str) -> Fields:
        symbol = self._rules.market(channel.market).symbol
        head: Fields = {"channel": channel.kind, "type": kind, "market": symbol}
        if channel.interval:
            head["interval"] = channel.interval
        return head


def _trade(trade: Trade, market: MarketRules) -> Fields:
    fill = trade.fill
    return {
        "sequence": trade.sequence,
        "time": trade.time,
        "price": shown(fill.price, market.tick_decimals),
        "size": shown(fill.size, market.lot_decimals),
        "taker_side": SIDE_NAMES[fill.taker_side],
        "maker_order": fill.maker_order,
        "taker_order": fill.taker_order,
    }


def _candle(candle: Candle, market: MarketRules) -> Fields:
    tick = market.tick_decimals
    return {
        "start": candle.start,
        "open": shown(candle.open, tick),
        "high": shown(candle.high, tick),
        "low": shown(candle.low, tick),
        "close": shown(candle.close, tick),
        "volume": shown(candle.volume, market.lot_decimals),
        "trades": candle.trades,
    }
