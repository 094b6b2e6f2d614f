"""The loop: blocks out of the mailbox, frames to readers, what is asked for kept."""

import asyncio

import msgspec
import pytest

from node.adapters.mailbox import Mailbox
from node.capacity.queue import BoundedQueue
from node.ports.api import Channel
from node.publisher.accounts import Accounts
from node.publisher.books import Books
from node.publisher.config import PublisherConfig, check_publisher_config
from node.publisher.feeds import FINALITY, Feeds
from node.publisher.finality import Cursors
from node.publisher.marks import Marks
from node.publisher.service import Publisher
from node.types.durable import DurableBlock
from node.types.errors import ConfigInvalid, TransitionImpossible
from node.types.ids import Sequence
from tests.examples import ALICE, BOB, RULES, START_MS
from tests.unit.publisher.test_history import block
from tests.unit.publisher.test_subscriptions import Reader
from tests.unit.sequencer.surroundings import HandClock

BLOCKS = Channel("blocks")


def station(blocks_per_turn: int = 2) -> tuple[Publisher, Mailbox[DurableBlock]]:
    zero = Sequence(0)
    mailbox: Mailbox[DurableBlock] = Mailbox(BoundedQueue("publisher", 16))
    feeds = Feeds(RULES, Books(2), Accounts(), Marks(zero), bytes, zero)
    config = PublisherConfig(blocks_per_turn=blocks_per_turn)
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
    assert (publisher.last_sequence, publisher.pushed, len(publisher.history)) == (5, 5, 5)


async def test_a_turn_takes_its_limit_and_counts_its_work() -> None:
    publisher, mailbox = station(blocks_per_turn=2)
    for number in range(1, 4):
        mailbox.offer(block(number, number, 1), 0)
    assert (publisher.turn(), publisher.turn(), publisher.turn()) == (2, 1, 0)
    assert mailbox.stage.conserved()
    assert mailbox.stage.service.count == 3


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
    assert [msgspec.json.decode(frame)["posted"] for frame in reader.heard] == [5]
    with pytest.raises(TransitionImpossible):
        publisher.set_cursors(Cursors())
    assert publisher.cursors == moved


async def test_slow_readers_are_counted_and_forgotten() -> None:
    publisher, mailbox = station()
    publisher.subscribe(Reader(patience=0), BLOCKS)
    assert publisher.subscribers == 1
    mailbox.offer(block(1, 1, 1), 0)
    publisher.turn()
    assert (publisher.subscribers, publisher.slow_readers, publisher.pushed) == (0, 1, 0)


async def test_nobody_acts_for_an_account_but_itself_and_its_agents() -> None:
    publisher, _ = station()
    assert publisher.may_act(ALICE.address, ALICE.address, START_MS)
    assert not publisher.may_act(ALICE.address, BOB.address, START_MS)


def test_the_config_tells_all_its_faults() -> None:
    check_publisher_config(PublisherConfig())
    with pytest.raises(ConfigInvalid) as refused:
        check_publisher_config(PublisherConfig(history_commands=0, blocks_per_turn=0))
    assert len(refused.value.faults) == 2
