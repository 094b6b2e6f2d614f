"""Crossing by hand: who trades, who leaves, and why it stops."""

from collections.abc import Callable

import pytest

from node.matching.book import Book, Order
from node.matching.match import Stop, Verdict, cross, crosses, first_living
from node.types.commands import SelfTrade, Side
from node.types.events import CancelReason
from node.types.units import Lots, Ticks
from tests.unit.matching.orders import order

BUY, SELL = Side.BUY, Side.SELL

OUT = Stop.SELF_TRADE


class Notes:
    """A judge that follows ``rule`` (by default: settles all) and writes everything down."""

    def __init__(self, rule: Callable[[Order, int], int] = lambda _, size: size) -> None:
        self.rule = rule
        self.fills: list[tuple[int, int, int]] = []
        self.drops: list[tuple[int, CancelReason]] = []
        self.shrunk: list[tuple[int, int]] = []

    def settle(self, maker: Order, price: Ticks, size: Lots) -> int:
        settled = self.rule(maker, size)
        if settled > 0:
            self.fills.append((maker.order_id, price, settled))
        return settled

    def dropped(self, maker: Order, reason: CancelReason) -> None:
        assert not maker.resting
        self.drops.append((maker.order_id, reason))

    def shrinks(self, maker: Order, left: int) -> None:
        assert 0 < left < maker.remaining
        self.shrunk.append((maker.order_id, left))


def book_of(*orders: Order) -> Book:
    book = Book()
    for resting in orders:
        book.add(resting)
    return book


def test_fills_run_through_levels_at_the_makers_prices() -> None:
    book = book_of(order(1, SELL, 101, 2), order(2, SELL, 100, 1), order(3, SELL, 100, 1))
    taker, notes = order(9, BUY, 101, 3), Notes()
    assert cross(book, taker, 100, notes) is Stop.FILLED
    assert notes.fills == [(2, 100, 1), (3, 100, 1), (1, 101, 1)]
    assert taker.remaining == 0
    assert book.levels(SELL) == [(101, 1, 1)]


@pytest.mark.parametrize(("side", "maker_price", "limit"), [(BUY, 101, 100), (SELL, 99, 100)])
def test_nothing_trades_beyond_the_takers_limit(side: Side, maker_price: int, limit: int) -> None:
    book = book_of(order(1, side.opposite, maker_price, 5))
    taker, notes = order(9, side, limit, 5), Notes()
    assert not crosses(book, taker)
    assert cross(book, taker, 100, notes) is Stop.NO_CROSS
    assert notes.fills == []
    assert taker.remaining == 5


@pytest.mark.parametrize("side", list(Side))
def test_an_equal_price_trades(side: Side) -> None:
    book = book_of(order(1, side.opposite, 100, 5))
    taker = order(9, side, 100, 2)
    assert crosses(book, taker)
    assert cross(book, taker, 100, Notes()) is Stop.FILLED
    assert book.size_at(side.opposite, Ticks(100)) == 3


def test_an_exhausted_book_ends_the_crossing() -> None:
    taker = order(9, BUY, 100, 5)
    assert cross(book_of(order(1, SELL, 100, 2)), taker, 100, Notes()) is Stop.NO_CROSS
    assert taker.remaining == 3


def test_the_fill_limit_bounds_the_work() -> None:
    book = book_of(*(order(order_id, SELL, 100, 1) for order_id in range(1, 6)))
    taker, notes = order(9, BUY, 100, 5), Notes()
    assert cross(book, taker, 2, notes) is Stop.FILL_LIMIT
    assert len(notes.fills) == 2
    assert taker.remaining == 3


def test_a_limit_reached_with_nothing_left_to_meet_is_no_limit() -> None:
    taker = order(9, BUY, 100, 5)
    assert cross(book_of(order(1, SELL, 100, 1)), taker, 1, Notes()) is Stop.NO_CROSS


def test_an_accounts_own_maker_is_cancelled_and_counts_as_a_step() -> None:
    book = book_of(
        order(1, SELL, 100, 1, account=7), order(2, SELL, 100, 1), order(3, SELL, 100, 1)
    )
    taker, notes = order(9, BUY, 100, 2, account=7), Notes()
    assert cross(book, taker, 2, notes) is Stop.FILL_LIMIT
    assert notes.drops == [(1, CancelReason.SELF_TRADE)]
    assert notes.fills == [(2, 100, 1)]
    assert taker.remaining == 1


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.MAKER_LACKS_MARGIN, CancelReason.MARGIN),
        (Verdict.MAKER_CANNOT_REDUCE, CancelReason.REDUCE_ONLY),
    ],
)
def test_a_maker_who_cannot_settle_leaves(verdict: Verdict, reason: CancelReason) -> None:
    book = book_of(order(1, SELL, 100, 1), order(2, SELL, 100, 1))
    notes = Notes(lambda maker, size: verdict if maker.order_id == 1 else size)
    assert cross(book, order(9, BUY, 100, 1), 100, notes) is Stop.FILLED
    assert notes.drops == [(1, reason)]
    assert notes.fills == [(2, 100, 1)]
    assert len(book) == 0


def test_a_taker_who_cannot_settle_ends_the_crossing() -> None:
    book = book_of(order(1, SELL, 100, 1))
    taker, notes = order(9, BUY, 100, 1), Notes(lambda _, __: Verdict.TAKER_OUT)
    assert cross(book, taker, 100, notes) is Stop.TAKER_OUT
    assert len(book) == 1
    assert taker.remaining == 1
    assert notes.drops == []


def test_a_partly_settled_maker_is_asked_again() -> None:
    book = book_of(order(1, SELL, 100, 5), order(2, SELL, 100, 5))
    answers = iter([2, Verdict.MAKER_CANNOT_REDUCE, 3])
    taker, notes = order(9, BUY, 100, 5), Notes(lambda _, __: next(answers))
    assert cross(book, taker, 100, notes) is Stop.FILLED
    assert notes.fills == [(1, 100, 2), (2, 100, 3)]
    assert notes.drops == [(1, CancelReason.REDUCE_ONLY)]
    assert book.levels(SELL) == [(100, 2, 1)]


def test_more_than_offered_cannot_be_settled() -> None:
    book = book_of(order(1, SELL, 100, 1))
    with pytest.raises(AssertionError):
        cross(book, order(9, BUY, 100, 1), 100, Notes(lambda _, size: size + 1))


# --- the end of an order's time -------------------------------------------------------------------


def test_a_dead_maker_leaves_and_counts_as_a_step() -> None:
    book = book_of(order(1, SELL, 100, 1, good_till=50), order(2, SELL, 100, 1, good_till=51))
    taker, notes = order(9, BUY, 100, 2), Notes()
    assert cross(book, taker, 1, notes, now=50) is Stop.FILL_LIMIT
    assert notes.drops == [(1, CancelReason.EXPIRED)]
    assert cross(book, taker, 1, notes, now=50) is Stop.NO_CROSS
    assert notes.fills == [(2, 100, 1)]


def test_a_dead_maker_of_ones_own_is_simply_dead() -> None:
    book = book_of(order(1, SELL, 100, 5, account=7, good_till=50), order(2, SELL, 100, 1))
    taker, notes = order(9, BUY, 100, 1, account=7, mode=SelfTrade.CANCEL_TAKER), Notes()
    assert cross(book, taker, 9, notes, now=60) is Stop.FILLED
    assert notes.drops == [(1, CancelReason.EXPIRED)]


def test_the_first_that_lives_is_looked_for_among_so_many_and_no_more() -> None:
    living = order(3, SELL, 101, 5)
    dead = [order(place, SELL, 100, 5, good_till=7) for place in (1, 2)]
    book = book_of(*dead, living)
    assert first_living(book, SELL, 7, 2) is None
    assert first_living(book, SELL, 7, 3) is living


# --- meeting oneself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "own", "drops", "fills", "left"),
    [
        (SelfTrade.CANCEL_MAKER, 2, [1], [(2, 100, 3)], 0),
        (SelfTrade.CANCEL_TAKER, 2, [], [], 3),
        (SelfTrade.CANCEL_BOTH, 2, [1], [], 3),
        (SelfTrade.DECREMENT, 2, [1], [(2, 100, 1)], 0),
        (SelfTrade.DECREMENT, 3, [1], [], 3),
    ],
)
def test_the_taker_chooses_what_becomes_of_two_orders_of_one_account(
    mode: SelfTrade, own: int, drops: list[int], fills: list[tuple[int, int, int]], left: int
) -> None:
    book = book_of(order(1, SELL, 100, own, account=7), order(2, SELL, 100, 9))
    taker, notes = order(9, BUY, 100, 3, account=7, mode=mode), Notes()
    stop = cross(book, taker, 9, notes)
    assert stop is (Stop.SELF_TRADE if left else Stop.FILLED)
    assert [maker for maker, _ in notes.drops] == drops
    assert {reason for _, reason in notes.drops} <= {CancelReason.SELF_TRADE}
    assert notes.fills == fills
    assert taker.remaining == left
    assert notes.shrunk == []


def test_decrement_takes_the_smaller_size_off_both() -> None:
    maker = order(1, SELL, 100, 5, account=7)
    book = book_of(maker, order(2, SELL, 100, 9))
    taker, notes = order(9, BUY, 100, 3, account=7, mode=SelfTrade.DECREMENT), Notes()
    assert cross(book, taker, 9, notes) is Stop.SELF_TRADE
    assert (notes.shrunk, notes.drops, notes.fills) == ([(1, 2)], [], [])
    assert (maker.remaining, maker.size) == (2, 2)
    assert book.levels(SELL) == [(100, 11, 2)]


def test_decrement_makes_the_whole_of_a_larger_taker_smaller() -> None:
    book = book_of(order(1, SELL, 100, 2, account=7))
    taker, notes = order(9, BUY, 100, 5, account=7, mode=SelfTrade.DECREMENT), Notes()
    assert cross(book, taker, 9, notes) is Stop.NO_CROSS
    assert (taker.remaining, taker.size) == (3, 3)


def test_a_maker_that_may_not_stay_as_small_goes() -> None:
    book = book_of(order(1, SELL, 100, 5, account=7))
    taker, notes = order(9, BUY, 100, 3, account=7, mode=SelfTrade.DECREMENT), Notes()
    assert cross(book, taker, 9, notes, least=201) is Stop.SELF_TRADE
    assert (notes.drops, notes.shrunk) == ([(1, CancelReason.SELF_TRADE)], [])
    assert (taker.remaining, len(book)) == (3, 0)


def test_a_maker_of_just_the_least_worth_stays() -> None:
    book = book_of(order(1, SELL, 100, 5, account=7))
    taker, notes = order(9, BUY, 100, 3, account=7, mode=SelfTrade.DECREMENT), Notes()
    assert cross(book, taker, 9, notes, least=200) is Stop.SELF_TRADE
    assert (notes.drops, notes.shrunk, len(book)) == ([], [(1, 2)], 1)


@pytest.mark.parametrize(("least", "stop", "left"), [(200, Stop.NO_CROSS, 2), (201, OUT, 5)])
def test_a_taker_that_may_not_go_on_as_small_goes(least: int, stop: Stop, left: int) -> None:
    book = book_of(order(1, SELL, 99, 3, account=7))
    taker = order(9, BUY, 100, 5, account=7, mode=SelfTrade.DECREMENT)
    assert cross(book, taker, 9, Notes(), least=least) is stop
    assert (taker.remaining, taker.size, len(book)) == (left, left, 0)


def test_a_maker_whose_other_was_filled_is_passed_over() -> None:
    book = book_of(order(1, SELL, 100, 1), order(2, SELL, 100, 1))
    notes = Notes(lambda maker, size: Verdict.MAKER_BEATEN if maker.order_id == 1 else size)
    assert cross(book, order(9, BUY, 100, 1), 100, notes) is Stop.FILLED
    assert notes.drops == [(1, CancelReason.ONE_CANCELS_OTHER)]
