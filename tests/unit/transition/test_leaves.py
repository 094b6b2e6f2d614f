"""Leaves: a state is its leaves, and what is no leaf of these rules is refused."""

from collections.abc import Callable

import msgspec
import pytest

from node.matching.book import Order
from node.transition import invariants
from node.transition.account import Account
from node.transition.leaves import GLOBAL_KEY, RULES_KEY, book_prefix, order_key, withdrawal_key
from node.transition.state import State
from node.types.commands import OrderType, Withdraw
from node.types.errors import StateDiverged
from node.types.ids import OrderId
from node.types.units import Money
from tests.examples import ALICE, BOB, CAROL, DOLLAR, DOMAIN, RULES
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order, stop


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange with a position, orders on both sides, and a withdrawal."""
    exchange = Exchange()
    for person in (ALICE, BOB, CAROL):
        exchange.fund(person, 1_000)
    exchange.trade(BOB, ALICE, COIN, 100_00)
    exchange.place(ALICE, order(BUY, COIN, 98_00), order(BUY, COIN, 99_00, client_id=4))
    exchange.place(BOB, order(SELL, COIN, 102_00, reduce_only=True), order(SELL, COIN, 101_00))
    exchange.do(Withdraw(*exchange.head(ALICE), Money(5 * DOLLAR)))
    return exchange


def test_a_state_comes_back_from_its_leaves_in_any_order(exchange: Exchange) -> None:
    leaves = dict(exchange.state.leaves())
    back = State.from_leaves(RULES, DOMAIN, reversed(list(leaves.items())))
    invariants.check(back)
    assert dict(back.leaves()) == leaves
    assert back.drain_changes().keys() == {GLOBAL_KEY}
    assert back.accounts[ALICE.address].clients[4].price == 99_00  # type: ignore[index]


def test_the_best_order_is_the_first_leaf_of_its_side(exchange: Exchange) -> None:
    leaves = dict(exchange.state.leaves())
    for side in (BUY, SELL):
        best = exchange.market.book.best(side)
        assert best is not None
        first = min(key for key in leaves if key.startswith(book_prefix(1, side)))
        assert first == order_key(1, side, best.price, best.rank)


def test_a_closed_position_and_a_filled_order_leave_no_leaf(exchange: Exchange) -> None:
    exchange.do(exchange.cancel_all(ALICE))
    exchange.do(exchange.cancel_all(BOB))
    exchange.state.drain_changes()
    exchange.trade(ALICE, BOB, COIN, 100_00)
    changes = exchange.state.drain_changes()
    gone = [key[0] for key, value in changes.items() if value is None]
    assert sorted(gone) == [2, 2, 3]
    assert {key[0] for key in dict(exchange.state.leaves())} == {0, 1, 4, 5, 6}


def test_withdrawals_are_leaves_of_their_own(exchange: Exchange) -> None:
    leaf = dict(exchange.state.leaves())[withdrawal_key(1)]
    assert leaf == ALICE.address + (5 * DOLLAR).to_bytes(16, "big")


def test_leaves_of_other_rules_are_refused(exchange: Exchange) -> None:
    other = msgspec.structs.replace(RULES, name="another exchange")
    with pytest.raises(StateDiverged) as caught:
        State.from_leaves(other, DOMAIN, exchange.state.leaves())
    assert caught.value.key == RULES_KEY


def test_a_leaf_of_no_known_kind_is_refused(exchange: Exchange) -> None:
    unknown = b"\x08" + bytes(31)
    with pytest.raises(StateDiverged) as caught:
        State.from_leaves(RULES, DOMAIN, [*exchange.state.leaves(), (unknown, b"")])
    assert (caught.value.where, caught.value.key) == ("leaf", unknown)


# --- invariants -----------------------------------------------------------------------------------


def broken(exchange: Exchange) -> str:
    """Return where the check of the invariants fails."""
    with pytest.raises(StateDiverged) as caught:
        invariants.check(exchange.state)
    where: str = caught.value.where
    return where


def test_the_check_finds_a_unit_that_is_missing(exchange: Exchange) -> None:
    assert invariants.money(exchange.state).conserved
    exchange.account(BOB).free -= 1
    assert not invariants.money(exchange.state).conserved
    assert broken(exchange) == "money"


def test_the_check_finds_a_debt_of_the_fund(exchange: Exchange) -> None:
    exchange.state.insurance -= 1
    exchange.account(BOB).free += 1
    assert broken(exchange) == "exchange money"


def test_the_check_finds_a_debt_of_an_account(exchange: Exchange) -> None:
    debt = exchange.account(BOB).free + 1
    exchange.account(BOB).free -= debt
    exchange.account(ALICE).free += debt
    assert broken(exchange) == "free collateral"


def test_the_check_finds_sizes_without_a_counterpart(exchange: Exchange) -> None:
    position = exchange.position(BOB)
    position.size += 1
    position.entry += exchange.market.mark
    assert broken(exchange) == "sizes sum to zero"


def test_the_check_finds_a_position_missing_in_its_queue(exchange: Exchange) -> None:
    exchange.market.queues[0].clear()
    assert broken(exchange) == "deleveraging queues"


def test_the_check_finds_a_crossed_book(exchange: Exchange) -> None:
    best = exchange.market.book.bids.best
    assert best is not None
    best.price = type(best.price)(101_00)
    assert broken(exchange) == "book not crossed"


def test_the_check_finds_an_order_that_nobody_holds(exchange: Exchange) -> None:
    held = exchange.account(ALICE).orders.popitem()[1]
    assert isinstance(held.order_id, int)
    assert broken(exchange) == "orders rest where their accounts say"


def test_the_check_finds_an_arrival_that_was_not_counted(exchange: Exchange) -> None:
    (held, *_) = exchange.account(ALICE).orders.values()
    exchange.market.arrivals[held] = OrderType.GTC
    assert broken(exchange) == "arrivals are counted"


def test_the_check_finds_a_wrong_reserve(exchange: Exchange) -> None:
    exchange.account(ALICE).reserved += 1
    exchange.account(ALICE).free -= 1
    assert broken(exchange) == "reserves"


@pytest.mark.parametrize(
    ("field", "value", "where"), [("margin", 1, "no idle margin"), ("entry", -1, "no idle entry")]
)
def test_the_check_finds_money_in_an_empty_position(
    exchange: Exchange, field: str, value: int, where: str
) -> None:
    exchange.place(BOB, order(BUY, COIN, 90_00, market=2))
    setattr(exchange.position(BOB, 2), field, value)
    exchange.account(BOB).free -= 1
    assert broken(exchange) == where


def test_the_check_finds_wrong_resting_sizes(exchange: Exchange) -> None:
    exchange.position(ALICE).resting[BUY] += 1
    assert broken(exchange) == "resting sizes"


def test_the_check_finds_a_reduce_only_order_with_nothing_to_do(exchange: Exchange) -> None:
    bid = exchange.account(BOB).orders[OrderId(5)]
    assert bid.reduce_only
    exchange.account(ALICE).orders[min(exchange.account(ALICE).orders)].reduce_only = True
    exchange.position(ALICE).resting[BUY] -= COIN
    exchange.account(BOB).orders[max(exchange.account(BOB).orders)].reduce_only = True
    exchange.position(BOB).resting[SELL] -= COIN
    position = exchange.position(ALICE)
    position.size, position.entry = -position.size, -position.entry
    other = exchange.position(BOB)
    other.size, other.entry = -other.size, -other.entry
    for changed in (position, other):
        exchange.market.rank(changed)
    assert broken(exchange) == "no idle reduce-only order"


def first(account: Account) -> Order:
    """Return an order of the account that rests."""
    return next(iter(account.orders.values()))


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda account: account.groups.clear(), "groups"),
        (lambda account: account.clients.clear(), "client ids"),
        (lambda account: account.waiting.clear(), "client ids"),
        (lambda account: setattr(first(account), "size", 1), "order sizes"),
        (lambda account: setattr(first(account), "rank", 99), "ranks were given"),
        (lambda account: account.groups[1].append(account.groups[1][0]), "pairs"),
    ],
)
def test_the_check_finds_open_orders_that_are_told_of_twice_and_differ(
    exchange: Exchange, spoil: Callable[[Account], object], where: str
) -> None:
    exchange.place(CAROL, order(BUY, COIN, 99_50, group=1))
    exchange.wait_for(CAROL, stop(BUY, COIN, 106_00, at=105_00, client_id=4, group=1))
    spoil(exchange.account(CAROL))
    assert broken(exchange) == where
