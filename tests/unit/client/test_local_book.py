"""A local book: right after every message, or it says that it is not."""

from typing import Any
from zlib import crc32

import pytest

from node.client.local_book import BookUnknown, FeedCrossed, FeedGap, FeedMismatch, LocalBook


def message(kind: str, seq: int, prev_seq: int, text: str, **sides: Any) -> dict[str, Any]:
    """Return a message after which the book reads ``text``."""
    head = {"type": kind, "seq": seq, "prev_seq": prev_seq, "checksum": crc32(text.encode())}
    return {**head, "bids": [], "asks": []} | sides


def followed(*messages: dict[str, Any]) -> LocalBook:
    book = LocalBook("BTC-PERP")
    for each in messages:
        book.apply(each)
    return book


BIDS, ASKS = [["9.5", "1"], ["10", "2"]], [["11", "3"], ["100", "4"]]
SNAPSHOT = message("snapshot", 5, 0, "10:2,9.5:1;11:3,100:4", bids=BIDS, asks=ASKS)


def test_levels_are_ordered_as_numbers_best_first() -> None:
    book = followed(SNAPSHOT)
    assert book.bids() == [("10", "2"), ("9.5", "1")]
    assert book.asks(1) == [("11", "3")]


def test_a_diff_sets_levels_and_takes_empty_ones_away() -> None:
    changes = {"bids": [["10", "0"], ["9.5", "6"]], "asks": [["10.5", "1"]]}
    book = followed(SNAPSHOT, message("diff", 7, 5, "9.5:6;10.5:1,11:3,100:4", **changes))
    assert (book.seq, book.bids(), book.asks(1)) == (7, [("9.5", "6")], [("10.5", "1")])


@pytest.mark.parametrize("before", [4, 6])
def test_a_gap_is_told_with_what_was_expected_and_leaves_the_book(before: int) -> None:
    book = followed(SNAPSHOT)
    with pytest.raises(FeedGap) as gap:
        book.apply(message("diff", 9, before, "10:2,9.5:1;11:3,100:4"))
    assert gap.value.values == {"expected": 5, "found": before}
    assert (book.known, book.seq) == (True, 5)


def test_a_crossed_book_is_told_and_not_shown() -> None:
    book = followed(SNAPSHOT)
    with pytest.raises(FeedCrossed) as crossed:
        book.apply(message("diff", 7, 5, "11:1,10:2,9.5:1;11:3,100:4", bids=[["11", "1"]]))
    assert crossed.value.values == {"bid": "11", "ask": "11"}
    for show in (book.bids, book.asks):
        with pytest.raises(BookUnknown):
            show()


def test_a_book_with_another_checksum_is_told_and_not_shown_until_a_snapshot() -> None:
    book = followed(SNAPSHOT)
    with pytest.raises(FeedMismatch) as wrong:
        book.apply(message("diff", 7, 5, "10:3,9.5:1;11:3,100:4", bids=[["10", "2.5"]]))
    assert wrong.value.found == crc32(b"10:2.5,9.5:1;11:3,100:4")
    with pytest.raises(BookUnknown):
        book.bids()
    with pytest.raises(FeedGap):
        book.apply(message("diff", 9, 7, "10:2.5,9.5:1;11:3,100:4"))
    book.apply(SNAPSHOT)
    assert book.bids(1) == [("10", "2")]


def test_the_checksum_is_over_the_best_levels_of_each_side() -> None:
    prices = [str(number) for number in range(100, 60, -1)]
    text = ",".join(f"{price}:1" for price in prices[:25]) + ";"
    book = followed(message("snapshot", 5, 0, text, bids=[[price, "1"] for price in prices]))
    assert len(book.bids()) == 40


def test_prices_that_floats_cannot_tell_apart_do_not_cross() -> None:
    below, above = "90071992547409.921", "90071992547409.922"
    assert float(below) == float(above)
    text = f"{below}:1;{above}:1"
    book = followed(message("snapshot", 5, 0, text, bids=[[below, "1"]], asks=[[above, "1"]]))
    assert (book.bids(), book.asks()) == ([(below, "1")], [(above, "1")])
    with pytest.raises(FeedCrossed):
        book.apply(message("diff", 6, 5, "", bids=[[above, "1"]]))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"type": "diff"},
        message("snapshot", 5, 0, "", bids=[["ten", "1"]]),
        message("snapshot", 5, 0, "", bids=[["1"]]),
        message("snapshot", 5, 0, "") | {"bids": None},
        message("snapshot", 5, 0, "", bids=[["NaN", "1"], ["2", "1"]]),
    ],
)
def test_what_is_no_message_of_the_channel_says_so(bad: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, ArithmeticError)):
        followed(bad)


def test_a_message_without_a_checksum_leaves_no_book() -> None:
    book = followed(SNAPSHOT)
    with pytest.raises(KeyError):
        book.apply({"type": "diff", "seq": 6, "prev_seq": 5, "bids": [], "asks": []})
    assert not book.known


def test_a_snapshot_starts_over() -> None:
    book = followed(SNAPSHOT, message("snapshot", 8, 0, "1:1;", bids=[["1", "1"]]))
    assert (book.seq, book.bids(), book.asks()) == (8, [("1", "1")], [])
