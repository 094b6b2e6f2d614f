"""What is sent again, how long that waits, and what never is."""

import pytest

from node.client.retry import (
    NEVER,
    PATIENT,
    RetryPolicy,
    passes,
    reconnect_pause_s,
    usual_policy,
)
from node.types.commands import (
    AdjustMargin,
    AmendOrder,
    CancelAll,
    CancelOrder,
    NewOrder,
    OrderType,
    PlaceOrders,
    SetSwitch,
    Side,
    SignedAction,
)
from node.types.errors import (
    DeadlineExceeded,
    GateClosed,
    InsufficientMargin,
    NotFound,
    Overloaded,
    PlimsollError,
    RateLimited,
    Shed,
    ShuttingDown,
)
from node.types.ids import EVERY_MARKET, MarketId, OrderId
from node.types.units import Lots, Millis, Money, Ticks
from tests.examples import ALICE

HEAD = (ALICE.address, ALICE.address, 1, Millis(1), b"")
BTC = MarketId(1)
OPENING = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(1), Lots(1))
CLOSING = NewOrder(BTC, Side.BUY, OrderType.GTC, Ticks(1), Lots(1), reduce_only=True)
CANCEL = CancelOrder(OrderId(7))
AMEND = AmendOrder(BTC, Ticks(1), Lots(1), OrderId(7))


@pytest.mark.parametrize(
    ("action", "policy"),
    [
        (CancelAll(*HEAD, EVERY_MARKET), PATIENT),
        (PlaceOrders(*HEAD, (CANCEL,), ()), PATIENT),
        (PlaceOrders(*HEAD, (CANCEL,), (CLOSING,)), PATIENT),
        (PlaceOrders(*HEAD, (CANCEL,), (CLOSING, OPENING)), NEVER),
        (PlaceOrders(*HEAD, (CANCEL,), (CLOSING,), amends=(AMEND,)), NEVER),
        (SetSwitch(*HEAD, Millis(0)), PATIENT),
        (AdjustMargin(*HEAD, BTC, Money(1)), NEVER),
    ],
)
def test_what_only_cancels_reduces_or_guards_is_sent_again(
    action: SignedAction, policy: RetryPolicy
) -> None:
    assert usual_policy(action) is policy


@pytest.mark.parametrize("kind", [GateClosed, Overloaded, RateLimited, Shed, ShuttingDown])
def test_what_is_about_the_node_passes(kind: type[PlimsollError]) -> None:
    assert passes(kind())


@pytest.mark.parametrize("kind", [DeadlineExceeded, InsufficientMargin, NotFound])
def test_what_is_about_the_request_does_not(kind: type[PlimsollError]) -> None:
    assert not passes(kind())


def test_the_node_says_how_long_to_wait_and_chance_adds_to_it() -> None:
    shed = Shed(queue="taking", retry_after_ms=400)
    assert PATIENT.pause(shed, 1, 0.0) == pytest.approx(0.4)
    assert PATIENT.pause(shed, 1, 1.0) == pytest.approx(0.6)


def test_who_is_refused_again_stays_away_longer_than_the_node_says() -> None:
    shed = Shed(queue="taking", retry_after_ms=400)
    pauses = [PATIENT.pause(shed, made, 0.0) for made in (3, 4, 5, 6)]
    assert pauses == pytest.approx([0.4, 0.4, 0.8, 1.6])


def test_without_a_word_of_the_node_pauses_double_up_to_their_limit() -> None:
    policy = RetryPolicy(pause_s=0.1, pause_max_s=0.5)
    pauses = [policy.pause(Overloaded(), made, 0.0) for made in (1, 2, 3, 4, 5_000)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


def test_pauses_between_connections_double_up_to_their_limit_and_spread_by_chance() -> None:
    pauses = [reconnect_pause_s(lost, 0.0) for lost in (1, 2, 3, 6, 7, 5_000)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 3.2, 5.0, 5.0])
    assert reconnect_pause_s(2, 1.0) == pytest.approx(0.4)
