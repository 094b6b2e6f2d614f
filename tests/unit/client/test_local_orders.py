"""A local book of orders: its queues are the server's, or it says that they are not."""

from typing import Any
from zlib import crc32

import pytest

from node.client.local_book import BookUnknown, FeedCrossed, FeedGap, FeedMismatch
from node.client.local_orders import LocalOrders, QueuedOrder


def diff(seq: int, prev_seq: int, text: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """Return a diff after which the book reads ``text``."""
    head = {"type": "diff", "seq": seq, "prev_seq": prev_seq, "checksum": crc32(text.encode())}
    return {**head, "changes": list(changes)}


def change(op: str, order_id: int, price: str, remaining: str, **more: str) -> dict[str, Any]:
    fields = {"op": op, "order_id": order_id, "side": "buy", "price": price}
    return {**fields, "remaining": remaining} | more


SNAPSHOT = {
    "type": "snapshot",
    "seq": 5,
    "prev_seq": 5,
    "checksum": crc32(b"1:10:2,2:10:1,3:9.5:1;4:11:3"),
    "bids": [[1, "10", "2"], [2, "10", "1"], [3, "9.5", "1"]],
    "asks": [[4, "11", "3"]],
}


@pytest.fixture
def book() -> LocalOrders:
    book = LocalOrders("BTC-PERP")
    book.apply(SNAPSHOT)
    return book


def ids(book: LocalOrders, side: str = "buy") -> list[int]:
    return [order.order_id for order in book.orders(side)]


def test_a_snapshot_gives_the_queues_and_the_levels(book: LocalOrders) -> None:
    assert (ids(book), ids(book, "sell")) == ([1, 2, 3], [4])
    assert book.levels("buy") == [("10", "3"), ("9.5", "1")]
    assert book.order(2) == QueuedOrder(2, "buy", "10", "1")
    assert book.order(9) is None


def test_an_order_that_keeps_its_priority_stays_where_it_is(book: LocalOrders) -> None:
    kept = change("change", 1, "10", "0.5", priority="kept")
    book.apply(diff(7, 5, "1:10:0.5,2:10:1,3:9.5:1;4:11:3", kept))
    assert (ids(book), book.levels("buy")[0]) == ([1, 2, 3], ("10", "1.5"))


def test_an_order_that_loses_it_goes_behind_the_others(book: LocalOrders) -> None:
    lost = change("change", 1, "10", "2", priority="lost")
    moved = change("change", 3, "10", "1", priority="lost")
    book.apply(diff(7, 5, "2:10:1,1:10:2,3:10:1;4:11:3", lost, moved))
    assert ids(book) == [2, 1, 3]
    assert book.levels("buy") == [("10", "4")]


def test_orders_come_and_go(book: LocalOrders) -> None:
    gone = ({"op": "remove", "order_id": number} for number in (1, 2))
    book.apply(diff(7, 5, "3:9.5:1,8:9.5:4;4:11:3", *gone, change("add", 8, "9.5", "4")))
    assert (ids(book), book.order(1)) == ([3, 8], None)


def test_a_gap_leaves_the_book(book: LocalOrders) -> None:
    with pytest.raises(FeedGap):
        book.apply(diff(9, 7, ""))
    assert ids(book) == [1, 2, 3]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        # The same orders in another order are another book.
        (diff(7, 5, "2:10:1,1:10:2,3:9.5:1;4:11:3"), FeedMismatch),
        (diff(7, 5, "", change("add", 9, "11", "1")), FeedCrossed),
        (diff(7, 5, "", {"op": "remove", "order_id": 77}), KeyError),
    ],
)
def test_a_book_that_does_not_fit_is_shown_to_nobody(
    book: LocalOrders, bad: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        book.apply(bad)
    for show in (lambda: book.orders("buy"), lambda: book.levels("sell"), lambda: book.order(1)):
        with pytest.raises(BookUnknown):
            show()
    book.apply(SNAPSHOT)
    assert ids(book) == [1, 2, 3]
