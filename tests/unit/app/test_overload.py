"""Who may act for whom, as far as it decides where an action waits; and the limits' way in."""

import msgspec
import pytest

from node.app.config import SequencerConfig
from node.app.overload import is_entitled, limits_of, may_act
from node.transition.apply import apply
from node.transition.nonces import NonceWindow
from node.transition.state import State
from node.types.commands import CancelAll, Deposit
from node.types.ids import EVERY_MARKET, Address
from node.types.lanes import Lane
from node.types.units import Millis, Money
from tests.examples import ALICE, BOB, DOLLAR, DOMAIN, MALLORY, RULES


def cancel(account: Address, signer: Address) -> CancelAll:
    return CancelAll(account, signer, 1, Millis(1), b"", EVERY_MARKET)


@pytest.fixture
def state() -> State:
    state = State.genesis(RULES, DOMAIN)
    apply(state, Deposit(0, ALICE.address, Money(DOLLAR)))
    return state


def test_the_owner_may_act_and_nobody_else(state: State) -> None:
    assert may_act(state, cancel(ALICE.address, ALICE.address))
    assert not may_act(state, cancel(ALICE.address, MALLORY.address))
    assert not may_act(state, cancel(BOB.address, BOB.address))


def test_an_agent_may_act_until_its_time(state: State) -> None:
    account = state.accounts[ALICE.address]
    account.add_agent(BOB.address, Millis(5), NonceWindow())
    assert may_act(state, cancel(ALICE.address, BOB.address))
    state.time = Millis(5)
    assert not may_act(state, cancel(ALICE.address, BOB.address))


def test_an_account_pays_for_what_its_signer_has_never_used(state: State) -> None:
    limits = RULES.limits
    state.accounts[ALICE.address].nonces.use(limits.nonce_window + 5, limits)
    top = state.accounts[ALICE.address].nonces.top

    def entitled(nonce: int, signer: Address = ALICE.address) -> bool:
        action = msgspec.structs.replace(cancel(ALICE.address, signer), nonce=nonce)
        return is_entitled(state, action)

    assert entitled(top - 1)
    assert entitled(top + 1)
    # Anybody can read these on L1.
    assert not entitled(top)
    assert not entitled(top - limits.nonce_window)
    # Nobody can read this one: else a stream of nonces far apart would be charged to nobody.
    assert entitled(top + limits.nonce_jump + 1)
    assert not entitled(top + 1, MALLORY.address)


def test_every_lane_and_limit_comes_from_its_key() -> None:
    lanes = {f"{lane.name.lower()}_lane": 10 + lane for lane in Lane}
    config = msgspec.structs.replace(
        SequencerConfig(),
        **lanes,
        block_work=7,
        block_ms_max=1.5,
        delay_target_ms=11,
        delay_interval_ms=12,
        account_share=13,
        turn_work=14,
        closed_burst=15,
        closed_per_minute=16,
    )
    limits = limits_of(config)
    assert limits.lanes == {lane: 10 + lane for lane in Lane}
    assert (limits.block_work, limits.block_ms) == (7, 1.5)
    fairness = limits.fairness
    assert (fairness.delay.target_ms, fairness.delay.interval_ms) == (11, 12)
    assert (fairness.account_share, fairness.turn_work) == (13, 14)
    assert (fairness.closed_burst, fairness.closed_per_minute) == (15, 16)
