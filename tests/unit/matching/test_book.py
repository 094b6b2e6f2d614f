"""The book by hand: queues, levels, totals and what is best."""

from random import Random

import pytest

from node.matching.book import Book, Order
from node.types.commands import Side
from node.types.units import Lots, Ticks
from tests.unit.matching.orders import order

BUY, SELL = Side.BUY, Side.SELL


def ids(book: Book, side: Side) -> list[int]:
    return [resting.order_id for resting in book.orders(side)]


def test_empty_book_has_no_best() -> None:
    book = Book()
    for side in Side:
        assert book.best(side) is None
        assert book.best_price(side) is None
        assert book.levels(side) == []
        assert book.size_at(side, Ticks(1)) == 0
    assert len(book) == 0


def test_bids_stand_highest_first_asks_lowest_first() -> None:
    book = Book()
    for order_id, price in enumerate((99, 101, 100), start=1):
        book.add(order(order_id, BUY, price, 1))
        book.add(order(order_id + 10, SELL, price + 10, 1))
    assert ids(book, BUY) == [2, 3, 1]
    assert ids(book, SELL) == [11, 13, 12]
    assert book.best_price(BUY) == 101
    assert book.best_price(SELL) == 109


def test_orders_of_one_price_stand_in_order_of_arrival() -> None:
    book = Book()
    for order_id in (1, 2, 3):
        book.add(order(order_id, SELL, 100, order_id))
    assert ids(book, SELL) == [1, 2, 3]
    assert book.levels(SELL) == [(100, 6, 3)]


@pytest.mark.parametrize(("gone", "left"), [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])])
def test_an_order_leaves_its_queue_from_any_place(gone: int, left: list[int]) -> None:
    book = Book()
    queue = {order_id: order(order_id, BUY, 100, 5) for order_id in (1, 2, 3)}
    for resting in queue.values():
        book.add(resting)
    book.remove(queue[gone])
    assert ids(book, BUY) == left
    assert book.levels(BUY) == [(100, 10, 2)]
    assert not queue[gone].resting
    book.add(queue[gone])
    assert ids(book, BUY) == [*left, gone]


def test_a_reduced_order_keeps_its_place() -> None:
    book = Book()
    first = order(1, SELL, 100, 5)
    book.add(first)
    book.add(order(2, SELL, 100, 5))
    book.reduce(first, Lots(4))
    assert ids(book, SELL) == [1, 2]
    assert book.levels(SELL) == [(100, 6, 2)]
    book.reduce(first, Lots(1))
    assert ids(book, SELL) == [2]
    assert first.remaining == 0
    assert not first.resting


def test_the_next_level_becomes_best_when_the_best_is_emptied() -> None:
    book = Book()
    orders = [order(order_id, BUY, 100 + order_id, 1) for order_id in range(1, 4)]
    for resting in orders:
        book.add(resting)
    for best in reversed(orders):
        assert book.best(BUY) is best
        book.remove(best)
    assert book.best(BUY) is None


def test_levels_stop_at_the_asked_depth() -> None:
    book = Book()
    for order_id in range(1, 6):
        book.add(order(order_id, SELL, 100 + order_id, 2))
    assert book.levels(SELL, 2) == [(101, 2, 1), (102, 2, 1)]
    assert len(book.levels(SELL)) == 5


def test_a_crossing_order_is_never_rested() -> None:
    book = Book()
    book.add(order(1, SELL, 100, 1))
    with pytest.raises(AssertionError):
        book.add(order(2, BUY, 100, 1))


def test_an_order_rests_once_and_leaves_once() -> None:
    book = Book()
    resting = order(1, SELL, 100, 1)
    book.add(resting)
    with pytest.raises(AssertionError):
        book.add(resting)
    book.remove(resting)
    with pytest.raises(AssertionError):
        book.remove(resting)


def test_order_and_totals_survive_random_traffic() -> None:
    random, book = Random(7), Book()
    resting: list[Order] = []
    for order_id in range(1, 3_000):
        if resting and random.random() < 0.45:
            book.remove(resting.pop(random.randrange(len(resting))))
            continue
        side = random.choice((BUY, SELL))
        price = 1_000 + random.randrange(50) * (-1 if side is BUY else 1) + (side is SELL)
        resting.append(order(order_id, side, price, random.randrange(1, 9)))
        book.add(resting[-1])
    assert len(book) == len(resting)
    for side in Side:
        expected = sorted(
            (o for o in resting if o.side is side),
            key=lambda o: (o.price if o.side is SELL else -o.price, o.order_id),
        )
        assert list(book.orders(side)) == expected
