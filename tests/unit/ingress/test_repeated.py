"""An action that comes again, or twice at once: one is told that it is his."""

import pytest
from msgspec.structs import replace

from node.ports.admission import Admitted
from node.ports.api import SUCCESS
from node.types.errors import ActionExpired, NonceUsed, WrongSigner
from node.types.events import Rejected
from tests.examples import MALLORY
from tests.unit.ingress.test_service import ACTION, ADMITTED, Desk, executed


@pytest.mark.parametrize(
    "refused",
    [
        Rejected(NonceUsed.code, "NonceUsed", {"nonce": 1}),
        Rejected(ActionExpired.code, "ActionExpired", {"expires": 1, "now": 2}),
        ActionExpired(expires=1, now=2),
    ],
)
def test_the_same_action_again_gets_the_first_result_again(
    refused: Rejected | ActionExpired,
) -> None:
    desk = Desk()
    for _ in range(2):
        desk.take()
        desk.gate.answers[-1](ADMITTED)
    desk.intake.offers[0][2](executed(ACTION))
    desk.intake.offers[1][2](refused)
    assert desk.answers == [(SUCCESS, "done")] * 2
    assert desk.counts() == (2, 2, 0, {})
    # Whoever brought it again has not lied, and may not be who signed it.
    assert desk.session.is_trusted(0)


def test_who_signs_anothers_action_is_not_told_what_became_of_it() -> None:
    desk = Desk()
    desk.take()
    desk.gate.answers[-1](ADMITTED)
    desk.intake.offers[0][2](executed(ACTION))
    desk.take()
    stranger = replace(ACTION, signer=MALLORY.address)
    desk.gate.answers[-1](Admitted(stranger, ADMITTED.digest))
    desk.intake.offers[1][2](Rejected(WrongSigner.code, "WrongSigner", {}))
    assert desk.answers == [(SUCCESS, "done"), (WrongSigner.code, "WrongSigner")]


def test_of_two_who_send_the_same_action_at_once_only_one_is_told_that_it_is_his() -> None:
    desk = Desk()
    for _ in range(2):
        desk.take()
        desk.gate.answers[-1](ADMITTED)
    for _, _, deliver in desk.intake.offers:
        deliver(executed(ACTION))
    assert desk.answers == [(SUCCESS, "done")] * 2
    assert desk.repeated == [False, True]
