"""What a reader of the feeds makes of them is what the state holds, after every block."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from node.client.local_book import LocalBook, require_best
from node.client.local_orders import LocalOrders
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.publisher.message import Message
from node.publisher.seed import accounts_of, books_of, marks_of
from node.publisher.tape import INTERVALS_MS
from node.transition.state import State
from node.types.commands import Side
from node.types.events import Filled
from node.types.feed_states import NEXT_ORDER_STATES
from node.types.ids import MarketId, Sequence
from node.types.units import decimal_from_units
from tests.property.random_log import ACCOUNTS, RULES
from tests.property.test_mirrors import BLOCKS, MARKETS, SEEDS, Everything, blocks_of, fresh_state

SIDES = {"buy": Side.BUY, "sell": Side.SELL}


def feeds_of(state: State) -> Feeds:
    """Return feeds that begin where ``state`` stands, as a node does after a start."""
    sequence = Sequence(state.sequence)
    return Feeds(RULES, books_of(state), accounts_of(state), marks_of(state), bytes, sequence)


class Follower:
    """A reader of one market's books, and of its best."""

    def __init__(self, feeds: Feeds, market: MarketId) -> None:
        self.market = market
        self.rules = RULES.market(market)
        self.book, self.orders = LocalBook(self.rules.symbol), LocalOrders(self.rules.symbol)
        self.channels = {
            Channel("book", market): self.book.apply,
            Channel("orders", market): self.orders.apply,
            Channel("bbo", market): self.best,
        }
        self.told: Counter[str] = Counter()
        self.bbo: tuple[object, object] = (None, None)
        self.bbo_seq: int | None = None
        for channel, apply in self.channels.items():
            (frame,) = feeds.standing(channel)
            apply(msgspec.json.decode(frame))

    def best(self, message: dict[str, Any]) -> None:
        now = (message["bid"], message["ask"])
        require_best(message)
        first = self.bbo_seq is None
        assert message["type"] == ("snapshot" if first else "diff")
        assert message["prev_seq"] == (message["seq"] if first else self.bbo_seq)
        self.bbo_seq = message["seq"]
        assert not self.told["bbo"] or now != self.bbo, "a best that did not change was sent"
        self.bbo = now

    def hear(self, messages: list[Message]) -> None:
        for message in messages:
            apply = self.channels.get(message.channel)
            if apply is not None:
                apply(msgspec.json.decode(message.frame))
                self.told[message.channel.kind] += 1

    def require(self, state: State) -> None:
        """The books are the state's, level by level and order by order in priority."""
        real, tick, lot = state.market(self.market).book, *self._decimals()
        for name, side in SIDES.items():
            levels = [
                (decimal_from_units(price, tick), decimal_from_units(size, lot))
                for price, size, _ in real.levels(side)
            ]
            assert (self.book.bids() if side is Side.BUY else self.book.asks()) == levels
            assert self.orders.levels(name) == levels
            best = self.bbo[0 if side is Side.BUY else 1]
            assert best == (list(levels[0]) if levels else None)
            assert [
                (order.order_id, order.side, order.price, order.remaining)
                for order in self.orders.orders(name)
            ] == [
                (
                    order.order_id,
                    name,
                    decimal_from_units(order.price, tick),
                    decimal_from_units(order.remaining, lot),
                )
                for order in real.orders(side)
            ]

    def _decimals(self) -> tuple[int, int]:
        return self.rules.tick_decimals, self.rules.lot_decimals


@pytest.mark.parametrize("seed", SEEDS)
def test_books_rebuilt_from_the_feed_are_those_of_the_state(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    blocks = blocks_of(seed, state)
    for _ in range(seed * 5):
        next(blocks)
    feeds = feeds_of(state)
    followers = [Follower(feeds, market) for market in MARKETS]
    for block in blocks:
        messages = feeds.take(block, Everything())
        assert len({message.channel for message in messages}) == len(messages)
        for follower in followers:
            follower.hear(messages)
            follower.require(state)
    first = followers[0].told
    assert min(first["book"], first["orders"], first["bbo"]) > BLOCKS // 4
    assert first["orders"] >= first["book"] >= first["bbo"]


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_of_the_account_feed_only_go_where_the_states_allow(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    accounts = [Channel("account", account=address) for address in ACCOUNTS]
    states: dict[int, str] = {}
    seen: Counter[str] = Counter()
    for block in blocks_of(seed, state):
        for message in feeds.take(block, accounts):
            for event in msgspec.json.decode(message.frame)["events"]:
                assert block.block.first_sequence <= event["sequence"] <= message.seq
                if "state" in event:
                    before, after = states.get(event["order_id"]), event["state"]
                    assert before is None or after in NEXT_ORDER_STATES[before]
                    assert before is not None or after in ("waiting", "accepted")
                    assert (after == "filled") == (event["remaining"] == "0")
                    states[event["order_id"]] = after
                    seen[after] += 1
        # Each has ended that is not open: what came and was filled as far as it went, too.
        assert {number: state for number, state in states.items() if NEXT_ORDER_STATES[state]} == {
            order["order_id"]: order["state"]
            for address in ACCOUNTS
            for order in msgspec.json.decode(feeds.account_fields(address)["orders"])
        }
    assert min(seen[name] for name in NEXT_ORDER_STATES) > 5, seen


@pytest.mark.parametrize("seed", SEEDS)
def test_fills_and_handed_over_lots_add_up_to_the_position(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    accounts = [Channel("account", account=address) for address in ACCOUNTS]
    held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    roles: set[str] = set()
    for block in blocks_of(seed, state):
        for message in feeds.take(block, accounts):
            told = msgspec.json.decode(message.frame)
            for event in told["events"]:
                if event["event"] in {"filled", "deleveraged"}:
                    signed = Decimal(event["size"]) * (1 if event["side"] == "buy" else -1)
                    held[told["account"], event["market"]] += signed
                    roles.add(event["role"])
        for address in ACCOUNTS:
            shown = feeds.account_fields(address)
            sizes = {one["market"]: Decimal(one["size"]) for one in shown["positions"]}
            summed = {
                where[1]: size for where, size in held.items() if where[0] == shown["account"]
            }
            assert {market: size for market, size in summed.items() if size} == sizes
    assert roles == {"maker", "taker", "bankrupt", "counterparty"}


@pytest.mark.parametrize("seed", SEEDS)
def test_trades_and_candles_are_those_of_the_log(seed: int) -> None:
    print(f"seed {seed}")
    state = fresh_state()
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(Sequence(0)), bytes, Sequence(0))
    trades, candles = Channel("trades", MARKETS[0]), Channel("candles", MARKETS[0], interval="5m")
    last, told, newest = dict.fromkeys((trades, candles), 0), [], dict[int, dict[str, Any]]()
    fills: list[tuple[int, Filled]] = []
    for block in blocks_of(seed, state):
        for message in feeds.take(block, last):
            fields = msgspec.json.decode(message.frame)
            assert fields["prev_seq"] == last[message.channel]
            last[message.channel] = fields["seq"]
            told += fields.get("trades", ())
            newest |= {candle["start"]: candle for candle in fields.get("candles", ())}
        fills += [
            (block.block.time, event)
            for events in block.events
            for event in events
            if isinstance(event, Filled) and event.market == MARKETS[0]
        ]
    assert [trade["maker_order"] for trade in told] == [fill.maker_order for _, fill in fills]
    assert len(fills) > 20
    assert list(newest.values()) == slow_candles(fills, INTERVALS_MS["5m"])


def slow_candles(fills: list[tuple[int, Filled]], length_ms: int) -> list[dict[str, Any]]:
    """Return what the definition of a candle says."""
    market = RULES.market(MARKETS[0])
    candles: list[dict[str, Any]] = []
    for start in sorted({time - time % length_ms for time, _ in fills}):
        inside = [fill for time, fill in fills if start <= time < start + length_ms]
        prices = [fill.price for fill in inside]
        shown = {
            "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]
        }  # fmt: skip
        volume = sum(fill.size for fill in inside)
        candles.append(
            {"start": start}
            | {
                name: decimal_from_units(price, market.tick_decimals)
                for name, price in shown.items()
            }
            | {"volume": decimal_from_units(volume, market.lot_decimals), "trades": len(inside)}
        )
    return candles
