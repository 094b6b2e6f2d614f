"""Errors with the names, and in the tree, that traders' programs know from CCXT.

    BaseError
    ├── ExchangeError          the request: sent again as it is, it fails again
    └── OperationFailed        not now: the same request may succeed later
        └── NetworkError

Every one carries the exchange's own ``code`` and ``values``, and has our error as its cause. They
are classes of our own: nothing of CCXT is needed to raise or to catch them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from node.client.errors import ClockApart, ConnectionLost, refusals
from node.client.trader import OutcomeUnknown
from node.types import errors
from node.types.errors import PlimsollError


class BaseError(Exception):
    """Base of all errors of the adapter: a text, the exchange's code, and named values."""

    def __init__(self, text: str, code: int = 0, values: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.values = {} if values is None else values

    @property
    def retry_after_ms(self) -> int | None:
        """Return after how long the exchange asks to be asked again, where it says so."""
        return self.values.get("retry_after_ms")


class ExchangeError(BaseError):
    """The exchange refused the request for what it says."""


class AuthenticationError(ExchangeError):
    """The signature is not that of somebody who may act for the account."""


class PermissionDenied(AuthenticationError):
    """The signer may not do this."""


class AccountNotEnabled(PermissionDenied):
    """The account never received a deposit."""


class ArgumentsRequired(ExchangeError):
    """An argument is missing."""


class BadRequest(ExchangeError):
    """The request cannot be read, or holds a value out of its range."""


class BadSymbol(BadRequest):
    """There is no such market."""


class OperationRejected(ExchangeError):
    """The state of the market does not allow it."""


class InsufficientFunds(ExchangeError):
    """Collateral or margin does not suffice."""


class InvalidOrder(ExchangeError):
    """The order breaks a rule of its market."""


class OrderNotFound(InvalidOrder):
    """The account has no such open order."""


class OrderImmediatelyFillable(InvalidOrder):
    """A post-only order would take."""


class OrderNotFillable(InvalidOrder):
    """An immediate order found nothing, or not enough, to take."""


class DuplicateOrderId(InvalidOrder):
    """An open order has this client order id already."""


class NotSupported(ExchangeError):
    """The exchange has no such thing; ``has`` tells what it has."""


class ExchangeClosedByUser(ExchangeError):
    """The program itself has closed the connection over which this was waited for."""


class OperationFailed(BaseError):
    """Not now."""


class NetworkError(OperationFailed):
    """No answer, or none that could be read."""


class RateLimitExceeded(NetworkError):
    """The node takes no more of this at the moment; ``retry_after_ms`` may say how long."""


class ExchangeNotAvailable(NetworkError):
    """The node, or the L1 beneath it, cannot do its work at the moment."""


class OnMaintenance(ExchangeNotAvailable):
    """The node is stopping."""


class InvalidNonce(NetworkError):
    """The nonce was used, or the action's time has passed."""


class RequestTimeout(NetworkError):
    """It did not happen in time; with the code 2110 it may have happened all the same."""


_BY_CODE: Final[dict[int, type[BaseError]]] = {
    errors.BadSignature.code: AuthenticationError,
    errors.WrongSigner.code: AuthenticationError,
    errors.LoginRequired.code: AuthenticationError,
    errors.OwnerRequired.code: PermissionDenied,
    errors.AgentExpired.code: PermissionDenied,
    errors.ForeignOrigin.code: PermissionDenied,
    errors.UnknownAccount.code: AccountNotEnabled,
    errors.NonceUsed.code: InvalidNonce,
    errors.NonceTooFar.code: InvalidNonce,
    errors.ActionExpired.code: InvalidNonce,
    errors.ExpiryTooFar.code: InvalidNonce,
    ClockApart.code: InvalidNonce,
    errors.UnknownMarket.code: BadSymbol,
    errors.MarkStale.code: OperationRejected,
    errors.RiskDataTooOld.code: OperationRejected,
    errors.PostOnlyWouldCross.code: OrderImmediatelyFillable,
    errors.FillOrKillUnfilled.code: OrderNotFillable,
    errors.NothingToTake.code: OrderNotFillable,
    errors.DuplicateClientId.code: DuplicateOrderId,
    errors.UnknownOrder.code: OrderNotFound,
    errors.NothingToCancel.code: OrderNotFound,
    errors.OutOfPhase.code: OperationRejected,
    errors.AuctionFull.code: OperationRejected,
    errors.InsufficientCollateral.code: InsufficientFunds,
    errors.InsufficientMargin.code: InsufficientFunds,
    errors.AmountInvalid.code: BadRequest,
    errors.Overloaded.code: RateLimitExceeded,
    errors.RateLimited.code: RateLimitExceeded,
    errors.Shed.code: RateLimitExceeded,
    errors.ShuttingDown.code: OnMaintenance,
    errors.NotFound.code: BadRequest,
    errors.DeadlineExceeded.code: RequestTimeout,
    ConnectionLost.code: NetworkError,
    OutcomeUnknown.code: RequestTimeout,
}

_BY_HUNDRED: Final[dict[int, type[BaseError]]] = {
    10: BadRequest,
    11: AuthenticationError,
    12: InvalidOrder,
    13: InvalidOrder,
}

_BY_FAMILY: Final[dict[int, type[BaseError]]] = {
    2: ExchangeNotAvailable,
    3: ExchangeNotAvailable,
}


def kind_of(code: int) -> type[BaseError]:
    """Return the class of an error of ours; one that is not known yet is an ``ExchangeError``."""
    return (
        _BY_CODE.get(code)
        or _BY_HUNDRED.get(code // 100)
        or _BY_FAMILY.get(code // 1_000)
        or ExchangeError
    )


def error_of(error: PlimsollError) -> BaseError:
    """Return the error that tells of one of ours; of several, their class if they share one."""
    kinds = {kind_of(one.code) for one in refusals(error)}
    kind = kinds.pop() if len(kinds) == 1 else kind_of(error.code)
    return kind(f"plimsoll {error.code} {error}", error.code, error.values)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what is raised inside under the name that CCXT has for it."""
    try:
        yield
    except PlimsollError as error:
        raise error_of(error) from error
