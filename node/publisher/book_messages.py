"""The channels of a book: ``book`` by level, ``orders`` by order, ``bbo`` the best of each side.

They chain: a snapshot, then diffs, each with the checksum of the whole after it. A large snapshot
is told in parts, none of which fills an outbox. A ``bbo`` message, diff or not, has both levels; it
comes once a block at most, and only after a change.
"""

from collections.abc import Container, Iterable
from functools import lru_cache, partial
from typing import Final

from node.codec.action_types import SIDE_NAMES
from node.codec.checksums import (
    CHECKSUM_DEPTH,
    best_checksum,
    book_checksum,
    level_entry,
    order_entry,
)
from node.ports.api import Channel
from node.publisher.book_mirror import BookDiff, OrderChange, Resting
from node.publisher.books import Books
from node.publisher.message import Fields, Framer, Message, joined, shown, shown_levels
from node.publisher.telling import in_parts
from node.types.commands import Side
from node.types.durable import DurableBlock
from node.types.ids import MarketId, Sequence
from node.types.rules import MarketRules, Rules
from node.types.units import decimal_from_units

_SIDES: Final = (("bids", Side.BUY), ("asks", Side.SELL))


class _Told:
    """How far one chain has come; the snapshot and the checksum as it stands, once asked for."""

    __slots__ = ("channel", "checksum", "sequence", "snapshot")

    def __init__(self, channel: Channel, sequence: Sequence) -> None:
        self.channel = channel
        self.sequence = sequence
        self.checksum: int | None = None
        self.snapshot: tuple[bytes, ...] | None = None

    def move(self, sequence: Sequence) -> Sequence:
        """Go on to ``sequence``; return where it stood."""
        before, self.sequence = self.sequence, sequence
        self.checksum = self.snapshot = None
        return before


class _Best:
    """What ``bbo`` told last of one market."""

    __slots__ = ("ask", "bid", "channel", "sequence")

    def __init__(self, channel: Channel, sequence: Sequence) -> None:
        self.channel = channel
        self.sequence = sequence
        self.bid: tuple[int, int] | None = None
        self.ask: tuple[int, int] | None = None


class BookMessages:
    """Writes what the books of all markets have to tell."""

    __slots__ = ("_best", "_book", "_books", "_framer", "_orders", "_rules")

    def __init__(self, rules: Rules, books: Books, framer: Framer, sequence: Sequence) -> None:
        """Begin with ``books`` that stand at ``sequence``."""
        markets = [MarketId(number) for number in range(1, len(rules.markets) + 1)]
        self._rules = rules
        self._books = books
        self._framer = framer
        self._book = [_Told(Channel("book", market), sequence) for market in markets]
        self._orders = [_Told(Channel("orders", market), sequence) for market in markets]
        self._best = [_Best(Channel("bbo", market), sequence) for market in markets]
        for market in markets:
            self._follow_best(market)

    def take(self, block: DurableBlock, wanted: Container[Channel]) -> list[Message]:
        """Follow ``block``; return a message for each channel in ``wanted`` that it speaks on."""
        messages: list[Message] = []
        sequence = block.block.last_sequence
        for diff in self._books.take(block):
            if diff.bids or diff.asks:
                told = self._book[diff.market - 1]
                before = told.move(sequence)
                if told.channel in wanted:
                    fields = self._book_diff(diff, before)
                    messages.append(self._framer.link(told.channel, sequence, before, fields))
            if diff.orders:
                told = self._orders[diff.market - 1]
                before = told.move(sequence)
                if told.channel in wanted:
                    fields = self._orders_diff(diff, before)
                    messages.append(self._framer.link(told.channel, sequence, before, fields))
            best = self._best[diff.market - 1]
            if self._follow_best(diff.market):
                before, best.sequence = best.sequence, sequence
                if best.channel in wanted:
                    fields = self._bbo(diff.market, "diff", before)
                    messages.append(self._framer.link(best.channel, sequence, before, fields))
        return messages

    def standing(self, channel: Channel) -> tuple[bytes, ...]:
        """Return the frames that tell how ``book``, ``orders`` or ``bbo`` stands."""
        place = channel.market - 1
        if channel.kind == "bbo":
            fields = self._bbo(channel.market, "snapshot", self._best[place].sequence)
            return (self._framer.frame(fields),)
        told = (self._book if channel.kind == "book" else self._orders)[place]
        if told.snapshot is None:
            whole = self.book_fields if channel.kind == "book" else self.orders_fields
            head = {"channel": channel.kind, "type": "snapshot", "prev_seq": told.sequence}
            parts = in_parts({**head, **whole(channel.market)})
            told.snapshot = tuple(self._framer.frame(part) for part in parts)
        return told.snapshot

    def sequence(self, channel: Channel) -> Sequence:
        """Return the ``seq`` of the last message of ``book`` or ``orders``."""
        chains = self._book if channel.kind == "book" else self._orders
        return chains[channel.market - 1].sequence

    def book_fields(self, market_id: MarketId, depth: int | None = None) -> Fields:
        """Return the best ``depth`` levels (None: all), with the checksum of the whole."""
        market, told = self._rules.market(market_id), self._book[market_id - 1]
        write = partial(_written_level, market.tick_decimals, market.lot_decimals)
        sides = {
            name: joined(self._books.level_texts(market_id, side, depth, write))
            for name, side in _SIDES
        }
        checksum = self._book_checksum(market_id)
        return {"market": market.symbol, "seq": told.sequence, "checksum": checksum, **sides}

    def orders_fields(self, market_id: MarketId) -> Fields:
        """Return every order in priority, with the checksum."""
        market, told = self._rules.market(market_id), self._orders[market_id - 1]
        write = partial(_written_orders, market.tick_decimals, market.lot_decimals)
        sides = {
            name: joined(self._books.order_texts(market_id, side, write)) for name, side in _SIDES
        }
        checksum = self._orders_checksum(market_id)
        return {"market": market.symbol, "seq": told.sequence, "checksum": checksum, **sides}

    def _book_diff(self, diff: BookDiff, before: Sequence) -> Fields:
        market = self._rules.market(diff.market)
        return {
            "channel": "book",
            "type": "diff",
            "market": market.symbol,
            "seq": self._book[diff.market - 1].sequence,
            "prev_seq": before,
            "checksum": self._book_checksum(diff.market),
            "bids": shown_levels(diff.bids, market),
            "asks": shown_levels(diff.asks, market),
        }

    def _orders_diff(self, diff: BookDiff, before: Sequence) -> Fields:
        market = self._rules.market(diff.market)
        return {
            "channel": "orders",
            "type": "diff",
            "market": market.symbol,
            "seq": self._orders[diff.market - 1].sequence,
            "prev_seq": before,
            "checksum": self._orders_checksum(diff.market),
            "changes": [_shown_change(change, market) for change in diff.orders],
        }

    def _bbo(self, market_id: MarketId, kind: str, before: Sequence) -> Fields:
        market, best = self._rules.market(market_id), self._best[market_id - 1]
        tick, lot = market.tick_decimals, market.lot_decimals
        bid, ask = (
            None if level is None else (shown(level[0], tick), shown(level[1], lot))
            for level in (best.bid, best.ask)
        )
        return {
            "channel": "bbo",
            "type": kind,
            "market": market.symbol,
            "seq": best.sequence,
            "prev_seq": before,
            "checksum": best_checksum(bid, ask),
            "bid": bid,
            "ask": ask,
        }

    def _follow_best(self, market: MarketId) -> bool:
        """Return whether the best level of a side is another than before."""
        best = self._best[market - 1]
        bid, ask = self._books.best(market, Side.BUY), self._books.best(market, Side.SELL)
        changed = (bid, ask) != (best.bid, best.ask)
        best.bid, best.ask = bid, ask
        return changed

    def _book_checksum(self, market_id: MarketId) -> int:
        """Return the checksum of the levels, computed once after each change."""
        told = self._book[market_id - 1]
        if told.checksum is None:
            market = self._rules.market(market_id)
            tick, lot = market.tick_decimals, market.lot_decimals
            bids, asks = (
                [
                    _level_text(price, size, tick, lot)
                    for price, size in self._books.levels(market_id, side, CHECKSUM_DEPTH)
                ]
                for side in Side
            )
            told.checksum = book_checksum(bids, asks)
        return told.checksum

    def _orders_checksum(self, market_id: MarketId) -> int:
        """Return the checksum of the orders, computed once after each change."""
        told = self._orders[market_id - 1]
        if told.checksum is None:
            market = self._rules.market(market_id)
            tick, lot = market.tick_decimals, market.lot_decimals
            bids, asks = (
                [
                    _order_text(order.order_id, order.price, order.remaining, tick, lot)
                    for order in self._books.orders(market_id, side, CHECKSUM_DEPTH)
                ]
                for side in Side
            )
            told.checksum = book_checksum(bids, asks)
        return told.checksum


@lru_cache(16_384)
def _level_text(price: int, size: int, tick: int, lot: int) -> str:
    """Return a checksum's entry; most of the best levels are the same from block to block."""
    return level_entry(decimal_from_units(price, tick), decimal_from_units(size, lot))


@lru_cache(16_384)
def _order_text(order_id: int, price: int, remaining: int, tick: int, lot: int) -> str:
    """Return a checksum's entry, likewise."""
    return order_entry(
        order_id, decimal_from_units(price, tick), decimal_from_units(remaining, lot)
    )


def _written_level(tick: int, lot: int, price: int, size: int) -> bytes:
    """Return a level as JSON."""
    return f'["{decimal_from_units(price, tick)}","{decimal_from_units(size, lot)}"]'.encode()


def _written_orders(tick: int, lot: int, orders: Iterable[Resting]) -> bytes:
    """Return the orders of one price as JSON, without the brackets round all of them."""
    return ",".join(
        f'[{order.order_id},"{decimal_from_units(order.price, tick)}",'
        f'"{decimal_from_units(order.remaining, lot)}"]'
        for order in orders
    ).encode()


def _shown_order(order: Resting, market: MarketRules) -> tuple[int, str, str]:
    price = shown(order.price, market.tick_decimals)
    return order.order_id, price, shown(order.remaining, market.lot_decimals)


def _shown_change(change: OrderChange, market: MarketRules) -> Fields:
    order = change.order
    if change.op == "remove":
        return {"op": "remove", "order_id": order.order_id}
    _, price, remaining = _shown_order(order, market)
    fields = {
        "op": change.op,
        "order_id": order.order_id,
        "side": SIDE_NAMES[order.side],
        "price": price,
        "remaining": remaining,
    }
    if change.op == "change":
        fields["priority"] = "kept" if change.kept else "lost"
    return fields
