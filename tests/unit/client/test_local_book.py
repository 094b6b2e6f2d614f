"""A local book: right after every message, or it says that it is not."""

from typing import Any

import pytest

from node.client.local_book import FeedCrossed, FeedGap, LocalBook


def message(kind: str, seq: int, prev_seq: int, **sides: list[list[str]]) -> dict[str, Any]:
    return {"type": kind, "seq": seq, "prev_seq": prev_seq, "bids": [], "asks": []} | sides


def followed(*messages: dict[str, Any]) -> LocalBook:
    book = LocalBook("BTC-PERP")
    for each in messages:
        book.apply(each)
    return book


SNAPSHOT = message(
    "snapshot", 5, 0, bids=[["9.5", "1"], ["10", "2"]], asks=[["11", "3"], ["100", "4"]]
)


def test_levels_are_ordered_as_numbers_best_first() -> None:
    book = followed(SNAPSHOT)
    assert book.bids() == [("10", "2"), ("9.5", "1")]
    assert book.asks(1) == [("11", "3")]


def test_a_diff_sets_levels_and_takes_empty_ones_away() -> None:
    book = followed(
        SNAPSHOT,
        message("diff", 7, 5, bids=[["10", "0"], ["9.5", "6"]], asks=[["10.5", "1"]]),
    )
    assert (book.seq, book.bids(), book.asks(1)) == (7, [("9.5", "6")], [("10.5", "1")])


def test_a_gap_is_told_with_what_was_expected() -> None:
    with pytest.raises(FeedGap) as gap:
        followed(SNAPSHOT, message("diff", 9, 6))
    assert gap.value.values == {"expected": 5, "found": 6}


def test_a_crossed_book_is_told() -> None:
    with pytest.raises(FeedCrossed) as crossed:
        followed(SNAPSHOT, message("diff", 7, 5, bids=[["11", "1"]]))
    assert crossed.value.values == {"bid": "11", "ask": "11"}


def test_prices_that_floats_cannot_tell_apart_do_not_cross() -> None:
    below, above = "90071992547409.921", "90071992547409.922"
    assert float(below) == float(above)
    book = followed(message("snapshot", 5, 0, bids=[[below, "1"]], asks=[[above, "1"]]))
    assert (book.bids(), book.asks()) == ([(below, "1")], [(above, "1")])
    with pytest.raises(FeedCrossed):
        book.apply(message("diff", 6, 5, bids=[[above, "1"]]))


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"type": "diff"},
        message("snapshot", 5, 0, bids=[["ten", "1"]]),
        message("snapshot", 5, 0, bids=[["1"]]),
        message("snapshot", 5, 0) | {"bids": None},
        message("snapshot", 5, 0, bids=[["NaN", "1"], ["2", "1"]]),
    ],
)
def test_what_is_no_message_of_the_channel_says_so(bad: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, ArithmeticError)):
        followed(bad)


def test_a_snapshot_starts_over() -> None:
    book = followed(SNAPSHOT, message("snapshot", 8, 0, bids=[["1", "1"]]))
    assert (book.seq, book.bids(), book.asks()) == (8, [("1", "1")], [])
