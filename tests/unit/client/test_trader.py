"""A trader against a node that loses answers, refuses, and knows nonces of somebody else's."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from node.client.clock import NodeClock
from node.client.errors import ConnectionLost
from node.client.nonces import CountedNonces, Nonces
from node.client.retry import NEVER, RetryPolicy
from node.client.trader import RENEWALS_MAX, OutcomeUnknown, Trader
from node.client.wallet import Wallet
from node.codec.eip712 import Signing
from node.codec.signatures import recover
from node.types.commands import (
    CancelAll,
    NewOrder,
    OrderType,
    Side,
    SignedAction,
)
from node.types.errors import (
    ActionExpired,
    AgentExpired,
    DeadlineExceeded,
    InsufficientMargin,
    IntegrityError,
    NonceUsed,
    Overloaded,
    PlimsollError,
    Shed,
    WrongSigner,
)
from node.types.ids import Address, MarketId
from node.types.rules import Rules
from node.types.units import Lots, Ticks
from tests.examples import ALICE, BOB, DOMAIN, RULES, START_MS

SIGNING = Signing(DOMAIN, RULES)
AT_ONCE = RetryPolicy(attempts=4, pause_s=0.0)
NEVER_SENT = ConnectionLost(method="action")
LOST = ConnectionLost()
ORDER = NewOrder(MarketId(1), Side.BUY, OrderType.GTC, Ticks(5_000), Lots(100))


class FakeSession:
    """Executes each nonce once. Before that it does what ``plan`` says, one entry a send.

    An error is raised instead of executing; ``LOST`` after executing: the answer got lost. The
    first result comes again while it is remembered.
    """

    def __init__(self, *plan: PlimsollError | None) -> None:
        self.rules: Rules = RULES
        self.clock = NodeClock()
        self.sent: list[SignedAction] = []
        self.executed: list[int] = []
        self.deadlines: list[int | None] = []
        self.remembered: dict[SignedAction, dict[str, Any]] = {}
        self.remembers = False
        self.connected = True
        self.plan = list(plan)
        self.held: asyncio.Event | None = None
        self.items: list[dict[str, Any]] = []

    async def send(self, action: SignedAction, *, deadline_ms: int | None = None) -> dict[str, Any]:
        self.sent.append(action)
        self.deadlines.append(deadline_ms)
        if self.held is not None and action.nonce == 1:
            await self.held.wait()
        await asyncio.sleep(0)
        planned = self.plan.pop(0) if self.plan else None
        if planned is not None and planned is not LOST:
            raise planned
        if action in self.remembered:
            return {**self.remembered[action], "repeated": True}
        if action.nonce in self.executed:
            raise NonceUsed(nonce=action.nonce, highest=max(self.executed))
        self.executed.append(action.nonce)
        if self.remembers:
            self.remembered[action] = {"nonce": action.nonce}
        if planned is LOST:
            raise planned
        return {"nonce": action.nonce} | ({"results": self.items} if self.items else {})

    async def ready(self) -> None:
        while not self.connected:  # noqa: ASYNC110 - as long as the one who waits has time
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def trader_at(session: FakeSession) -> Trader:
    wallet = Wallet(ALICE.key, SIGNING, nonces=CountedNonces())
    return Trader(session, wallet, now_ms=lambda: START_MS, seed=1)  # type: ignore[arg-type]


async def test_an_agents_trader_begins_at_the_next_nonce_of_the_agents_key() -> None:
    class Opening(FakeSession):
        async def next_nonce(self, account: Address, signer: Address) -> int:
            assert (account, signer) == (ALICE.address, BOB.address)
            return 9

        def wallet(self, secret: bytes, *, account: Address, nonces: Nonces) -> Wallet:
            return Wallet(secret, SIGNING, account, nonces=nonces)

        async def follow_fees(self) -> None:
            pass

        async def follow_clock(self) -> None:
            pass

    trader = await Trader.open(Opening(), BOB.key, ALICE.address)  # type: ignore[arg-type]
    assert await trader.cancel_all() == {"nonce": 9}


async def test_a_lost_answer_is_asked_for_with_the_same_action_and_never_executed_twice() -> None:
    session = FakeSession(LOST)
    with pytest.raises(OutcomeUnknown) as unknown:
        await trader_at(session).cancel_all(retry=AT_ONCE)
    assert unknown.value.values == {"nonce": 1, "answer": NonceUsed.code}
    assert session.executed == [1]
    assert session.sent[0] == session.sent[1]


async def test_what_was_never_sent_may_be_signed_again_when_its_nonce_is_gone() -> None:
    session = FakeSession(NEVER_SENT)
    session.executed = [1, 2]
    assert await trader_at(session).cancel_all(retry=AT_ONCE) == {"nonce": 3}


@pytest.mark.parametrize("error", [Overloaded(), Shed(retry_after_ms=1), NEVER_SENT])
async def test_never_means_once(error: PlimsollError) -> None:
    session = FakeSession(error)
    with pytest.raises(type(error)):
        await trader_at(session).cancel_all(retry=NEVER)
    assert len(session.sent) == 1


async def test_a_lost_answer_to_what_is_sent_once_leaves_the_outcome_unknown() -> None:
    session = FakeSession(LOST)
    with pytest.raises(OutcomeUnknown) as unknown:
        await trader_at(session).place((ORDER,))
    assert unknown.value.values == {"nonce": 1, "answer": ConnectionLost.code}
    assert unknown.value.__cause__ is LOST
    assert session.sent == [unknown.value.action]


async def test_no_connection_after_a_lost_answer_leaves_the_outcome_unknown() -> None:
    session = FakeSession(LOST)
    session.connected = False
    with pytest.raises(OutcomeUnknown):
        await trader_at(session).cancel_all(retry=RetryPolicy(within_s=0.01, pause_s=0.0))


async def test_two_senders_of_the_very_same_bytes_one_behind_the_other_have_an_order_each() -> None:
    session = FakeSession()
    session.remembers = True
    one, other = trader_at(session), trader_at(session)
    answers = [await one.place((ORDER,)), await other.place((ORDER,))]
    assert session.sent[0] == session.sent[1]
    assert [answer["nonce"] for answer in answers] == session.executed == [1, 2]
    assert not any(answer.get("repeated") for answer in answers)


async def test_a_repeated_result_after_a_lost_answer_is_the_actions_own() -> None:
    session = FakeSession(LOST)
    session.remembers = True
    result = await trader_at(session).cancel_all(retry=AT_ONCE)
    assert result == {"nonce": 1, "repeated": True}
    assert session.executed == [1]


async def test_an_action_that_is_sent_again_by_hand_is_never_signed_anew() -> None:
    session = FakeSession(LOST)
    session.remembers = True
    trader = trader_at(session)
    action = trader.wallet.place((ORDER,), expires=trader.expires())
    with pytest.raises(OutcomeUnknown):
        await trader.send(action)
    assert await trader.send(action) == {"nonce": 1, "repeated": True}
    session.remembered.clear()
    with pytest.raises(NonceUsed):
        await trader.send(action)
    assert session.executed == [1]


@pytest.mark.parametrize(
    "failure",
    [
        IntegrityError(),
        NEVER_SENT,
        Overloaded(),
        NonceUsed(highest=1),
        ActionExpired(),
        AgentExpired(),
        WrongSigner(),
    ],
)
async def test_what_was_lost_stays_unknown_until_its_result_comes(failure: PlimsollError) -> None:
    session = FakeSession(LOST, failure)
    session.remembers = True
    trader = trader_at(session)
    with pytest.raises(OutcomeUnknown) as unknown:
        await trader.place((ORDER,))
    with pytest.raises(OutcomeUnknown) as still:
        await trader.send(unknown.value.action, lost=True)
    result = await trader.send(still.value.action, lost=True)
    assert result == {"nonce": 1, "repeated": True}
    assert session.executed == [1]


async def test_why_a_lost_action_is_refused_is_told() -> None:
    session = FakeSession(LOST, InsufficientMargin())
    trader = trader_at(session)
    with pytest.raises(OutcomeUnknown) as unknown:
        await trader.place((ORDER,))
    with pytest.raises(InsufficientMargin):
        await trader.send(unknown.value.action, lost=True)


async def test_a_refusal_that_passes_is_met_with_the_very_same_bytes() -> None:
    session = FakeSession(Overloaded(), Shed(retry_after_ms=1), Overloaded())
    trader = trader_at(session)
    assert await trader.cancel_all(retry=AT_ONCE) == {"nonce": 1}
    assert len(session.sent) == 4
    assert all(action == session.sent[0] for action in session.sent)
    assert (trader.retried, trader.renewed) == (3, 0)


async def test_attempts_come_to_an_end() -> None:
    session = FakeSession(*[Overloaded()] * 9)
    with pytest.raises(Overloaded):
        await trader_at(session).cancel_all(retry=AT_ONCE)
    assert len(session.sent) == AT_ONCE.attempts


async def test_no_attempt_begins_past_the_time_that_the_policy_gives() -> None:
    session = FakeSession(Shed(retry_after_ms=60_000))
    with pytest.raises(Shed):
        await trader_at(session).cancel_all()
    assert len(session.sent) == 1


@pytest.mark.parametrize("error", [DeadlineExceeded(waited_ms=1), InsufficientMargin()])
async def test_an_answer_about_the_action_itself_is_final(error: PlimsollError) -> None:
    session = FakeSession(error)
    with pytest.raises(type(error)):
        await trader_at(session).cancel_all(retry=AT_ONCE)
    assert len(session.sent) == 1


async def test_a_refusal_after_a_lost_answer_says_that_nothing_is_known() -> None:
    session = FakeSession(IntegrityError(), *[Overloaded()] * 9)
    with pytest.raises(OutcomeUnknown):
        await trader_at(session).cancel_all(retry=AT_ONCE)


async def test_a_nonce_of_somebody_else_is_replaced_and_the_action_signed_again() -> None:
    session = FakeSession()
    session.executed = [1, 2, 3]
    trader = trader_at(session)
    assert await trader.cancel_all(retry=NEVER) == {"nonce": 4}
    last = session.sent[-1]
    assert isinstance(last, CancelAll)
    assert recover(SIGNING.digest(last), last.signature) == ALICE.address
    assert trader.renewed == 1


async def test_what_is_signed_is_told_before_it_is_sent_and_so_is_what_replaces_it() -> None:
    session = FakeSession()
    session.executed = [1]
    signed: list[SignedAction] = []

    def note(action: SignedAction) -> None:
        assert action not in session.sent
        signed.append(action)

    await trader_at(session).place((ORDER,), signed=note)
    assert [action.nonce for action in signed] == [1, 2]
    assert signed == session.sent


async def test_a_key_that_others_use_without_end_is_given_up() -> None:
    session = FakeSession(*[NonceUsed(highest=number) for number in range(1, 99)])
    with pytest.raises(NonceUsed):
        await trader_at(session).cancel_all()
    assert len(session.sent) == RENEWALS_MAX + 1


async def test_five_hundred_at_once_are_executed_once_each_and_keep_within_the_window() -> None:
    session = FakeSession()
    session.held = asyncio.Event()
    trader = trader_at(session)
    async with asyncio.TaskGroup() as group:
        for _ in range(500):
            group.create_task(trader.cancel_all())
        while len(session.executed) < RULES.limits.nonce_window - 1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        # The first one has no answer yet: its nonce must not fall out of the window.
        assert max(session.executed) == RULES.limits.nonce_window
        session.held.set()
    assert Counter(session.executed) == Counter(range(1, 501))
    assert trader.renewed == 0
    assert (trader._open, trader._closed) == ([], [])


async def test_one_that_gives_up_waiting_holds_nobody_back() -> None:
    session = FakeSession()
    session.held = asyncio.Event()
    trader = trader_at(session)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(trader.cancel_all()) for _ in range(300)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        tasks[290].cancel()
    assert len(session.executed) == 298
    assert trader._open == []


async def test_an_action_that_is_sent_by_hand_again_holds_nobody_back() -> None:
    session = FakeSession(LOST)
    session.remembers = True
    session.held = asyncio.Event()
    trader = trader_at(session)
    first = asyncio.create_task(trader.cancel_all())
    await asyncio.sleep(0)
    action = trader.wallet.cancel_all(expires=trader.expires())
    with pytest.raises(OutcomeUnknown):
        await trader.send(action, retry=NEVER)
    assert (await trader.send(action))["repeated"]
    session.held.set()
    await first
    assert (trader._open, trader._closed) == ([], [])


async def test_a_cancel_overtakes_the_resend_of_what_is_behind_the_window_already() -> None:
    session = FakeSession(LOST)
    session.remembers = True
    trader = trader_at(session)
    with pytest.raises(OutcomeUnknown) as unknown:
        await trader.place((ORDER,))
    for _ in range(RULES.limits.nonce_window):
        await trader.cancel_all()
    session.held = asyncio.Event()
    resend = asyncio.create_task(trader.send(unknown.value.action, lost=True))
    await asyncio.sleep(0)
    cancel = asyncio.create_task(trader.cancel_all())
    for _ in range(10):
        await asyncio.sleep(0)
    assert (resend.done(), cancel.done()) == (False, True)
    session.held.set()
    assert (await resend)["repeated"]
    assert (trader._open, trader._closed) == ([], [])


async def test_what_is_sent_again_by_hand_does_not_move_the_window_back() -> None:
    session = FakeSession()
    session.remembers = True
    trader = trader_at(session)
    for _ in range(3):
        await trader.cancel_all()
    await trader.send(session.sent[0])
    assert trader._highest == 3


async def test_the_deadline_goes_with_every_attempt() -> None:
    session = FakeSession(Overloaded())
    trader = trader_at(session)
    action = trader.wallet.cancel_all(expires=trader.expires())
    await trader.send(action, deadline_ms=50)
    assert session.deadlines == [50, 50]
