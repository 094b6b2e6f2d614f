"""What a wallet signs, and what it is ready to pay where its owner does not say."""

import msgspec
import pytest

from node.client.wallet import Wallet
from node.codec.signatures import recover
from node.types.commands import AmendOrder, CancelOrder, NewOrder, SetSwitch, Trigger
from node.types.ids import OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import BOB
from tests.unit.codec.example_actions import BTC, BUY, NOON, OWNER, OWNER_KEY, SELL, SIGNING

LIMIT = Money(77)
AMEND = AmendOrder(BTC, Ticks(1), Lots(1), OrderId(7))
CANCEL = CancelOrder(OrderId(8))
STOP = msgspec.structs.replace(SELL, trigger=Trigger.STOP, trigger_price=Ticks(9))


def wallet() -> Wallet:
    return Wallet(OWNER_KEY, SIGNING, first_nonce=5, limit=lambda: LIMIT)


@pytest.mark.parametrize(
    ("orders", "cancels", "amends", "limit"),
    [
        ((BUY,), (), (), LIMIT),
        ((SELL,), (CANCEL,), (), 0),
        # Free only with a position to reduce when it is placed, which may come after it.
        ((STOP,), (), (), LIMIT),
        ((), (CANCEL,), (), 0),
        ((), (), (AMEND,), LIMIT),
        ((SELL,), (CANCEL,), (AMEND,), LIMIT),
    ],
)
def test_a_limit_is_signed_for_what_may_be_charged(
    orders: tuple[NewOrder, ...],
    cancels: tuple[CancelOrder, ...],
    amends: tuple[AmendOrder, ...],
    limit: int,
) -> None:
    action = wallet().place(orders, cancels, amends=amends, expires=NOON)
    assert (action.orders, action.cancels, action.amends) == (orders, cancels, amends)
    assert action.max_fee == limit
    assert action.nonce == 5
    assert recover(SIGNING.digest(action), action.signature) == OWNER


@pytest.mark.parametrize("limit", [0, 3])
def test_a_limit_that_is_named_is_signed(limit: int) -> None:
    action = wallet().place((), (), amends=(AMEND,), expires=NOON, max_fee=Money(limit))
    assert action.max_fee == limit


def test_a_switch_is_signed_as_it_shall_stand() -> None:
    signer = wallet()
    armed = signer.set_switch(Millis(NOON + 9), on_disconnect=True, expires=NOON)
    off = signer.set_switch(expires=NOON)
    for action in (armed, off):
        assert isinstance(action, SetSwitch)
        assert recover(SIGNING.digest(action), action.signature) == OWNER
    assert (armed.cancel_at, armed.on_disconnect) == (NOON + 9, True)
    assert (off.cancel_at, off.on_disconnect) == (0, False)
    assert off.nonce == armed.nonce + 1


def test_an_agent_signs_in_its_own_name_and_logs_in_for_its_owner() -> None:
    agent = Wallet(BOB.key, SIGNING, OWNER)
    action = agent.cancel_all(expires=NOON)
    assert (action.account, action.signer) == (OWNER, BOB.address)
    assert recover(SIGNING.digest(action), action.signature) == BOB.address
    challenge = bytes(range(32))
    login = SIGNING.login_digest(OWNER, challenge)
    assert recover(login, agent.login(challenge)) == BOB.address
