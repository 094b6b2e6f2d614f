"""How orders end by themselves: at their time, at the switch's, with the last connection."""

import msgspec
import pytest

from node.types.commands import ApproveAgent, Disconnected, Expire, OrderType, SetSwitch
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    FillOrKillUnfilled,
    NothingExpired,
    NothingToCancel,
    NothingToTake,
    OrderExpired,
    PostOnlyWouldCross,
    SwitchNotSet,
    UnknownAccount,
    ValueOutOfRange,
    WrongSigner,
)
from node.types.events import CancelReason, SwitchChanged
from node.types.ids import Address
from node.types.units import Millis
from tests.examples import ALICE, BOB, CAROL, MALLORY, RULES
from tests.unit.transition.exchange import BUY, COIN, SELL, Exchange, order, stop

NOBODY = Address(bytes(20))
WEEK_MS = RULES.limits.action_lifetime_ms


# --- an order's own time --------------------------------------------------------------------------


def test_an_order_enters_only_before_its_time(exchange: Exchange) -> None:
    now = exchange.state.time
    late = exchange.orders(ALICE, order(BUY, COIN, 99_00, good_till=now))
    assert exchange.refused(late, OrderExpired) == {"good_till": now, "now": now}
    exchange.place(ALICE, order(BUY, COIN, 99_00, good_till=now + 1))


def test_an_order_trades_until_its_time_and_not_at_it(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    dead = exchange.place(ALICE, order(SELL, 2 * COIN, 100_00, good_till=end))
    exchange.wait(49)
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert exchange.fills() == [(100_00, COIN)]
    exchange.wait(1)
    exchange.place(BOB, order(BUY, COIN, 100_00))
    assert exchange.fills() == []
    assert exchange.gone() == [(dead, CancelReason.EXPIRED, True)]
    assert exchange.book() == ([(100_00, COIN)], [])
    assert exchange.account(ALICE).reserved == 0


def test_expire_cancels_what_has_run_out_and_nothing_else(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    first = exchange.place(ALICE, order(BUY, COIN, 99_00, good_till=end))
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00, good_till=end - 1))
    kept = exchange.place(ALICE, order(BUY, COIN, 98_00, good_till=end + 1))
    forever = exchange.place(ALICE, order(BUY, COIN, 97_00))
    exchange.refused(exchange.expire(ALICE), NothingExpired)
    exchange.wait(50)
    exchange.do(exchange.expire(ALICE))
    assert exchange.gone() == [
        (first, CancelReason.EXPIRED, True),
        (waiting, CancelReason.EXPIRED, False),
    ]
    assert sorted(exchange.account(ALICE).orders) == [kept, forever]
    exchange.refused(exchange.expire(ALICE), NothingExpired)
    exchange.refused(exchange.expire(BOB), NothingExpired)
    exchange.refused(Expire(NOBODY), UnknownAccount)


def test_a_fill_or_kill_order_does_not_count_on_the_dead(exchange: Exchange) -> None:
    end = exchange.state.time + 50
    exchange.place(ALICE, order(SELL, COIN, 100_00, good_till=end), order(SELL, COIN, 101_00))
    exchange.wait(50)
    kind = OrderType.FOK
    two = exchange.orders(BOB, order(BUY, 2 * COIN, 101_00, kind))
    before = dict(exchange.state.leaves())
    exchange.refused(two, FillOrKillUnfilled)
    assert dict(exchange.state.leaves()) == before
    exchange.place(BOB, order(BUY, COIN, 101_00, kind))
    assert exchange.fills() == [(101_00, COIN)]


# --- the switch -----------------------------------------------------------------------------------


def test_a_switch_cancels_everything_at_its_time_once(exchange: Exchange) -> None:
    end = exchange.state.time + 5_000
    exchange.do(exchange.switch(ALICE, end, on_disconnect=True))
    assert exchange.told(SwitchChanged) == [SwitchChanged(ALICE.address, Millis(end), True)]
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    waiting = exchange.wait_for(ALICE, stop(BUY, COIN, 106_00, at=105_00))
    exchange.wait(4_998)
    exchange.refused(exchange.expire(ALICE), NothingExpired)
    exchange.wait(2)
    exchange.do(exchange.expire(ALICE))
    assert exchange.gone() == [
        (first, CancelReason.SWITCH, True),
        (waiting, CancelReason.SWITCH, False),
    ]
    assert exchange.told(SwitchChanged) == [SwitchChanged(ALICE.address, Millis(0), True)]
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.refused(exchange.expire(ALICE), NothingExpired)


def test_a_switch_without_orders_just_goes_off(exchange: Exchange) -> None:
    exchange.do(exchange.switch(ALICE, exchange.state.time + 1))
    exchange.wait(1)
    exchange.state.drain_changes()
    leaves = dict(exchange.state.leaves())
    exchange.do(exchange.expire(ALICE))
    assert exchange.events == (SwitchChanged(ALICE.address, Millis(0), False),)
    changed = exchange.state.drain_changes()
    assert {key for key, value in changes(leaves, exchange)} <= set(changed)


def changes(leaves: dict[bytes, bytes], exchange: Exchange) -> set[tuple[bytes, bytes]]:
    """Return the leaves that are others now."""
    return set(exchange.state.leaves()) - set(leaves.items())


def test_a_heartbeat_moves_the_switch_and_zero_turns_it_off(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.do(exchange.switch(ALICE, exchange.state.time + 1_000))
    exchange.wait(900)
    exchange.do(exchange.switch(ALICE, exchange.state.time + 1_000))
    exchange.wait(900)
    exchange.refused(exchange.expire(ALICE), NothingExpired)
    exchange.do(exchange.switch(ALICE, 0))
    exchange.wait(900)
    exchange.refused(exchange.expire(ALICE), NothingExpired)


@pytest.mark.parametrize("ahead", [-1, 0, WEEK_MS + 1])
def test_a_switch_lies_ahead_and_not_too_far(exchange: Exchange, ahead: int) -> None:
    now = exchange.state.time
    wrong = exchange.switch(ALICE, now + ahead)
    values = exchange.refused(wrong, ValueOutOfRange)
    assert values == {"field": "cancel_at", "low": now + 1, "high": now + WEEK_MS}
    exchange.do(exchange.switch(ALICE, now + 1))
    exchange.do(exchange.switch(ALICE, now + WEEK_MS))


def test_owner_and_agents_set_the_switch_and_nobody_else(exchange: Exchange) -> None:
    later = Millis(exchange.state.time + 1_000)
    strange = SetSwitch(*exchange.head(ALICE, MALLORY), later)
    exchange.refused(strange, WrongSigner)
    exchange.do(ApproveAgent(*exchange.head(ALICE), MALLORY.address, later))
    exchange.do(SetSwitch(*exchange.head(ALICE, MALLORY), later))
    exchange.wait(1_000)
    exchange.refused(SetSwitch(*exchange.head(ALICE, MALLORY), Millis(0)), AgentExpired)
    old = SetSwitch(ALICE.address, ALICE.address, 99, Millis(exchange.state.time), b"", Millis(0))
    exchange.refused(old, ActionExpired)


# --- the last connection --------------------------------------------------------------------------


def test_a_disconnection_cancels_for_those_who_asked(exchange: Exchange) -> None:
    first = exchange.place(ALICE, order(BUY, COIN, 99_00))
    command = Disconnected(ALICE.address)
    exchange.refused(command, SwitchNotSet)
    exchange.do(exchange.switch(ALICE, 0, on_disconnect=True))
    waiting = exchange.wait_for(ALICE, stop(SELL, COIN, 94_00, at=95_00))
    exchange.do(command)
    assert exchange.gone() == [
        (first, CancelReason.DISCONNECTED, True),
        (waiting, CancelReason.DISCONNECTED, False),
    ]
    # It stays set for the next time, in which there may be nothing.
    exchange.refused(command, NothingToCancel)
    exchange.place(ALICE, order(BUY, COIN, 99_00))
    exchange.do(command)
    exchange.refused(Disconnected(NOBODY), UnknownAccount)


# --- the dead stand in nobody's way ---------------------------------------------------------------


@pytest.fixture
def haunted(exchange: Exchange) -> Exchange:
    """Return an exchange in which Alice's dead asks at 100 and 101 stand before Carol's at 102."""
    end = exchange.state.time + 50
    for price in (100_00, 101_00):
        exchange.place(ALICE, order(SELL, COIN, price, good_till=end))
    exchange.place(CAROL, order(SELL, COIN, 102_00))
    exchange.wait(50)
    return exchange


@pytest.mark.parametrize(
    ("kind", "price", "rests"),
    [
        (OrderType.POST_ONLY, 101_00, 101_00),
        (OrderType.SLIDE, 101_50, 101_50),
        (OrderType.SLIDE, 103_00, 101_99),
        (OrderType.GTC, 101_00, 101_00),
    ],
)
def test_an_order_that_meets_only_the_dead_clears_them_and_rests(
    haunted: Exchange, kind: OrderType, price: int, rests: int
) -> None:
    haunted.place(BOB, order(BUY, COIN, price, kind))
    assert [reason for _, reason, _ in haunted.gone()] == [CancelReason.EXPIRED] * 2
    assert haunted.book() == ([(rests, COIN)], [(102_00, COIN)])
    assert haunted.fills() == []


def test_who_would_meet_the_living_is_refused_as_ever(haunted: Exchange) -> None:
    crossing = haunted.orders(BOB, order(BUY, COIN, 102_00, OrderType.POST_ONLY))
    assert haunted.refused(crossing, PostOnlyWouldCross) == {"price": 102_00, "best": 102_00}
    nothing = haunted.orders(BOB, order(BUY, COIN, 101_00, OrderType.IOC))
    assert haunted.refused(nothing, NothingToTake) == {"price": 101_00, "best": 102_00}


def test_more_dead_than_an_order_has_steps_are_a_limit() -> None:
    limits = msgspec.structs.replace(RULES.limits, fills_per_order=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    end = exchange.state.time + 50
    exchange.place(ALICE, *[order(SELL, COIN, 100_00, good_till=end)] * 3)
    exchange.wait(50)
    out = exchange.place(BOB, order(BUY, COIN, 100_00, OrderType.POST_ONLY))
    assert exchange.gone()[2:] == [(out, CancelReason.FILL_LIMIT, False)]
    exchange.place(BOB, order(BUY, COIN, 100_00, OrderType.POST_ONLY))
    assert exchange.book() == ([(100_00, COIN)], [])


def test_the_dead_have_no_say_in_funding(haunted: Exchange) -> None:
    haunted.place(BOB, order(BUY, COIN, 99_00))
    haunted.mark(100_00)
    # Between 99 and 102, not between 99 and the dead ask at 100.
    assert (haunted.market.premium_sum, haunted.market.premium_samples) == (100, 1)


def test_more_dead_than_a_round_looks_at_hide_one_sample_and_are_in_no_other() -> None:
    limits = msgspec.structs.replace(RULES.limits, fills_per_order=2)
    exchange = Exchange(msgspec.structs.replace(RULES, limits=limits))
    for person in (ALICE, BOB):
        exchange.fund(person, 1_000)
    exchange.place(BOB, order(BUY, COIN, 99_00))
    exchange.place(ALICE, order(SELL, COIN, 102_00))
    exchange.mark(100_00)
    end = exchange.state.time + 50
    exchange.place(ALICE, *[order(SELL, COIN, 101_00, good_till=end)] * 2)
    exchange.wait(50)
    exchange.mark(100_00)
    assert (exchange.market.premium_sum, exchange.market.premium_samples) == (100, 1)
    exchange.do(exchange.expire(ALICE))
    exchange.mark(100_00)
    assert (exchange.market.premium_sum, exchange.market.premium_samples) == (200, 2)
