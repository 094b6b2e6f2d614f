"""Client ids outlive their orders: what is signed anew is told of its first, not executed again."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.transition.client_ids import order_named, pairs, with_another
from node.transition.leaves import all_leaves
from node.transition.state import State
from node.types.commands import AmendOrder, CancelOrder, OrderType
from node.types.errors import DuplicateClientId, EveryItemRejected, UnknownOrder
from node.types.events import ItemRejected
from node.types.ids import ClientOrderId, OrderId
from node.types.units import Lots, Ticks
from tests.examples import ALICE, BOB, CAROL, DOMAIN, RULES
from tests.unit.transition.exchange import (
    BTC,
    BUY,
    COIN,
    ETH,
    SELL,
    Exchange,
    amendment,
    order,
    stop,
)

KEPT = 3
FORGETFUL = msgspec.structs.replace(
    RULES, limits=msgspec.structs.replace(RULES.limits, client_ids_kept=KEPT)
)


@pytest.fixture
def forgetful() -> Exchange:
    exchange = Exchange(FORGETFUL)
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    return exchange


def test_an_order_that_took_all_and_is_sent_again_is_not_executed_again(exchange: Exchange) -> None:
    exchange.place(BOB, order(SELL, 3 * COIN, 101_00))
    market = order(BUY, COIN, 105_00, OrderType.MARKET, client_id=7)
    first = exchange.place(ALICE, market)
    refusal = exchange.refused(exchange.orders(ALICE, market), DuplicateClientId)
    assert refusal == {"client_id": 7, "order_id": first}
    assert exchange.position(ALICE).size == COIN


def test_it_is_told_so_before_what_its_first_has_made_impossible(exchange: Exchange) -> None:
    exchange.trade(ALICE, BOB, COIN, 100_00)
    exchange.place(CAROL, order(BUY, COIN, 99_00))
    closing = order(SELL, COIN, 95_00, OrderType.MARKET, reduce_only=True, client_id=8)
    first = exchange.place(ALICE, closing)
    # There is nothing to reduce any more, and nobody to take from.
    refusal = exchange.refused(exchange.orders(ALICE, closing), DuplicateClientId)
    assert refusal["order_id"] == first
    elsewhere = msgspec.structs.replace(closing, market=ETH)
    assert exchange.refused(exchange.orders(ALICE, elsewhere), DuplicateClientId) == refusal


def test_an_order_that_was_refused_has_used_no_id(exchange: Exchange) -> None:
    taker = order(BUY, COIN, 101_00, OrderType.IOC, client_id=9)
    exchange.do(exchange.orders(ALICE, taker, order(BUY, COIN, 90_00)))
    assert exchange.account(ALICE).client_ids == b""
    exchange.place(BOB, order(SELL, COIN, 101_00))
    exchange.place(ALICE, taker)


def test_an_order_that_waits_has_used_its_id_too(exchange: Exchange) -> None:
    waiting = stop(BUY, COIN, 106_00, at=105_00, client_id=4)
    first = exchange.wait_for(ALICE, waiting)
    exchange.do(exchange.cancel_all(ALICE))
    for again in (waiting, order(BUY, COIN, 90_00, client_id=4)):
        refusal = exchange.refused(exchange.orders(ALICE, again), DuplicateClientId)
        assert refusal["order_id"] == first


def test_a_full_bulk_that_is_signed_anew_is_refused_as_a_whole(exchange: Exchange) -> None:
    most = RULES.limits.items_per_action
    exchange.place(BOB, order(SELL, 2 * most * 100, 100_00))
    bulk = [order(BUY, 100, 100_00, OrderType.IOC, client_id=name) for name in range(1, most + 1)]
    exchange.place(ALICE, *bulk)
    held = exchange.position(ALICE).size
    exchange.refused(exchange.orders(ALICE, *bulk), EveryItemRejected)
    assert exchange.position(ALICE).size == held == most * 100


def test_an_order_that_was_triggered_or_amended_to_its_end_has_used_its_id(
    exchange: Exchange,
) -> None:
    waiting = stop(BUY, COIN, 103_00, at=102_00, client_id=4)
    rests = order(BUY, COIN, 98_00, client_id=5)
    first = exchange.wait_for(ALICE, waiting)
    second = exchange.place(ALICE, rests)
    exchange.place(BOB, order(SELL, 2 * COIN, 102_00))
    exchange.mark(102_00, 50_00)
    exchange.do(exchange.trigger(ALICE, first))
    exchange.amend(ALICE, amendment(second, 102_00, COIN))
    assert exchange.account(ALICE).clients == {}
    again = exchange.orders(ALICE, waiting, rests, order(BUY, COIN, 90_00))
    exchange.do(again)
    told = [event.values["order_id"] for event in exchange.told(ItemRejected)]
    assert told == [first, second]


def test_a_cancel_and_an_amend_that_come_too_late_are_told_which_order_it_was(
    exchange: Exchange,
) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 90_00, client_id=5))
    exchange.do(exchange.cancel_all(ALICE))
    name = ClientOrderId(5)
    late = (
        exchange.orders(ALICE, cancels=(CancelOrder(client_id=name),)),
        exchange.orders(ALICE, amends=(AmendOrder(BTC, Ticks(1), Lots(1), client_id=name),)),
    )
    for command in late:
        told = exchange.refused(command, UnknownOrder)
        assert told == {"order_id": first, "client_id": 5}
    never = exchange.orders(ALICE, cancels=(CancelOrder(client_id=ClientOrderId(6)),))
    assert exchange.refused(never, UnknownOrder) == {"order_id": 0, "client_id": 6}


def test_accounts_do_not_share_ids(exchange: Exchange) -> None:
    for person in (ALICE, BOB):
        exchange.place(person, order(BUY, COIN, 90_00, client_id=5))


def test_only_so_many_are_kept_but_those_of_open_orders(forgetful: Exchange) -> None:
    resting = forgetful.place(ALICE, order(BUY, COIN, 90_00, client_id=1))
    for client_id in range(2, 3 + KEPT):
        forgetful.place(ALICE, order(BUY, COIN, 91_00, client_id=client_id))
        name = CancelOrder(client_id=ClientOrderId(client_id))
        forgetful.do(forgetful.orders(ALICE, cancels=(name,)))
    assert [name for name, _ in pairs(forgetful.account(ALICE).client_ids)] == [3, 4, 5]
    again = forgetful.orders(ALICE, order(BUY, COIN, 90_00, client_id=1))
    assert forgetful.refused(again, DuplicateClientId)["order_id"] == resting
    forgetful.refused(forgetful.orders(ALICE, order(BUY, COIN, 91_00, client_id=3)),
                      DuplicateClientId)  # fmt: skip
    forgetful.place(ALICE, order(BUY, COIN, 91_00, client_id=2))


def test_they_come_back_from_the_leaves(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 90_00, client_id=5))
    exchange.do(exchange.cancel_all(ALICE))
    exchange.state = State.from_leaves(RULES, DOMAIN, all_leaves(exchange.state))
    again = exchange.orders(ALICE, order(BUY, COIN, 90_00, client_id=5))
    assert exchange.refused(again, DuplicateClientId)["order_id"] == first


# Of few bytes, so that the end of one id and the beginning of the next often look like another.
names = st.builds(lambda some: int.from_bytes(bytes(some)), st.lists(st.sampled_from((0, 1)),
                  min_size=8, max_size=8)).filter(bool)  # fmt: skip


@given(given_ids=st.lists(names, max_size=20), asked=names, kept=st.integers(1, 8))
def test_the_string_is_a_list_of_the_last(given_ids: list[int], asked: int, kept: int) -> None:
    used = b""
    model: list[tuple[int, int]] = []
    for place, name in enumerate(given_ids, start=1):
        if name not in dict(model):
            order_id = OrderId(place << 40 | place)
            used = with_another(used, ClientOrderId(name), order_id, kept)
            model = [*model, (name, order_id)][-kept:]
    assert pairs(used) == model
    assert order_named(used, ClientOrderId(asked)) == dict(model).get(asked)
