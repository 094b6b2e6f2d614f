"""A book larger than an outbox reaches a reader in parts, however slowly that reads."""

import asyncio
from typing import Any

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.client.local_book import LocalBook
from node.client.local_orders import LocalOrders
from node.client.subscription import Subscription
from node.codec.messages import BookMessage, OrdersSnapshot
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.book_mirror import Resting
from node.publisher.books import Books
from node.publisher.config import PublisherConfig
from node.publisher.feeds import Feeds
from node.publisher.marks import Marks
from node.publisher.service import Publisher
from node.types.commands import Side
from node.types.durable import DurableBlock
from node.types.errors import SlowReader
from node.types.ids import MarketId, OrderId, Sequence
from node.types.units import Lots, Ticks
from tests.examples import RULES
from tests.integration.made_up_blocks import MadeUpBlocks
from tests.unit.sequencer.surroundings import HandClock

BTC = MarketId(1)
SMALLEST_OUTBOX = 65_536
"""The least that ``http.outbox_bytes`` may be."""

ORDERS = 5_000
"""Several times the smallest outbox."""

BOOK, BY_ORDER = Channel("book", BTC), Channel("orders", BTC)


class Outbox:
    """A reader with an outbox, which it empties when told to; it is cut where that is full."""

    def __init__(self, outbox_bytes: int = SMALLEST_OUTBOX) -> None:
        self.waiting: list[bytes] = []
        self._limit = outbox_bytes

    @property
    def behind(self) -> bool:
        return 8 * sum(map(len, self.waiting)) > self._limit

    def push(self, frame: bytes) -> None:
        self.waiting.append(frame)
        if sum(map(len, self.waiting)) > self._limit:
            raise SlowReader(limit=self._limit)

    def read(self) -> list[dict[str, Any]]:
        frames, self.waiting = self.waiting, []
        return [msgspec.json.decode(frame) for frame in frames]


class Station:
    """A publisher of a market with a large book, in which more happens."""

    def __init__(self, resume_messages: int = 1_024) -> None:
        zero = Sequence(0)
        books = Books(2)
        far = (
            Resting(OrderId(10**6 + place), Side.SELL, Ticks(10**8 + place), Lots(1_000))
            for place in range(ORDERS)
        )
        books.seed(BTC, far)
        feeds = Feeds(RULES, books, Accounts(RULES.limits), Marks(zero), bytes, zero)
        config = PublisherConfig(resume_messages=resume_messages)
        self._mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("publisher", 16))
        self.publisher = Publisher(feeds, self._mailbox, HandClock(), config, zero)
        self._made = MadeUpBlocks(1, 2)

    def go_on(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self._mailbox.offer(self._made.draw(3), 0)
            self.publisher.turn()


class Follower:
    """Reads its outbox into a book of its own, as the client does."""

    def __init__(self, station: Station, channel: Channel) -> None:
        self.outbox = Outbox()
        self.book = LocalBook("BTC-PERP") if channel == BOOK else LocalOrders("BTC-PERP")
        self.asked_again = 0
        self.heard: list[dict[str, Any]] = []
        self._subscription = Subscription({"channel": channel.kind}, self._take)
        for frame in station.publisher.subscribe(self.outbox, channel).frames:
            self.outbox.push(frame)

    def read(self) -> int:
        messages = self.outbox.read()
        for message in messages:
            self.asked_again += self._subscription.take(message)
        self.heard += messages
        return len(messages)

    def _take(self, message: dict[str, Any]) -> None:
        self.book.apply(message)

    def entries(self) -> list[Any]:
        if isinstance(self.book, LocalBook):
            return [self.book.bids(), self.book.asks()]
        return [
            [(each.order_id, each.price, each.remaining) for each in self.book.orders(side)]
            for side in ("buy", "sell")
        ]


def standing(station: Station, channel: Channel) -> list[Any]:
    """Return both sides as they stand."""
    parts = [msgspec.json.decode(frame) for frame in station.publisher.feeds.standing(channel)]
    return [[tuple(each) for part in parts for each in part[side]] for side in ("bids", "asks")]


@pytest.mark.parametrize("channel", [BOOK, BY_ORDER], ids=lambda channel: channel.kind)
async def test_a_book_larger_than_an_outbox_arrives_while_more_happens(channel: Channel) -> None:
    station = Station()
    reader = Follower(station, channel)
    for _ in range(30):
        station.go_on()
        reader.read()
    station.go_on()
    reader.read()
    assert (station.publisher.slow_readers, reader.asked_again) == (0, 0)
    snapshots = [message for message in reader.heard if message["type"] == "snapshot"]
    assert [one["part"] for one in snapshots] == list(range(1, snapshots[0]["parts"] + 1))
    assert len({one["seq"] for one in snapshots}) == 1
    described: type[BookMessage | OrdersSnapshot]
    described = BookMessage if channel == BOOK else OrdersSnapshot
    assert msgspec.convert(snapshots[-1], described).parts == len(snapshots)
    assert len(reader.heard) > len(snapshots)
    assert reader.entries() == standing(station, channel)


async def test_one_who_reads_so_slowly_that_what_followed_is_forgotten_begins_anew() -> None:
    station = Station(resume_messages=4)
    reader = Follower(station, BY_ORDER)
    for _ in range(10):
        station.go_on(6)
        reader.read()
    assert len({one["seq"] for one in reader.heard if one["type"] == "snapshot"}) > 1
    assert not reader.book.known
    # Once it reads faster than so much happens it has everything.
    for _ in range(30):
        station.publisher.turn()
        reader.read()
    assert (station.publisher.slow_readers, reader.asked_again) == (0, 0)
    assert reader.entries() == standing(station, BY_ORDER)


async def test_readers_who_begin_meanwhile_share_one_snapshot() -> None:
    station = Station()
    readers = []
    for _ in range(5):
        readers.append(Follower(station, BY_ORDER))
        station.go_on()
    for _ in range(30):
        station.go_on()
        for reader in readers:
            reader.read()
    assert len({reader.heard[0]["seq"] for reader in readers}) == 1
    assert [reader.entries() for reader in readers] == [standing(station, BY_ORDER)] * 5


async def test_one_who_leaves_between_two_parts_hears_no_more() -> None:
    station = Station()
    reader = Follower(station, BY_ORDER)
    reader.read()
    station.publisher.leave(reader.outbox)
    station.go_on(5)
    assert reader.read() == 0


async def test_who_asks_again_between_two_parts_is_told_all_of_them() -> None:
    station = Station()
    reader = Follower(station, BY_ORDER)
    reader.read()
    for frame in station.publisher.subscribe(reader.outbox, BY_ORDER).frames:
        reader.outbox.push(frame)
    for _ in range(30):
        station.go_on()
        reader.read()
    assert reader.entries() == standing(station, BY_ORDER)


async def test_who_is_alone_with_a_book_in_which_nothing_happens_gets_it_too() -> None:
    station = Station()
    reader = Follower(station, BY_ORDER)
    while not reader.book.known:
        reader.read()
        # No block comes: it is looked after all the same.
        await asyncio.sleep(0.01)
    assert reader.entries() == standing(station, BY_ORDER)
