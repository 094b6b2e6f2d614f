"""Who listens to what: everyone gets everything of it, and a slow one holds up nobody."""

import asyncio

import pytest

from node.ports.api import Channel
from node.publisher.subscriptions import Subscriptions
from node.publisher.telling import Snapshots
from node.types.errors import Overloaded, SlowReader
from node.types.ids import MarketId, Sequence

BOOK = Channel("book", MarketId(1))
MARKS = Channel("marks")


class Reader:
    """A subscriber that takes so many frames and no more; ``behind`` is for a test to set."""

    def __init__(self, patience: int = 1_000) -> None:
        self.heard: list[bytes] = []
        self.patience = patience
        self.behind = False
        self._told = asyncio.Event()

    async def heard_of(self, frames: int) -> None:
        """Return as soon as so many frames came."""
        while len(self.heard) < frames:
            self._told.clear()
            await self._told.wait()

    def push(self, frame: bytes) -> None:
        if len(self.heard) >= self.patience:
            raise SlowReader(limit=self.patience)
        self.heard.append(frame)
        self._told.set()


def test_a_channel_is_heard_by_its_readers_alone() -> None:
    subscriptions = Subscriptions(8)
    first, second = Reader(), Reader()
    subscriptions.add(first, BOOK)
    subscriptions.add(second, BOOK)
    subscriptions.add(second, MARKS)
    assert subscriptions.push(BOOK, b"book") == 2
    assert subscriptions.push(MARKS, b"marks") == 1
    assert subscriptions.push(Channel("blocks"), b"block") == 0
    assert (first.heard, second.heard) == ([b"book"], [b"book", b"marks"])


def test_subscribing_twice_is_hearing_once() -> None:
    subscriptions = Subscriptions(1)
    reader = Reader()
    subscriptions.add(reader, BOOK)
    subscriptions.add(reader, BOOK)
    assert subscriptions.push(BOOK, b"book") == 1


def test_nothing_is_left_of_who_has_gone() -> None:
    subscriptions = Subscriptions(8)
    reader = Reader()
    subscriptions.add(reader, BOOK)
    subscriptions.add(reader, MARKS)
    subscriptions.remove(reader, BOOK)
    subscriptions.remove(reader, BOOK)
    assert BOOK not in subscriptions
    assert MARKS in subscriptions
    subscriptions.leave(reader)
    subscriptions.leave(reader)
    assert MARKS not in subscriptions
    assert len(subscriptions) == 0


def test_a_slow_reader_is_dropped_from_every_channel_and_the_others_read_on() -> None:
    subscriptions = Subscriptions(8)
    slow, keen = Reader(patience=2), Reader()
    for reader in (slow, keen):
        subscriptions.add(reader, BOOK)
        subscriptions.add(reader, MARKS)
    for number in range(5):
        subscriptions.push(BOOK, b"%d" % number)
    assert len(keen.heard) == 5
    assert (len(slow.heard), subscriptions.cut, len(subscriptions)) == (2, 1, 1)
    assert subscriptions.push(MARKS, b"marks") == 1


def test_the_channels_of_one_reader_are_bounded() -> None:
    subscriptions = Subscriptions(1)
    reader = Reader()
    subscriptions.add(reader, BOOK)
    with pytest.raises(Overloaded) as refused:
        subscriptions.add(reader, MARKS)
    assert refused.value.limit == 1
    assert MARKS not in subscriptions


standing = Snapshots(
    lambda channel: (f"{channel.kind} stands".encode(),), lambda _: Sequence(0), lambda *_: ()
)


def test_a_reader_that_is_behind_is_told_how_things_stand_and_the_others_all() -> None:
    subscriptions = Subscriptions(8)
    slow, keen = Reader(), Reader()
    for reader in (slow, keen):
        subscriptions.add(reader, BOOK)
    subscriptions.push(BOOK, b"1")
    slow.behind = True
    assert subscriptions.push(BOOK, b"2") == 1
    assert subscriptions.any_behind()
    assert subscriptions.catch_up(standing) == 0
    slow.behind = False
    # A diff is of no use to one who has missed the one before.
    assert subscriptions.push(BOOK, b"3") == 1
    assert subscriptions.catch_up(standing) == 1
    assert not subscriptions.any_behind()
    assert subscriptions.push(BOOK, b"4") == 2
    assert slow.heard == [b"1", b"book stands", b"4"]
    assert keen.heard == [b"1", b"2", b"3", b"4"]
    assert (subscriptions.conflated, subscriptions.cut) == (1, 0)


def test_where_every_message_counts_a_reader_that_is_behind_still_gets_each() -> None:
    subscriptions = Subscriptions(8)
    reader = Reader(patience=2)
    reader.behind = True
    subscriptions.add(reader, Channel("trades", MarketId(1)))
    for number in range(3):
        subscriptions.push(Channel("trades", MarketId(1)), b"%d" % number)
    assert (reader.heard, subscriptions.cut, len(subscriptions)) == ([b"0", b"1"], 1, 0)


def test_nobody_listens_to_a_channel_whose_readers_are_all_behind() -> None:
    subscriptions = Subscriptions(8)
    reader = Reader()
    subscriptions.add(reader, BOOK)
    reader.behind = True
    assert subscriptions.push(BOOK, b"1") == 0
    assert BOOK not in subscriptions
    # Asking anew is being told anew.
    subscriptions.add(reader, BOOK)
    assert BOOK in subscriptions
    assert not subscriptions.any_behind()


def test_one_who_leaves_while_it_is_behind_is_forgotten() -> None:
    subscriptions = Subscriptions(8)
    reader = Reader()
    subscriptions.add(reader, BOOK)
    reader.behind = True
    subscriptions.push(BOOK, b"1")
    subscriptions.leave(reader)
    assert not subscriptions.any_behind()
    assert (len(subscriptions), subscriptions.catch_up(standing)) == (0, 0)


def test_one_who_cannot_take_even_how_things_stand_is_cut() -> None:
    subscriptions = Subscriptions(8)
    reader = Reader(patience=0)
    subscriptions.add(reader, BOOK)
    reader.behind = True
    subscriptions.push(BOOK, b"1")
    reader.behind = False
    assert subscriptions.catch_up(standing) == 0
    assert (subscriptions.cut, len(subscriptions)) == (1, 0)
