"""A subscription hands on what follows, once, in turn; and asks once for what is missing."""

from typing import Any
from zlib import crc32

import pytest

from node.client.local_book import FeedMismatch
from node.client.subscription import HandlerFailed, Subscription

BEST = crc32(b"59999.5:0.2;")


class Heard:
    """A handler that takes notes, and refuses or fails when it is told to."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.error: Exception | None = None

    def __call__(self, message: dict[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.seqs.append(message.get("seq", -1))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def book(heard: Heard) -> Subscription:
    return Subscription({"channel": "book", "market": "X"}, heard)


def snapshot(seq: int) -> dict[str, Any]:
    return {"type": "snapshot", "seq": seq, "prev_seq": seq}


def diff(prev_seq: int, seq: int) -> dict[str, Any]:
    return {"type": "diff", "seq": seq, "prev_seq": prev_seq}


def test_what_comes_twice_or_late_is_handed_on_once(book: Subscription, heard: Heard) -> None:
    late = [diff(2, 4), snapshot(4), diff(2, 4), snapshot(3), diff(4, 5), diff(4, 5)]
    assert [book.take(each) for each in [snapshot(2), *late]] == [False] * 7
    assert heard.seqs == [2, 4, 5]


def test_a_gap_is_asked_for_once_and_from_where_it_began(book: Subscription, heard: Heard) -> None:
    assert book.params == {"channel": "book", "market": "X"}
    book.take(snapshot(2))
    assert [book.take(diff(3, 4)), book.take(diff(4, 6))] == [True, False]
    assert book.params == {"channel": "book", "market": "X", "since": 2}
    book.answered({"resumed": True})
    for each in (diff(2, 3), diff(3, 4), diff(4, 6)):
        assert not book.take(each)
    assert heard.seqs == [2, 3, 4, 6]
    assert (book.resumed, book.begun) == (1, 0)
    # The answer itself may have a gap.
    assert book.take(diff(7, 8))


def test_behind_a_gap_nothing_is_how_things_stand_until_the_server_has_answered(
    book: Subscription,
) -> None:
    book.take(snapshot(2))
    assert book.current
    assert book.take(diff(3, 4))
    assert not book.current
    book.answered({"resumed": True})
    assert book.current


def test_a_diff_before_any_snapshot_is_a_gap(book: Subscription, heard: Heard) -> None:
    assert book.take(diff(1, 2))
    assert heard.seqs == []


def test_what_does_not_fit_asks_for_a_snapshot(book: Subscription, heard: Heard) -> None:
    book.take(snapshot(2))
    heard.error = FeedMismatch(expected=1, found=2)
    assert book.take(diff(2, 3))
    assert "since" not in book.params
    heard.error = None
    book.answered({"resumed": False})
    assert book.take(diff(3, 4))
    assert not book.take(snapshot(3))
    assert heard.seqs == [2, 3]


def test_after_what_the_clients_own_reader_cannot_read_only_a_snapshot_is_good(
    heard: Heard,
) -> None:
    book = Subscription({"channel": "book", "market": "X"}, heard, own=True)
    book.take(snapshot(2))
    heard.error = KeyError("bids")
    with pytest.raises(KeyError):
        book.take(diff(2, 3))
    assert "since" not in book.params


def test_what_a_callers_handler_raises_is_told_from_what_cannot_be_read(
    book: Subscription, heard: Heard
) -> None:
    book.take(snapshot(2))
    with pytest.raises(KeyError, match="prev_seq"):
        book.take({"type": "diff", "seq": 3})
    heard.error = KeyError("bids")
    with pytest.raises(HandlerFailed) as failed:
        book.take(diff(2, 3))
    assert failed.value.__cause__ is heard.error


def test_what_is_older_than_what_was_heard_says_nothing_of_how_things_stand(
    book: Subscription,
) -> None:
    book.take(snapshot(4))
    book.current = False
    for seq, current in ((3, False), (4, True)):
        book.take(snapshot(seq))
        assert book.current is current


def test_a_block_that_is_told_to_a_newcomer_is_none_to_who_has_it() -> None:
    numbers: list[int] = []
    blocks = Subscription({"channel": "blocks"}, lambda message: numbers.append(message["number"]))
    for number in (7, 8, 8, 9):
        assert not blocks.take({"channel": "blocks", "number": number})
    assert numbers == [7, 8, 9]


def test_messages_that_tell_all_need_no_chain(heard: Heard) -> None:
    marks = Subscription({"channel": "marks"}, heard)
    assert [marks.take({"seq": seq}) for seq in (5, 9, 7, 9, 12)] == [False] * 5
    assert heard.seqs == [5, 9, 12]
    assert "since" not in marks.params
    assert not marks.take({"channel": "blocks"})


def best(kind: str, prev_seq: int, seq: int, checksum: int = BEST) -> dict[str, Any]:
    chain = {"type": kind, "seq": seq, "prev_seq": prev_seq, "checksum": checksum}
    return {"channel": "bbo", **chain, "bid": ["59999.5", "0.2"], "ask": None}


def test_a_best_that_does_not_follow_or_is_not_what_was_told_is_asked_for_again(
    heard: Heard,
) -> None:
    levels = Subscription({"channel": "bbo", "market": "X"}, heard)
    assert not levels.take(best("snapshot", 5, 5))
    assert levels.take(best("diff", 6, 7))
    assert not levels.current
    levels.answered({"resumed": False})
    assert not levels.take(best("snapshot", 7, 7))
    assert levels.take(best("diff", 7, 9, BEST + 1))
    assert heard.seqs == [5, 7]
    assert "since" not in levels.params


def test_of_finality_what_is_older_is_dropped_until_the_server_begins_anew() -> None:
    posted: list[int] = []
    finality = Subscription(
        {"channel": "finality"}, lambda message: posted.append(message["posted"])
    )
    for count, cursor in ((3, 30), (5, 50), (4, 40), (5, 50), (6, 20)):
        assert not finality.take({"channel": "finality", "count": count, "posted": cursor})
    assert posted == [30, 50, 20]
    assert "since" not in finality.params
    # A node that was started again counts from the beginning.
    finality.answered({"resumed": False})
    finality.take({"channel": "finality", "count": 0, "posted": 0})
    assert posted[-1] == 0


@pytest.mark.parametrize(("channel", "count"), [("blocks", "number"), ("marks", "seq")])
def test_where_the_node_begins_anew_so_does_what_cannot_go_on(channel: str, count: str) -> None:
    told: list[int] = []
    subscription = Subscription({"channel": channel}, lambda message: told.append(message[count]))
    subscription.answered({"resumed": False})
    subscription.take({"channel": channel, count: 900})
    # The answer of a node whose log began anew meanwhile.
    subscription.answered({"resumed": False})
    for place in (3, 4, 4, 5):
        assert not subscription.take({"channel": channel, count: place})
    assert told == [900, 3, 4, 5]


def test_snapshots_in_a_row_that_do_not_fit_are_counted(book: Subscription, heard: Heard) -> None:
    heard.error = FeedMismatch(expected=1, found=2)
    for unfit in (1, 2, 3):
        assert book.take(snapshot(unfit))
        assert book.unfit == unfit
        book.answered({"resumed": False})
    heard.error = None
    book.take(snapshot(4))
    assert book.unfit == 0
    heard.error = FeedMismatch(expected=1, found=2)
    # It may be the line's fault: the snapshot that follows tells.
    assert book.take(diff(4, 5))
    assert book.unfit == 0
