"""The mirror of a book: what changed is told net, and who lost its place is told so."""

from collections.abc import Iterable
from random import Random

from node.publisher.book_mirror import BookDiff, BookMirror, OrderChange, Resting
from node.types.commands import Side
from node.types.ids import MarketId, OrderId
from node.types.units import Lots, Ticks

MARKET = MarketId(1)


def mirror(*orders: tuple[int, int, int]) -> BookMirror:
    """Return a book of bids (id, price, lots) that was told already."""
    book = BookMirror()
    for order_id, price, lots in orders:
        rest(book, order_id, price, lots)
    book.forget_changes()
    return book


def rest(book: BookMirror, order_id: int, price: int, lots: int) -> None:
    book.rest(OrderId(order_id), Side.BUY, Ticks(price), Lots(lots))


def resize(book: BookMirror, order_id: int, price: int, lots: int) -> None:
    book.resize(OrderId(order_id), Side.BUY, Ticks(price), Lots(lots))


def move(book: BookMirror, order_id: int, price: int, to: int, lots: int) -> None:
    """Let an order leave its place and rest again, as one does whose price is amended."""
    resize(book, order_id, price, 0)
    rest(book, order_id, to, lots)


def bid(order_id: int, price: int, lots: int) -> Resting:
    return Resting(OrderId(order_id), Side.BUY, Ticks(price), Lots(lots))


def changes(book: BookMirror) -> list[tuple[str, int, bool]]:
    diff = book.drain(MARKET)
    return [] if diff is None else [(c.op, c.order.order_id, c.kept) for c in diff.orders]


def ids(book: BookMirror) -> list[int]:
    return [order.order_id for order in book.orders(Side.BUY)]


def test_a_diff_tells_levels_and_orders() -> None:
    book = mirror((1, 10, 5))
    rest(book, 2, 11, 3)
    resize(book, 1, 10, 4)
    assert book.drain(MARKET) == BookDiff(
        MARKET,
        [(Ticks(11), Lots(3)), (Ticks(10), Lots(4))],
        [],
        [
            OrderChange("change", bid(1, 10, 4), kept=True),
            OrderChange("add", bid(2, 11, 3), kept=False),
        ],
    )
    assert book.drain(MARKET) is None


def test_what_came_and_went_is_not_told() -> None:
    book = mirror((1, 10, 5))
    rest(book, 2, 11, 3)
    resize(book, 2, 11, 0)
    assert book.drain(MARKET) is None
    assert book.best(Side.BUY) == (10, 5)


def test_an_order_that_moves_keeps_its_id_and_loses_its_place() -> None:
    book = mirror((1, 10, 5), (2, 10, 5), (3, 9, 1))
    move(book, 1, 10, 10, 5)
    assert ids(book) == [2, 1, 3]
    diff = book.drain(MARKET)
    assert diff is not None
    # The level is as large as before, and yet another queue.
    assert (diff.bids, diff.orders) == ([], [OrderChange("change", bid(1, 10, 5), kept=False)])
    move(book, 3, 9, 12, 2)
    assert ids(book) == [3, 2, 1]
    assert book.levels(Side.BUY) == [(12, 2), (10, 10)]


def test_those_who_joined_are_told_in_the_order_in_which_they_did() -> None:
    book = mirror((1, 10, 5))
    rest(book, 2, 10, 1)
    rest(book, 3, 10, 1)
    move(book, 1, 10, 10, 5)
    move(book, 2, 10, 10, 1)
    assert changes(book) == [("add", 3, False), ("change", 1, False), ("add", 2, False)]
    assert ids(book) == [3, 1, 2]


def test_an_order_that_leaves_and_comes_back_has_moved() -> None:
    book = mirror((1, 10, 5), (2, 10, 5))
    resize(book, 1, 10, 0)
    rest(book, 1, 10, 5)
    assert changes(book) == [("change", 1, False)]


def test_removals_come_first() -> None:
    book = mirror((1, 10, 5), (2, 10, 5))
    rest(book, 3, 11, 1)
    resize(book, 2, 10, 1)
    resize(book, 1, 10, 0)
    assert changes(book) == [("remove", 1, False), ("change", 2, True), ("add", 3, False)]


def test_only_what_has_changed_is_written_again() -> None:
    random, book = Random(3), BookMirror()
    written: list[int] = []
    resting: dict[OrderId, tuple[Side, Ticks]] = {}

    def level(price: int, size: int) -> bytes:
        written.append(price)
        return b"%d:%d" % (price, size)

    def queue(orders: Iterable[Resting]) -> bytes:
        return b"+".join(b"%d:%d" % (order.order_id, order.remaining) for order in orders)

    for number in range(1, 400):
        order_id, way = OrderId(number), random.random()
        known = random.choice(list(resting)) if resting else order_id
        if way < 0.5 or not resting:
            side, price = random.choice(list(Side)), Ticks(100 + random.randrange(8))
            resting[order_id] = side, price
            book.rest(order_id, side, price, Lots(number))
        elif way < 0.7:
            book.resize(known, *resting[known], Lots(number))
        else:
            side, price = resting.pop(known)
            book.resize(known, side, price, Lots(0))
            if way > 0.85:
                price = Ticks(100 + random.randrange(8))
                resting[known] = side, price
                book.rest(known, side, price, Lots(number))
        for side in Side:
            depth = random.choice((None, 3))
            shown = [b"%d:%d" % one for one in book.levels(side, depth)]
            assert book.level_texts(side, depth, level) == shown
            written.clear()
            assert book.level_texts(side, depth, level) == shown
            assert not written
            assert b"+".join(book.order_texts(side, queue)) == queue(book.orders(side))
