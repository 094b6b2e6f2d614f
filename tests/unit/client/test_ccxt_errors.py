"""Every error of the exchange has a class that a program written for CCXT knows what to do with."""

import pytest

from node.client import ccxt_errors
from node.client.ccxt_errors import BaseError, ExchangeError, NetworkError, kind_of, translated
from node.client.errors import ConnectionLost
from node.client.trader import OutcomeUnknown
from node.types import errors
from node.types.errors import PlimsollError, Unavailable
from tests.architecture.errors_page import errors_of

ALL = [*errors_of(errors), ConnectionLost, OutcomeUnknown]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (errors.InsufficientCollateral, "InsufficientFunds"),
        (errors.InsufficientMargin, "InsufficientFunds"),
        (errors.UnknownOrder, "OrderNotFound"),
        (errors.PostOnlyWouldCross, "OrderImmediatelyFillable"),
        (errors.NothingToTake, "OrderNotFillable"),
        (errors.NotionalTooSmall, "InvalidOrder"),
        (errors.TriggerInvalid, "InvalidOrder"),
        (errors.OutOfPhase, "OperationRejected"),
        (errors.AuctionFull, "OperationRejected"),
        (errors.WrongSigner, "AuthenticationError"),
        (errors.UnknownAccount, "AccountNotEnabled"),
        (errors.UnknownMarket, "BadSymbol"),
        (errors.MalformedMessage, "BadRequest"),
        (errors.Shed, "RateLimitExceeded"),
        (errors.GateClosed, "ExchangeNotAvailable"),
        (errors.ShuttingDown, "OnMaintenance"),
        (errors.DeadlineExceeded, "RequestTimeout"),
        (errors.NonceUsed, "InvalidNonce"),
        (errors.JournalCorrupt, "ExchangeNotAvailable"),
        (errors.WrongChain, "ExchangeError"),
        (ConnectionLost, "NetworkError"),
        (OutcomeUnknown, "RequestTimeout"),
    ],
)
def test_an_error_has_the_name_that_is_expected(kind: type[PlimsollError], name: str) -> None:
    assert kind_of(kind.code) is getattr(ccxt_errors, name)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_what_may_pass_is_a_network_error_and_nothing_else_is(kind: type[PlimsollError]) -> None:
    passing = issubclass(kind_of(kind.code), NetworkError)
    nonce = kind_of(kind.code) is ccxt_errors.InvalidNonce
    absent = kind is errors.NotFound
    integrity = kind.code // 1_000 == 3
    assert passing == (nonce or integrity or (issubclass(kind, Unavailable) and not absent))


def test_values_code_and_cause_stay() -> None:
    shed = errors.Shed(queue="taking", retry_after_ms=40)
    with pytest.raises(BaseError) as raised, translated():
        raise shed
    assert raised.value.code == 2008
    assert raised.value.values == {"queue": "taking", "retry_after_ms": 40}
    assert raised.value.retry_after_ms == 40
    assert raised.value.__cause__ is shed
    assert "2008 Shed(queue=taking" in str(raised.value)


CROSSES = {"code": 1206, "name": "PostOnlyWouldCross", "values": {"price": 5, "best": 4}}
POOR = {"code": 1301, "name": "InsufficientCollateral", "values": {"required": 2, "free": 1}}


@pytest.mark.parametrize(
    ("told", "name"),
    [([CROSSES, CROSSES], "OrderImmediatelyFillable"), ([CROSSES, POOR], "InvalidOrder")],
)
def test_what_refuses_every_item_has_the_class_on_which_they_agree(
    told: list[dict[str, object]], name: str
) -> None:
    with pytest.raises(BaseError) as raised, translated():
        raise errors.EveryItemRejected(errors=told)
    assert type(raised.value) is getattr(ccxt_errors, name)
    assert (raised.value.code, raised.value.values) == (1214, {"errors": told})


def test_a_code_that_is_not_known_yet_is_a_plain_refusal() -> None:
    assert kind_of(9_999) is ExchangeError
