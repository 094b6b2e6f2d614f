"""What was told lately: exactly what followed a message or nothing, and no more than is allowed."""

from itertools import pairwise

import msgspec

from node.ports.api import Channel
from node.publisher.config import PublisherConfig
from node.publisher.message import Message
from node.publisher.resumption import CHANNEL_BYTES, RecentMessages
from node.types.ids import MarketId, Sequence

BOOK, TRADES = Channel("book", MarketId(1)), Channel("trades", MarketId(1))


def recent(**limits: int) -> RecentMessages:
    return RecentMessages(msgspec.structs.replace(PublisherConfig(), **limits))


def message(prev_seq: int, seq: int, channel: Channel = BOOK, size: int = 1) -> Message:
    frame = (b"%d" % seq).ljust(size)
    return Message(channel, frame, Sequence(seq), Sequence(prev_seq))


def tell(kept: RecentMessages, *steps: int, heard: bool = True, size: int = 1) -> None:
    """Tell of messages that lead from step to step."""
    for before, after in pairwise(steps):
        kept.add(message(before, after, size=size), heard=heard)


def since(kept: RecentMessages, seq: int, channel: Channel = BOOK) -> list[int] | None:
    found = kept.since(channel, Sequence(seq))
    return None if found is None else [int(frame) for frame in found]


def test_what_followed_a_message_is_told_in_turn() -> None:
    kept = recent()
    kept.open(BOOK)
    tell(kept, 2, 5, 6, 9)
    assert since(kept, 2) == [5, 6, 9]
    assert since(kept, 6) == [9]


def test_a_sequence_that_was_no_message_cannot_be_gone_on_from() -> None:
    kept = recent()
    tell(kept, 2, 5, 6, 9)
    assert [since(kept, seq) for seq in (0, 3, 7, 9, 12)] == [None] * 5
    assert since(kept, 5, TRADES) is None


def test_the_oldest_of_a_channel_is_forgotten_by_number_and_by_bytes() -> None:
    kept = recent(resume_messages=2)
    tell(kept, 1, 2, 3, 4)
    assert (since(kept, 1), since(kept, 2)) == (None, [3, 4])
    kept = recent(resume_bytes=1_024)
    tell(kept, 1, 2, 3, 4, size=400)
    assert (since(kept, 1), since(kept, 2)) == (None, [3, 4])
    assert kept.size == CHANNEL_BYTES + 800


def test_a_channel_that_nobody_hears_is_remembered_for_a_ring_and_no_longer() -> None:
    kept = recent(resume_messages=3)
    kept.open(BOOK)
    assert BOOK in kept
    tell(kept, 1, 2, heard=True)
    tell(kept, 2, 3, 4, heard=False)
    assert since(kept, 2) == [3, 4]
    # Who heard 2 last has now missed more than is ever kept.
    tell(kept, 4, 5, heard=False)
    assert BOOK not in kept
    assert kept.size == 0
    tell(kept, 5, 6, heard=False)
    assert BOOK not in kept
    tell(kept, 6, 7, heard=True)
    assert since(kept, 6) == [7]


def test_all_together_are_bounded_and_the_quietest_goes_first() -> None:
    kept = recent(resume_bytes_all=3 * CHANNEL_BYTES)
    for channel in (BOOK, TRADES):
        kept.add(message(1, 2, channel), heard=True)
    kept.add(message(2, 3, BOOK), heard=True)
    kept.add(message(3, 4, Channel("orders", MarketId(1)), size=1_000), heard=True)
    assert TRADES not in kept
    assert since(kept, 1) == [2, 3]
    assert kept.size <= 3 * CHANNEL_BYTES


def test_silent_channels_count_as_well() -> None:
    kept = recent(resume_bytes_all=10 * CHANNEL_BYTES)
    for number in range(100):
        kept.open(Channel("book", MarketId(number)))
    assert kept.size == 10 * CHANNEL_BYTES
    assert Channel("book", MarketId(99)) in kept
