"""Orders whose answer was lost are known again until what was signed for them expires."""

from typing import Any

import pytest

from node.client.ccxt_orders import Wish, wish_of
from node.client.ccxt_unanswered import Unanswered
from node.client.errors import ConnectionLost
from node.client.trader import OutcomeUnknown
from node.types.commands import PlaceOrders
from node.types.errors import InsufficientMargin, PlimsollError
from node.types.units import Millis
from tests.examples import ALICE, START_MS

EXPIRES = Millis(START_MS + 60_000)
ACTION = PlaceOrders(ALICE.address, ALICE.address, 1, EXPIRES, b"", (), ())
NOW = Millis(START_MS)


def wishes(*client_ids: str | None, amount: float = 1.0) -> tuple[Wish, ...]:
    return tuple(
        wish_of("BTC", "limit", "buy", amount, 5, {"clientOrderId": name}) for name in client_ids
    )


async def answer(outcome: dict[str, Any] | PlimsollError) -> dict[str, Any]:
    if isinstance(outcome, PlimsollError):
        raise outcome
    return outcome


async def lost(*client_ids: str | None) -> Unanswered:
    unanswered = Unanswered()
    unanswered.note(wishes(*client_ids), ACTION)
    unknown = OutcomeUnknown.of(ACTION, ConnectionLost())
    with pytest.raises(OutcomeUnknown):
        await unanswered.result(wishes(*client_ids), answer(unknown))
    return unanswered


async def test_the_very_same_orders_are_what_was_signed_until_it_expires() -> None:
    unanswered = await lost("7", "8")
    assert unanswered.action(wishes("7", "8"), Millis(EXPIRES - 1)) is ACTION
    for other in (wishes("8", "7"), wishes("7"), wishes("7", "8", amount=2.0)):
        assert unanswered.action(other, NOW) is None
    assert unanswered.action(wishes("7", "8"), EXPIRES) is None
    assert unanswered.action(wishes("7", "8"), NOW) is None


async def test_one_without_a_client_order_id_is_another_order() -> None:
    assert (await lost("7", None)).action(wishes("7", None), NOW) is None


async def test_what_is_refused_is_done_with() -> None:
    unanswered = await lost("7")
    with pytest.raises(InsufficientMargin):
        await unanswered.result(wishes("7"), answer(InsufficientMargin()))
    assert unanswered.action(wishes("7"), NOW) is None


async def test_a_result_is_done_with_once_it_was_told() -> None:
    unanswered = await lost("7")
    await unanswered.result(wishes("7"), answer({"results": []}))
    assert unanswered.action(wishes("7"), NOW) is ACTION
    unanswered.told(wishes("7"))
    assert unanswered.action(wishes("7"), NOW) is None
