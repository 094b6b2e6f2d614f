"""Who may act, when, and how often: signers, agents, expiries, nonces."""

import msgspec
import pytest

from node.types.commands import ApproveAgent, CancelAll, Withdraw
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    AgentRefused,
    AmountInvalid,
    ExpiryTooFar,
    InsufficientCollateral,
    NonceTooFar,
    NonceUsed,
    NothingToCancel,
    OwnerRequired,
    TooManyAgents,
    UnknownAccount,
    UnknownMarket,
    WrongSigner,
)
from node.types.events import AgentChanged, CancelReason, OrderCancelled, WithdrawalOpened
from node.types.ids import NO_ADDRESS, Address, MarketId
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, CAROL, DOLLAR, MALLORY, RULES, Person
from tests.unit.transition.exchange import BUY, COIN, ETH, Exchange, order

LIFETIME = RULES.limits.action_lifetime_ms


@pytest.fixture
def exchange() -> Exchange:
    """Return an exchange in which Alice has a hundred dollars."""
    exchange = Exchange()
    exchange.fund(ALICE, 100)
    return exchange


def approve(exchange: Exchange, agent: Address, live_ms: int, who: Person = ALICE) -> ApproveAgent:
    return ApproveAgent(*exchange.head(who), agent, Millis(exchange.state.time + live_ms))


def agents(count: int) -> list[Address]:
    return [Address(bytes([7]) * 19 + bytes([number])) for number in range(count)]


# --- signers --------------------------------------------------------------------------------------


def test_an_account_begins_with_its_first_deposit(exchange: Exchange) -> None:
    nobody = exchange.orders(BOB, order(BUY, COIN, 99_00))
    assert exchange.refused(nobody, UnknownAccount) == {"account": BOB.address}


def test_a_stranger_may_not_sign(exchange: Exchange) -> None:
    forged = CancelAll(*exchange.head(ALICE, MALLORY), MarketId(0))
    values = {"account": ALICE.address, "signer": MALLORY.address}
    assert exchange.refused(forged, WrongSigner) == values


def test_an_agent_trades_until_its_time_ends(exchange: Exchange) -> None:
    exchange.do(approve(exchange, BOB.address, 1_000))
    (told,) = exchange.told(AgentChanged)
    assert told.until == exchange.state.time + 1_000
    bid = exchange.orders(ALICE, order(BUY, 1_000, 99_00))
    by_agent = msgspec.structs.replace(bid, signer=BOB.address, nonce=1)
    exchange.wait(999)
    exchange.do(by_agent)
    exchange.wait(1)
    late = msgspec.structs.replace(by_agent, nonce=2)
    values = {"signer": BOB.address, "expired_at": told.until}
    assert exchange.refused(late, AgentExpired) == values


def test_an_agent_neither_withdraws_nor_names_others(exchange: Exchange) -> None:
    exchange.do(approve(exchange, BOB.address, 1_000))
    head = exchange.head(ALICE, BOB)
    values = {"account": ALICE.address, "signer": BOB.address}
    assert exchange.refused(Withdraw(*head, Money(1)), OwnerRequired) == values
    other = ApproveAgent(*head, MALLORY.address, Millis(exchange.state.time + 1_000))
    assert exchange.refused(other, OwnerRequired) == values


@pytest.mark.parametrize("agent", [NO_ADDRESS, ALICE.address])
def test_some_addresses_are_no_agents(exchange: Exchange, agent: Address) -> None:
    assert exchange.refused(approve(exchange, agent, 9), AgentRefused) == {"agent": agent}


def test_revoking_ends_an_agent_now_and_not_in_the_past(exchange: Exchange) -> None:
    exchange.do(approve(exchange, BOB.address, 10_000))
    exchange.wait(5)
    exchange.do(approve(exchange, BOB.address, -4_000))
    (told,) = exchange.told(AgentChanged)
    assert told.until == exchange.state.time
    exchange.refused(CancelAll(*exchange.head(ALICE, BOB), MarketId(0)), AgentExpired)


def test_until_0_ends_an_agent_and_can_make_none(exchange: Exchange) -> None:
    """So it may stand in the lane of what reduces risk."""
    exchange.do(approve(exchange, BOB.address, 10_000))
    for agent in (BOB, MALLORY):
        exchange.do(ApproveAgent(*exchange.head(ALICE), agent.address, Millis(0)))
        exchange.refused(CancelAll(*exchange.head(ALICE, agent), MarketId(0)), AgentExpired)


def test_agents_are_bounded_and_forgotten_when_nothing_they_signed_can_live(
    exchange: Exchange,
) -> None:
    *first, last = agents(RULES.limits.agents_per_account + 1)
    for place, agent in enumerate(first):
        exchange.do(approve(exchange, agent, place + 1))
    assert exchange.refused(approve(exchange, last, 1), TooManyAgents) == {"limit": len(first)}
    exchange.do(approve(exchange, first[0], 1))
    exchange.wait(LIFETIME + 1)
    exchange.refused(approve(exchange, last, 1), TooManyAgents)
    exchange.wait(1)
    exchange.do(approve(exchange, last, 1))
    assert set(exchange.account(ALICE).agents) == {*first[1:], last}


@pytest.mark.parametrize("live_ms", [0, -1, -2 * LIFETIME])
def test_an_agent_that_has_ended_keeps_its_end_when_it_is_revoked(
    exchange: Exchange, live_ms: int
) -> None:
    *first, last = agents(RULES.limits.agents_per_account + 1)
    for agent in first:
        exchange.do(approve(exchange, agent, 1))
    ended = exchange.state.time + 1
    exchange.wait(LIFETIME + 1)
    exchange.do(approve(exchange, first[0], live_ms))
    (told,) = exchange.told(AgentChanged)
    assert told.until == ended
    exchange.refused(approve(exchange, last, 1), TooManyAgents)
    exchange.wait(1)
    exchange.do(approve(exchange, last, 1))
    assert set(exchange.account(ALICE).agents) == {*first[1:], last}


def test_an_agent_approved_again_remembers_what_it_signed(exchange: Exchange) -> None:
    exchange.do(approve(exchange, BOB.address, 10_000))
    bid = exchange.orders(ALICE, order(BUY, 1_000, 99_00))
    by_agent = msgspec.structs.replace(bid, signer=BOB.address, nonce=1)
    exchange.do(by_agent)
    exchange.do(approve(exchange, BOB.address, -1))
    exchange.do(approve(exchange, BOB.address, 10_000))
    exchange.refused(by_agent, NonceUsed)


def test_what_an_agent_signed_has_expired_before_it_is_forgotten(exchange: Exchange) -> None:
    """The longest action that can be executed, in the last moment of an agent's life."""
    exchange.do(approve(exchange, BOB.address, 1_000))
    exchange.wait(999)
    bid = exchange.orders(ALICE, order(BUY, 1_000, 99_00))
    longest = Millis(exchange.state.time + LIFETIME)
    by_agent = msgspec.structs.replace(bid, signer=BOB.address, nonce=1, expires=longest)
    exchange.do(by_agent)
    exchange.wait(LIFETIME + 1)
    exchange.do(approve(exchange, CAROL.address, 1))
    assert BOB.address in exchange.account(ALICE).agents
    exchange.wait(1)
    exchange.do(approve(exchange, MALLORY.address, 1))
    assert BOB.address not in exchange.account(ALICE).agents
    exchange.do(approve(exchange, BOB.address, 10_000))
    exchange.refused(by_agent, ActionExpired)


def test_an_agent_of_two_accounts_has_nonces_for_each(exchange: Exchange) -> None:
    exchange.fund(CAROL, 100)
    for owner in (ALICE, CAROL):
        exchange.do(approve(exchange, BOB.address, 10_000, owner))
        bid = exchange.orders(owner, order(BUY, 1_000, 99_00))
        exchange.do(msgspec.structs.replace(bid, signer=BOB.address, nonce=1))


# --- expiry and nonces ----------------------------------------------------------------------------


def test_an_action_lives_up_to_its_expiry_and_not_at_it(exchange: Exchange) -> None:
    now = exchange.state.time
    action = exchange.orders(ALICE, order(BUY, 1_000, 99_00))
    dead = msgspec.structs.replace(action, expires=now)
    assert exchange.refused(dead, ActionExpired) == {"expires": now, "now": now}
    endless = msgspec.structs.replace(action, expires=Millis(now + LIFETIME + 1))
    values = {"expires": now + LIFETIME + 1, "now": now, "limit": LIFETIME}
    assert exchange.refused(endless, ExpiryTooFar) == values
    exchange.do(msgspec.structs.replace(action, expires=Millis(now + 1)))
    long = exchange.orders(ALICE, order(BUY, 1_000, 99_00))
    exchange.do(msgspec.structs.replace(long, expires=Millis(now + LIFETIME)))


def use(exchange: Exchange, nonce: int) -> Withdraw:
    action = Withdraw(*exchange.head(ALICE), Money(DOLLAR))
    return msgspec.structs.replace(action, nonce=nonce)


def test_nonces_come_in_any_order_and_each_once(exchange: Exchange) -> None:
    for nonce in (300, 299, 301, 250):
        action = use(exchange, nonce)
        exchange.do(action)
        exchange.refused(action, NonceUsed)
    assert exchange.refused(use(exchange, 300), NonceUsed) == {
        "nonce": 300,
        "highest": 301,
        "lowest": 46,
    }


def test_nonce_zero_is_used_from_the_start(exchange: Exchange) -> None:
    values = {"nonce": 0, "highest": 0, "lowest": 0}
    assert exchange.refused(use(exchange, 0), NonceUsed) == values


def test_the_window_ends_where_it_says(exchange: Exchange) -> None:
    exchange.do(use(exchange, 1_000))
    below = use(exchange, 1_000 - 256)
    values = {"nonce": 744, "highest": 1_000, "lowest": 745}
    assert exchange.refused(below, NonceUsed) == values
    exchange.do(use(exchange, 745))
    exchange.refused(use(exchange, 745), NonceUsed)
    # A jump past the whole window forgets nothing that could still be used.
    exchange.do(use(exchange, 10_000))
    exchange.refused(use(exchange, 1_000), NonceUsed)
    exchange.do(use(exchange, 10_000 - 255))


def test_a_nonce_may_not_strand_the_window(exchange: Exchange) -> None:
    jump = RULES.limits.nonce_jump
    values = {"nonce": jump + 1, "highest": 0, "limit": jump}
    assert exchange.refused(use(exchange, jump + 1), NonceTooFar) == values
    exchange.do(use(exchange, jump))


# --- cancel all and withdraw ----------------------------------------------------------------------


def test_cancel_all_takes_the_oldest_first_and_keeps_to_its_market(exchange: Exchange) -> None:
    ids = [
        exchange.place(ALICE, order(BUY, 1_000, price, market=market))
        for price, market in ((99_00, 1), (98_00, ETH), (97_00, 1))
    ]
    exchange.do(exchange.cancel_all(ALICE, 1))
    told = [(event.order_id, event.reason) for event in exchange.told(OrderCancelled)]
    assert told == [(ids[0], CancelReason.BY_ACCOUNT), (ids[2], CancelReason.BY_ACCOUNT)]
    exchange.do(exchange.cancel_all(ALICE))
    assert exchange.account(ALICE).free == 100 * DOLLAR
    assert exchange.refused(exchange.cancel_all(ALICE), NothingToCancel) == {"market": 0}
    assert exchange.refused(exchange.cancel_all(ALICE, 3), UnknownMarket) == {"market": 3}


def test_only_free_collateral_is_withdrawn(exchange: Exchange) -> None:
    exchange.place(ALICE, order(BUY, 9_000, 100_00))
    free = exchange.account(ALICE).free
    assert free == 100 * DOLLAR - 9_045_000
    more = Withdraw(*exchange.head(ALICE), Money(free + 1))
    values = {"required": free + 1, "free": free}
    assert exchange.refused(more, InsufficientCollateral) == values
    for nothing in (0, -1):
        empty = Withdraw(*exchange.head(ALICE), Money(nothing))
        assert exchange.refused(empty, AmountInvalid) == {"amount": nothing}
    least = RULES.limits.withdrawal_min
    dust = Withdraw(*exchange.head(ALICE), Money(least - 1))
    values = {"amount": least - 1, "minimum": least}
    assert exchange.refused(dust, AmountInvalid) == values
    exchange.do(Withdraw(*exchange.head(ALICE), Money(free)))
    (told,) = exchange.told(WithdrawalOpened)
    assert (told.withdrawal_id, told.account, told.amount) == (1, ALICE.address, free)
    assert exchange.state.withdrawals == {1: (ALICE.address, free)}
    assert exchange.account(ALICE).free == 0
