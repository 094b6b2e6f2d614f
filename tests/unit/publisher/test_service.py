"""The loop: blocks out of the mailbox, frames to readers, what is asked for kept."""

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import Any

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.client.local_book import LocalBook
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.config import PublisherConfig, check_publisher_config
from node.publisher.feeds import FINALITY, LOAD, Feeds
from node.publisher.finality import Cursors
from node.publisher.marks import Marks
from node.publisher.service import WAITING_MAX, Publisher
from node.types.durable import DurableBlock
from node.types.errors import ConfigInvalid, Overloaded, SinceAhead, TransitionImpossible
from node.types.ids import MarketId, Sequence
from tests.examples import ALICE, BOB, RULES, START_MS
from tests.integration.made_up_blocks import ACCOUNTS, MadeUpBlocks
from tests.unit.publisher.test_history import block
from tests.unit.publisher.test_subscriptions import Reader
from tests.unit.sequencer.surroundings import HandClock

BLOCKS = Channel("blocks")
BTC = MarketId(1)


def station(
    blocks_per_turn: int = 2, resume_messages: int = 1_024
) -> tuple[Publisher, Mailbox[DurableBlock]]:
    zero = Sequence(0)
    mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("publisher", 16))
    feeds = Feeds(RULES, Books(2), Accounts(RULES.limits), Marks(zero), bytes, zero)
    config = PublisherConfig(blocks_per_turn=blocks_per_turn, resume_messages=resume_messages)
    return Publisher(feeds, mailbox, HandClock(), config, zero), mailbox


async def test_blocks_are_told_until_it_is_cancelled() -> None:
    publisher, mailbox = station()
    reader = Reader()
    assert publisher.subscribe(reader, BLOCKS).frames == ()
    task = asyncio.create_task(publisher.run())
    for number in range(1, 6):
        mailbox.offer(block(number, number, 1), 0)
    await asyncio.wait_for(reader.heard_of(5), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [msgspec.json.decode(frame)["number"] for frame in reader.heard] == [1, 2, 3, 4, 5]
    assert (publisher.last_sequence, len(publisher.history)) == (5, 5)


async def test_a_turn_takes_its_limit_and_counts_its_work() -> None:
    publisher, mailbox = station(blocks_per_turn=2)
    for number in range(1, 4):
        mailbox.offer(block(number, number, 1), 0)
    assert (publisher.turn(), publisher.turn(), publisher.turn()) == (2, 1, 0)
    assert mailbox.stage.conserved()
    assert mailbox.stage.service.count == 3


async def test_who_waits_for_a_sequence_hears_when_it_was_told() -> None:
    publisher, mailbox = station()
    await publisher.told(Sequence(0))
    first, gone, second = (
        asyncio.create_task(publisher.told(Sequence(number))) for number in (1, 1, 2)
    )
    await asyncio.sleep(0)
    gone.cancel()
    for number in (1, 2):
        assert not (first if number == 1 else second).done()
        mailbox.offer(block(number, number, 1), 0)
        publisher.turn()
        await asyncio.sleep(0)
    assert first.done()
    assert second.done()
    assert gone.cancelled()


async def test_no_more_wait_for_a_sequence_than_there_is_room_for() -> None:
    publisher, mailbox = station()
    waiting = [asyncio.create_task(publisher.told(Sequence(1))) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await publisher.told(Sequence(1))
    mailbox.offer(block(1, 1, 1), 0)
    publisher.turn()
    await asyncio.gather(*waiting)
    await publisher.told(Sequence(1))


async def test_a_newcomer_hears_of_the_last_block_first() -> None:
    publisher, mailbox = station()
    mailbox.offer(block(1, 1, 1), 0)
    publisher.turn()
    (first,) = publisher.subscribe(Reader(), BLOCKS).frames
    assert msgspec.json.decode(first)["number"] == 1


async def test_what_recovery_replayed_can_be_asked_for() -> None:
    publisher, _ = station()
    publisher.replayed(block(1, 1, 3))
    assert publisher.history.receipt(3).number == 1


async def test_cursors_are_told_when_they_move_and_only_then() -> None:
    publisher, _ = station()
    reader = Reader()
    assert len(publisher.subscribe(reader, FINALITY).frames) == 1
    moved = Cursors(Sequence(5), Sequence(3), Sequence(1), Sequence(6))
    publisher.set_cursors(moved)
    publisher.set_cursors(moved)
    assert [(told["count"], told["posted"]) for told in decoded(reader.heard)] == [(1, 5)]
    # Whoever asks only now hears of the same move.
    assert decoded(publisher.subscribe(Reader(), FINALITY).frames) == decoded(reader.heard)
    with pytest.raises(TransitionImpossible):
        publisher.set_cursors(Cursors())
    assert publisher.cursors == moved


async def test_slow_readers_are_counted_and_forgotten() -> None:
    publisher, mailbox = station()
    reader = Reader(patience=0)
    publisher.subscribe(reader, BLOCKS)
    assert publisher.subscribers == 1
    mailbox.offer(block(1, 1, 1), 0)
    publisher.turn()
    assert (publisher.subscribers, publisher.slow_readers, reader.heard) == (0, 1, [])


async def test_nobody_acts_for_an_account_but_itself_and_its_agents() -> None:
    publisher, _ = station()
    assert publisher.may_act(ALICE.address, ALICE.address, START_MS)
    assert not publisher.may_act(ALICE.address, BOB.address, START_MS)


def test_the_config_tells_all_its_faults() -> None:
    check_publisher_config(PublisherConfig())
    with pytest.raises(ConfigInvalid) as refused:
        check_publisher_config(PublisherConfig(history_commands=0, blocks_per_turn=0))
    assert len(refused.value.faults) == 2


def follow(publisher: Publisher, mailbox: Mailbox[DurableBlock], made: MadeUpBlocks) -> None:
    mailbox.offer(made.draw(3), 0)
    publisher.turn()


def decoded(frames: Iterable[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(frame) for frame in frames]


RESUMED = [Channel("book", BTC), Channel("orders", BTC), Channel("trades", BTC)]


@pytest.mark.parametrize("channel", [*RESUMED, Channel("account", account=ACCOUNTS[0])])
async def test_who_comes_back_hears_exactly_what_it_missed(channel: Channel) -> None:
    publisher, mailbox = station()
    made, stays, leaves = MadeUpBlocks(1, 2), Reader(), Reader()
    for reader in (stays, leaves):
        assert not publisher.subscribe(reader, channel).resumed
    for number in range(40):
        if number == 20:
            publisher.leave(leaves)
        follow(publisher, mailbox, made)
    last = decoded(leaves.heard)[-1]["seq"]
    opening = publisher.subscribe(leaves, channel, Sequence(last))
    assert opening.resumed
    assert opening.frames
    assert leaves.heard + list(opening.frames) == stays.heard
    again = publisher.subscribe(leaves, channel, Sequence(decoded(stays.heard)[-1]["seq"]))
    assert (again.resumed, again.frames) == (True, ())


@pytest.mark.parametrize("channel", RESUMED)
async def test_who_left_alone_hears_what_it_missed_too(channel: Channel) -> None:
    publisher, mailbox = station()
    made, reader = MadeUpBlocks(1, 2), Reader()
    (first,) = decoded(publisher.subscribe(reader, channel).frames)
    publisher.leave(reader)
    for _ in range(20):
        follow(publisher, mailbox, made)
    missed = decoded(publisher.subscribe(reader, channel, Sequence(first["seq"])).frames)
    assert missed[0]["prev_seq"] == first["seq"]
    assert {message["type"] for message in missed} == {"diff"}


async def test_who_stayed_away_too_long_begins_anew() -> None:
    publisher, mailbox = station(resume_messages=5)
    made, reader = MadeUpBlocks(1, 2), Reader()
    publisher.subscribe(reader, RESUMED[0])
    publisher.leave(reader)
    for _ in range(40):
        follow(publisher, mailbox, made)
    assert RESUMED[0] not in publisher
    opening = publisher.subscribe(reader, RESUMED[0], Sequence(0))
    (snapshot,) = decoded(opening.frames)
    assert (opening.resumed, snapshot["type"]) == (False, "snapshot")


async def test_who_is_behind_when_it_asks_begins_anew() -> None:
    publisher, mailbox = station()
    reader = Reader()
    (first,) = decoded(publisher.subscribe(reader, RESUMED[0]).frames)
    follow(publisher, mailbox, MadeUpBlocks(1, 2))
    assert publisher.subscribe(reader, RESUMED[0], Sequence(first["seq"])).resumed
    reader.behind = True
    assert not publisher.subscribe(reader, RESUMED[0], Sequence(first["seq"])).resumed


async def test_nobody_goes_on_from_where_the_log_has_not_come() -> None:
    publisher, mailbox = station()
    follow(publisher, mailbox, MadeUpBlocks(1, 2))
    with pytest.raises(SinceAhead) as refused:
        publisher.subscribe(Reader(), RESUMED[0], Sequence(99))
    assert refused.value.values == {"since": 99, "last": 9}
    assert publisher.subscribers == 0


async def test_a_book_that_a_slow_reader_was_not_told_of_stands_before_it_in_the_end() -> None:
    publisher, mailbox = station()
    made, reader = MadeUpBlocks(1, 2), Reader()
    book = LocalBook("BTC-PERP")
    (first,) = decoded(publisher.subscribe(reader, RESUMED[0]).frames)
    book.apply(first)
    reader.behind = True
    for _ in range(10):
        follow(publisher, mailbox, made)
    assert reader.heard == []
    reader.behind = False
    # No block comes: it is looked after all the same.
    await asyncio.wait_for(reader.heard_of(1), 5)
    for _ in range(10):
        follow(publisher, mailbox, made)
    for message in decoded(reader.heard):
        book.apply(message)
    kinds = [message["type"] for message in decoded(reader.heard)]
    assert kinds == ["snapshot", *["diff"] * (len(kinds) - 1)]
    assert len(kinds) > 5
    assert (publisher.conflated, publisher.slow_readers) == (1, 0)
    (now,) = decoded(publisher.subscribe(Reader(), RESUMED[0]).frames)
    assert [list(level) for level in book.bids()] == now["bids"]


def counting(publisher: Publisher) -> None:
    """Let the channel "load" tell how often it was asked how it stands."""
    asked = count(1)
    publisher.add_source(LOAD, lambda: b"%d" % next(asked))


async def test_who_begins_to_listen_hears_at_once_how_what_is_not_of_the_log_stands() -> None:
    publisher, _ = station()
    counting(publisher)
    first, later = Reader(), Reader()
    assert publisher.subscribe(first, LOAD).frames == (b"1",)
    publisher.tell(LOAD)
    publisher.leave(first)
    # While nobody listens nothing is worked out, and what was told last is old by now.
    publisher.tell(LOAD)
    assert publisher.subscribe(later, LOAD).frames == (b"3",)
    assert (first.heard, later.heard) == ([b"2"], [])


async def test_what_is_not_of_the_log_is_told_anew_to_who_was_behind() -> None:
    publisher, _ = station()
    counting(publisher)
    reader = Reader()
    publisher.subscribe(reader, LOAD)
    reader.behind = True
    publisher.tell(LOAD)
    reader.behind = False
    await asyncio.wait_for(reader.heard_of(1), 5)
    assert reader.heard == [b"3"]
