"""What each channel says of a block: encoded once, whoever and however many listen.

Channels with a standing (``book``, ``account``) chain: each message names the sequence of the one
before, and a subscription begins with a snapshot that bears the sequence of the last message. A
reader who finds ``prev_seq`` unequal to what it last saw has missed something, and subscribes
again.
"""

from collections.abc import Callable, Container
from typing import Any

import msgspec

from node.codec.action_types import SIDE_NAMES, TRIGGER_NAMES
from node.ports.api import Channel
from node.publisher.account_events import AccountEvents
from node.publisher.accounts import AccountMirror, Accounts, OpenOrder, Touched
from node.publisher.books import BookDiff, Books, Levels
from node.publisher.finality import Cursors
from node.publisher.marks import Marks
from node.types.commands import Side
from node.types.durable import DurableBlock
from node.types.events import Filled
from node.types.ids import Address, MarketId, Sequence, hex_from_address
from node.types.rules import MarketRules, Rules
from node.types.units import MONEY_DECIMALS, decimal_from_units

Frame = Callable[[bytes], bytes]
"""Makes of a JSON text what goes over the wire; done once for all who read it."""

MARKS = Channel("marks")
BLOCKS = Channel("blocks")
FINALITY = Channel("finality")
LOAD = Channel("load")

_encode = msgspec.json.Encoder().encode


class Feeds:
    """Follows the durable log with mirrors of its own, and writes the channels' messages."""

    def __init__(
        self,
        rules: Rules,
        books: Books,
        accounts: Accounts,
        marks: Marks,
        frame: Frame,
        sequence: Sequence,
    ) -> None:
        """Begin with mirrors that stand at ``sequence``."""
        self.books = books
        self.accounts = accounts
        self.marks = marks
        self._rules = rules
        self._frame = frame
        self._show = AccountEvents(rules)
        self._book_sequences = [sequence] * len(rules.markets)
        self._book_frames: dict[MarketId, bytes] = {}
        self._last_block: DurableBlock | None = None

    def take(self, block: DurableBlock, wanted: Container[Channel]) -> list[tuple[Channel, bytes]]:
        """Follow ``block``; return one frame for each channel in ``wanted`` that it speaks on."""
        self._last_block = block
        frames = self._book_diffs(block, wanted)
        frames += self._trades(block, wanted)
        if self.marks.take(block) and MARKS in wanted:
            frames.append((MARKS, self._marks()))
        touched = self.accounts.take(block)
        frames += self._updates(touched, block.block.last_sequence, wanted)
        self.accounts.moved_on(touched, block.block.last_sequence)
        if BLOCKS in wanted:
            frames.append((BLOCKS, self._block(block)))
        return frames

    def standing(self, channel: Channel) -> tuple[bytes, ...]:
        """Return the frames that a new reader of ``channel`` begins with; finality has its own."""
        match channel.kind:
            case "book":
                return (self._book_snapshot(channel.market),)
            case "account":
                return (self._account_snapshot(channel.account),)
            case "marks":
                return (self._marks(),)
            case "blocks" if self._last_block is not None:
                return (self._block(self._last_block),)
            case _:
                return ()

    def finality(self, cursors: Cursors) -> bytes:
        """Return the frame that tells of ``cursors``."""
        return self._framed(
            {
                "channel": "finality",
                "posted": cursors.posted,
                "safe": cursors.safe,
                "final": cursors.final,
            }
        )

    def account_fields(self, address: Address) -> dict[str, Any]:
        """Return an account as it stands; one that never had a deposit has nothing."""
        mirror = self.accounts.by_address.get(address)
        head = {"account": hex_from_address(address)}
        if mirror is None:
            mirror = AccountMirror(Sequence(0))
        positions = [self._show.position(held, address) for held in mirror.positions.values()]
        for position in positions:
            del position["event"]
        return {
            **head,
            "seq": mirror.sequence,
            "free": decimal_from_units(mirror.free, MONEY_DECIMALS),
            "reserved": decimal_from_units(mirror.reserved, MONEY_DECIMALS),
            "positions": positions,
            "orders": [self._order(order) for order in mirror.orders.values()],
            "nonces": {hex_from_address(key): top for key, top in mirror.nonces.items()},
            "switch": {"cancel_at": mirror.switch[0], "on_disconnect": mirror.switch[1]},
        }

    def book_fields(self, market_id: MarketId, depth: int | None = None) -> dict[str, Any]:
        """Return the best ``depth`` levels of a book as they stand (None: all)."""
        market = self._rules.market(market_id)
        return {
            "market": market.symbol,
            "seq": self._book_sequences[market_id - 1],
            "bids": _levels(self.books.levels(market_id, Side.BUY, depth), market),
            "asks": _levels(self.books.levels(market_id, Side.SELL, depth), market),
        }

    def _framed(self, fields: dict[str, Any]) -> bytes:
        return self._frame(_encode(fields))

    def _book_diffs(
        self, block: DurableBlock, wanted: Container[Channel]
    ) -> list[tuple[Channel, bytes]]:
        frames = []
        sequence = block.block.last_sequence
        for diff in self.books.take(block):
            before = self._book_sequences[diff.market - 1]
            self._book_sequences[diff.market - 1] = sequence
            self._book_frames.pop(diff.market, None)
            channel = Channel("book", diff.market)
            if channel in wanted:
                frames.append((channel, self._book_diff(diff, sequence, before)))
        return frames

    def _book_diff(self, diff: BookDiff, sequence: Sequence, before: Sequence) -> bytes:
        market = self._rules.market(diff.market)
        return self._framed(
            {
                "channel": "book",
                "type": "diff",
                "market": market.symbol,
                "seq": sequence,
                "prev_seq": before,
                "bids": _levels(diff.bids, market),
                "asks": _levels(diff.asks, market),
            }
        )

    def _book_snapshot(self, market: MarketId) -> bytes:
        frame = self._book_frames.get(market)
        if frame is None:
            fields = self.book_fields(market)
            head = {"channel": "book", "type": "snapshot", "prev_seq": fields["seq"]}
            frame = self._book_frames[market] = self._framed({**head, **fields})
        return frame

    def _trades(
        self, block: DurableBlock, wanted: Container[Channel]
    ) -> list[tuple[Channel, bytes]]:
        fills: dict[MarketId, list[Filled]] = {}
        for events in block.events:
            for event in events:
                if type(event) is Filled:
                    fills.setdefault(event.market, []).append(event)
        frames = []
        for market_id, trades in fills.items():
            channel = Channel("trades", market_id)
            if channel in wanted:
                market = self._rules.market(market_id)
                fields = {
                    "channel": "trades",
                    "market": market.symbol,
                    "seq": block.block.last_sequence,
                    "trades": [_trade(fill, market) for fill in trades],
                }
                frames.append((channel, self._framed(fields)))
        return frames

    def _marks(self) -> bytes:
        marks = {}
        for market_id, (price, time) in self.marks.by_market.items():
            market = self._rules.market(market_id)
            shown = decimal_from_units(price, market.tick_decimals)
            marks[market.symbol] = {"price": shown, "time": time}
        return self._framed({"channel": "marks", "seq": self.marks.sequence, "marks": marks})

    def _updates(
        self, touched: Touched, sequence: Sequence, wanted: Container[Channel]
    ) -> list[tuple[Channel, bytes]]:
        frames = []
        for address, events in touched.items():
            channel = Channel("account", account=address)
            if channel in wanted:
                fields = {
                    "channel": "account",
                    "type": "update",
                    "account": hex_from_address(address),
                    "seq": sequence,
                    "prev_seq": self.accounts.by_address[address].sequence,
                    "events": [self._show.show(event, address) for event in events],
                }
                frames.append((channel, self._framed(fields)))
        return frames

    def _account_snapshot(self, address: Address) -> bytes:
        fields = self.account_fields(address)
        head = {"channel": "account", "type": "snapshot", "prev_seq": fields["seq"]}
        return self._framed({**head, **fields})

    def _order(self, order: OpenOrder) -> dict[str, Any]:
        market = self._rules.market(order.market)
        return {
            **_conditions(order, market),
            "order_id": order.order_id,
            "client_id": order.client_id,
            "market": market.symbol,
            "side": SIDE_NAMES[order.side],
            "price": decimal_from_units(order.price, market.tick_decimals),
            "remaining": decimal_from_units(order.remaining, market.lot_decimals),
            "reduce_only": order.reduce_only,
        }

    def _block(self, durable: DurableBlock) -> bytes:
        return self._framed({"channel": "blocks", **block_fields(durable)})


def block_fields(durable: DurableBlock) -> dict[str, Any]:
    """Return the head of a block, as its hash and the sequencer's signature cover it."""
    block = durable.block
    return {
        "number": block.number,
        "time": block.time,
        "first_sequence": block.first_sequence,
        "last_sequence": block.last_sequence,
        "parent": "0x" + block.parent.hex(),
        "hash": "0x" + block.hash.hex(),
        "signature": "0x" + block.signature.hex(),
    }


def _conditions(order: OpenOrder, market: MarketRules) -> dict[str, Any]:
    """Return what most orders do not have: an end, a partner, a price that they wait for."""
    fields: dict[str, Any] = {}
    if order.good_till:
        fields["good_till"] = order.good_till
    if order.group:
        fields["group"] = order.group
    if order.trigger:
        fields["trigger"] = TRIGGER_NAMES[order.trigger]
        fields["trigger_price"] = decimal_from_units(order.trigger_price, market.tick_decimals)
    return fields


def _levels(levels: Levels, market: MarketRules) -> list[tuple[str, str]]:
    tick, lot = market.tick_decimals, market.lot_decimals
    return [
        (decimal_from_units(price, tick), decimal_from_units(size, lot)) for price, size in levels
    ]


def _trade(fill: Filled, market: MarketRules) -> dict[str, Any]:
    return {
        "price": decimal_from_units(fill.price, market.tick_decimals),
        "size": decimal_from_units(fill.size, market.lot_decimals),
        "taker_side": SIDE_NAMES[fill.taker_side],
        "maker_order": fill.maker_order,
        "taker_order": fill.taker_order,
    }
