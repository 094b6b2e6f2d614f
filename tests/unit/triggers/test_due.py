"""Who is due: prices that are met, times that have come, accounts that have gone."""

import pytest

from node.triggers.due import DueBook
from node.types.commands import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Disconnected,
    Expire,
    PlaceOrders,
    Side,
    TriggerOrder,
    Uncross,
)
from node.types.events import (
    CancelReason,
    Event,
    Filled,
    OrderAmended,
    OrderCancelled,
    OrderTriggered,
)
from node.types.ids import OrderId
from node.types.lanes import Lane
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE, BOB, START_MS
from tests.unit.triggers.trigger_cases import (
    BTC,
    NO_CLIENT,
    accepted,
    durable,
    limit,
    marked,
    placed,
    rested,
    stop,
    switched,
    trigger_set,
)

LATER = START_MS + 5_000
GRACE_MS = 1_000
RETRY_MS = 100


def due_book() -> DueBook:
    return DueBook([BTC], GRACE_MS, RETRY_MS)


def gone(order_id: int) -> OrderCancelled:
    return OrderCancelled(
        OrderId(order_id), NO_CLIENT, ALICE.address, BTC, Side.BUY, Ticks(100), Lots(1),
        CancelReason.BY_ACCOUNT, resting=True,
    )  # fmt: skip


def amended(
    order_id: int, good_till: int = 0, *, resting: bool = True, waits_for: int = 0
) -> OrderAmended:
    return OrderAmended(
        OrderId(order_id), NO_CLIENT, ALICE.address, BTC, Side.BUY, Ticks(100), Lots(1), Ticks(99),
        Lots(1), resting, Ticks(waits_for), Millis(good_till),
    )  # fmt: skip


def amending(order_id: int, good_till: int = 0) -> PlaceOrders:
    """Return an action with one amend."""
    change = AmendOrder(
        BTC, Ticks(99), Lots(1), OrderId(order_id), NO_CLIENT, good_till=Millis(good_till)
    )
    account = ALICE.address
    return PlaceOrders(account, account, 3, START_MS, bytes(65), (), (), Money(0), (change,))


def cancelling() -> PlaceOrders:
    """Return an action with one cancel."""
    account = ALICE.address
    return PlaceOrders(
        account, account, 3, START_MS, bytes(65), (CancelOrder(OrderId(7)),), (), Money(0), ()
    )


def now(book: DueBook, at: int = START_MS) -> list[object]:
    return list(book.proposals(Millis(at), 100))


@pytest.mark.parametrize(
    ("side", "far", "near"), [(Side.BUY, 99, 100), (Side.BUY, 99, 101), (Side.SELL, 101, 100)]
)
def test_a_stop_is_proposed_once_when_the_mark_meets_it(side: Side, far: int, near: int) -> None:
    book, order = due_book(), stop(100, side=side)
    book.take(durable(placed(order, events=(trigger_set(7, order),))))
    book.take(durable(marked(far)))
    assert now(book) == []
    book.take(durable(marked(near)))
    book.take(durable(marked(near)))
    assert now(book) == [TriggerOrder(ALICE.address, OrderId(7))]
    assert now(book) == []


def test_a_refused_trigger_waits_for_the_next_mark() -> None:
    book, order = due_book(), stop(100)
    book.take(durable(placed(order, events=(trigger_set(7, order),)), marked(100)))
    (proposal,) = book.proposals(START_MS, 100)
    assert isinstance(proposal, TriggerOrder)
    book.not_met(proposal)
    assert now(book) == []
    book.take(durable(marked(101)))
    assert now(book) == [proposal]


def test_an_order_that_is_gone_is_not_proposed() -> None:
    book, order = due_book(), stop(100)
    book.take(durable(placed(order, events=(trigger_set(7, order),)), marked(100)))
    cancel = PlaceOrders(
        ALICE.address, ALICE.address, 2, START_MS, bytes(65), (CancelOrder(OrderId(7)),), ()
    )
    book.take(durable((cancel, (gone(7),))))
    assert now(book) == []
    assert len(book) == 0


def test_what_reduces_goes_before_what_may_add_risk() -> None:
    book = due_book()
    opening, closing = stop(100), stop(101, reduces=True)
    events = (trigger_set(7, opening), trigger_set(8, closing, item=1))
    book.take(durable(placed(opening, closing, events=events), marked(101)))
    lanes = {proposal: book.lane_of(proposal) for proposal in book.proposals(START_MS, 100)}
    assert lanes == {
        TriggerOrder(ALICE.address, OrderId(7)): Lane.TAKING,
        TriggerOrder(ALICE.address, OrderId(8)): Lane.REDUCING,
    }


def test_a_cascade_is_proposed_in_portions_and_loses_nobody() -> None:
    book = due_book()
    orders = [stop(100 + place) for place in range(10)]
    events = tuple(trigger_set(place, order, place) for place, order in enumerate(orders, start=1))
    entries = [
        placed(order, events=(trigger_set(place, order),))
        for place, order in enumerate(orders, start=1)
    ]
    book.take(durable(*entries, marked(200)))
    seen = []
    while portion := book.proposals(START_MS, 3):
        assert len(portion) <= 3
        seen += [one.order_id for one in portion if isinstance(one, TriggerOrder)]
    assert seen == [event.order_id for event in events]


def test_an_order_with_an_end_is_proposed_when_its_time_has_come() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order), rested(7)))))
    assert book.next_ms == LATER
    assert now(book, LATER - 1) == []
    assert now(book, LATER) == [Expire(ALICE.address)]
    assert now(book, LATER) == []


def test_an_order_that_never_rested_has_no_time_to_watch() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order),))))
    assert book.next_ms is None
    assert len(book) == 0


def test_an_order_that_is_filled_is_forgotten() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order), rested(7)))))
    fill = Filled(
        BTC, Ticks(100), Lots(1), OrderId(7), OrderId(8), ALICE.address, BOB.address, Side.SELL,
        Lots(0), Money(0), Money(0),
    )  # fmt: skip
    other = stop(1)
    book.take(durable(placed(other, account=BOB.address, events=(fill,))))
    assert len(book) == 0
    assert book.next_ms is None


def test_an_order_that_moves_or_is_triggered_keeps_its_time() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order), rested(7)))))
    book.take(durable(placed(events=(amended(7, LATER, resting=False), rested(7)))))
    assert book.next_ms == LATER
    triggered = OrderTriggered(
        OrderId(7), ALICE.address, BTC, Side.BUY, Ticks(100), Lots(1), Ticks(100)
    )
    book.take(durable((TriggerOrder(ALICE.address, OrderId(7)), (triggered, rested(7)))))
    assert now(book, LATER) == [Expire(ALICE.address)]


@pytest.mark.parametrize("moves", [False, True])
def test_an_amended_end_is_due_at_the_new_time_alone(*, moves: bool) -> None:
    book, order = due_book(), limit(LATER)
    entry = placed(order, events=(accepted(7, order), rested(7)))
    events: tuple[Event, ...] = (amended(7, LATER + 1_000, resting=not moves),)
    events += (rested(7),) * moves
    # In the very block in which it came, too.
    book.take(durable(entry, (amending(7, LATER + 1_000), events)))
    assert now(book, LATER) == []
    assert now(book, LATER + 1_000) == [Expire(ALICE.address)]


def test_an_end_that_has_come_due_and_is_moved_is_proposed_no_more() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order), rested(7)))))
    assert now(book, LATER) == [Expire(ALICE.address)]
    book.take(durable((amending(7, LATER + 1_000), (amended(7, LATER + 1_000),))))
    assert now(book, LATER + 999) == []
    assert now(book, LATER + 1_000) == [Expire(ALICE.address)]


@pytest.mark.parametrize("moves", [False, True])
def test_an_end_is_given_to_an_order_that_nobody_watched(*, moves: bool) -> None:
    book = due_book()
    events: tuple[Event, ...] = (amended(7, LATER, resting=not moves),)
    events += (rested(7),) * moves
    book.take(durable((amending(7, LATER), events)))
    assert now(book, LATER) == [Expire(ALICE.address)]
    book.take(durable((amending(7), (gone(7),))))
    assert (len(book), now(book, 2 * LATER)) == (0, [])


def test_an_order_that_shrinks_before_its_auction_is_watched_once_it_rests() -> None:
    book, order = due_book(), limit(LATER)
    action, _ = placed(order, events=())
    shrinks = (accepted(7, order), amended(7, LATER))
    book.take(durable((action, shrinks), (Uncross(BTC), ())))
    assert len(book) == 0
    book.take(durable((action, shrinks), (Uncross(BTC), (rested(7),))))
    assert book.next_ms == LATER


def test_an_amended_trigger_price_is_waited_for_and_the_old_one_no_more() -> None:
    book, order = due_book(), stop(100)
    book.take(durable(placed(order, events=(trigger_set(7, order),))))
    book.take(durable((amending(7), (amended(7, waits_for=110),)), marked(109)))
    assert now(book) == []
    book.take(durable(marked(110)))
    assert now(book) == [TriggerOrder(ALICE.address, OrderId(7))]
    assert len(book) == 1


def test_a_proposal_that_an_amend_overtook_is_made_once_at_the_new_price() -> None:
    book, order = due_book(), stop(100)
    book.take(durable(placed(order, events=(trigger_set(7, order),)), marked(100)))
    (proposal,) = book.proposals(START_MS, 100)
    book.take(durable((amending(7), (amended(7, waits_for=110),))))
    assert isinstance(proposal, TriggerOrder)
    book.not_met(proposal)
    book.take(durable(marked(110)))
    assert book.met == 1
    assert now(book) == [proposal]


def test_a_switch_is_due_at_its_time_and_not_after_it_was_moved() -> None:
    book = due_book()
    book.take(durable(switched(LATER, on_disconnect=False)))
    book.take(durable(switched(LATER + 1_000, on_disconnect=False)))
    assert now(book, LATER) == []
    assert now(book, LATER + 1_000) == [Expire(ALICE.address)]


def test_a_switch_that_is_due_and_then_taken_back_is_proposed_no_more() -> None:
    book = due_book()
    book.take(durable(switched(LATER, on_disconnect=False)))
    assert now(book, LATER) == [Expire(ALICE.address)]
    book.take(durable(switched(0, on_disconnect=False)))
    assert now(book, LATER + RETRY_MS) == []
    assert book.next_ms is None


def test_a_connection_that_ends_counts_after_the_grace_unless_it_comes_back() -> None:
    book = due_book()
    book.returned(ALICE.address)
    book.take(durable(switched(0, on_disconnect=True)))
    assert book.next_ms is None
    book.left(ALICE.address, START_MS)
    book.returned(ALICE.address)
    assert now(book, START_MS + GRACE_MS) == []
    book.left(ALICE.address, START_MS)
    assert now(book, START_MS + GRACE_MS - 1) == []
    assert now(book, START_MS + GRACE_MS) == [Disconnected(ALICE.address)]


def test_who_asks_for_it_without_a_connection_counts_as_gone_from_then_on() -> None:
    """Over REST, or by a connection that ended before the block was durable."""
    book = due_book()
    book.returned(ALICE.address)
    book.left(ALICE.address, START_MS)
    book.take(durable(switched(0, on_disconnect=True)))
    assert now(book, START_MS + GRACE_MS - 1) == []
    assert now(book, START_MS + GRACE_MS) == [Disconnected(ALICE.address)]
    book.take(durable(switched(0, on_disconnect=True)))
    book.returned(ALICE.address)
    assert book.next_ms is None


def test_who_did_not_ask_for_it_may_go() -> None:
    book = due_book()
    book.left(ALICE.address, START_MS)
    book.take(durable(switched(0, on_disconnect=True)))
    book.take(durable(switched(0, on_disconnect=False)))
    book.left(ALICE.address, START_MS)
    assert book.next_ms is None


def test_after_a_start_everyone_who_asked_for_it_counts_as_gone() -> None:
    book = due_book()
    book.switch(ALICE.address, Millis(0), on_disconnect=True)
    book.switch(BOB.address, Millis(0), on_disconnect=False)
    book.all_left(START_MS)
    assert now(book, START_MS + GRACE_MS) == [Disconnected(ALICE.address)]


def test_what_is_due_is_proposed_until_its_own_event_says_that_it_is_done() -> None:
    """A second proposal can be merged with a first one that did not see it; or come too early."""
    book, first, second = due_book(), limit(LATER), limit(LATER + 1)
    events = (accepted(7, first), rested(7), accepted(8, second, item=1), rested(8))
    book.take(durable(placed(first, second, events=events)))
    expire = Expire(ALICE.address)
    assert now(book, LATER) == [expire]
    assert now(book, LATER + 1) == [expire]
    book.take(durable((expire, (gone(7),))))
    assert now(book, LATER + RETRY_MS) == [expire]
    book.take(durable((expire, (gone(8),))))
    assert now(book, LATER + 10 * RETRY_MS) == []
    assert book.next_ms is None


def test_a_time_is_watched_that_came_in_by_an_auction() -> None:
    book, order = due_book(), limit(LATER)
    action, _ = placed(order, events=())
    uncross = Uncross(BTC)
    book.take(durable((action, (accepted(7, order),)), (uncross, (rested(7),))))
    assert book.next_ms == LATER


def test_what_found_no_room_is_proposed_again() -> None:
    book, order = due_book(), limit(LATER)
    book.take(durable(placed(order, events=(accepted(7, order), rested(7)))))
    (expire,) = book.proposals(Millis(LATER), 100)
    book.not_queued(expire, LATER + RETRY_MS)
    assert now(book, LATER + RETRY_MS - 1) == []
    assert now(book, LATER + RETRY_MS) == [expire]


def test_an_absence_that_found_no_room_is_proposed_again_unless_its_account_is_back() -> None:
    book = due_book()
    book.take(durable(switched(0, on_disconnect=True)))
    (absence,) = book.proposals(Millis(START_MS + GRACE_MS), 100)
    book.not_queued(absence, LATER)
    assert now(book, LATER - 1) == []
    assert now(book, LATER) == [absence] == [Disconnected(ALICE.address)]
    book.returned(ALICE.address)
    book.not_queued(absence, 2 * LATER)
    assert book.next_ms is None


def test_a_met_stop_that_found_no_room_is_proposed_again_whatever_the_next_mark_is() -> None:
    book, order = due_book(), stop(100)
    book.take(durable(placed(order, events=(trigger_set(7, order),)), marked(100)))
    (proposal,) = book.proposals(START_MS, 100)
    again_ms = START_MS + RETRY_MS
    book.not_queued(proposal, again_ms)
    book.take(durable(marked(99)))
    assert book.next_ms == again_ms
    assert now(book, again_ms - 1) == []
    assert now(book, again_ms) == [proposal]
    assert now(book, again_ms) == []
    book.not_queued(proposal, again_ms)
    book.take(durable((cancelling(), (gone(7),))))
    assert now(book, again_ms) == []


def test_however_many_stops_find_no_room_no_more_than_a_turn_holds_come_again() -> None:
    book, order = due_book(), stop(100)
    for number in range(10):
        book.take(durable(placed(order, events=(trigger_set(number + 1, order),))))
    book.take(durable(marked(100)))
    refused = book.proposals(START_MS, 100)
    assert len(refused) == 10
    for proposal in refused:
        book.not_queued(proposal, START_MS + RETRY_MS)
    told = [book.proposals(Millis(START_MS + turn * RETRY_MS), 4) for turn in range(1, 5)]
    assert [len(proposals) for proposals in told] == [4, 4, 2, 0]
    assert [proposal for proposals in told for proposal in proposals] == refused


def test_a_book_without_watched_orders_looks_at_nothing() -> None:
    book = due_book()
    everything = CancelAll(ALICE.address, ALICE.address, 1, START_MS, bytes(65), BTC)
    book.take(durable((everything, (gone(1),)), marked(5)))
    assert len(book) == 0
