"""Which errors belong together: what a reader, a signer, a full node may be answered with."""

from collections.abc import Iterable, Iterator
from typing import Final

from node.types import errors as tree
from node.types.errors import PlimsollError

Errors = tuple[type[PlimsollError], ...]


def every_error(kind: type[PlimsollError] = PlimsollError) -> Iterator[type[PlimsollError]]:
    """Yield each error of ``node.types.errors``; those of the client no node answers with."""
    for below in kind.__subclasses__():
        if below.__module__ == tree.__name__:
            yield below
        yield from every_error(below)


def family(low: int, high: int) -> Errors:
    """Return the errors with codes from ``low`` up to ``high``, which is left out, by code."""
    return by_code(kind for kind in every_error() if low <= kind.code < high)


def by_code(kinds: Iterable[type[PlimsollError]]) -> Errors:
    """Return ``kinds`` in the order of their codes, each once."""
    return tuple(sorted(set(kinds), key=lambda kind: kind.code))


READING: Final[Errors] = (
    tree.MalformedMessage,
    tree.MalformedNumber,
    tree.MalformedAddress,
    tree.OversizedMessage,
    tree.ValueOutOfRange,
    tree.TooManyItems,
    tree.UnknownMarket,
)
"""A body that cannot be read."""

SIGNING: Final[Errors] = (tree.BadSignature, tree.WrongSigner, tree.UnknownAccount)
"""A signature that names nobody, or the wrong one."""

AUTHORITY: Final[Errors] = (
    tree.OwnerRequired,
    tree.AgentExpired,
    tree.NonceUsed,
    tree.NonceTooFar,
    tree.ActionExpired,
    tree.ExpiryTooFar,
)

LOAD: Final[Errors] = (
    tree.Unavailable,
    tree.Overloaded,
    tree.ShuttingDown,
    tree.RateLimited,
    tree.DeadlineExceeded,
)

ORDER: Final[Errors] = (*family(1200, 1300), *family(1300, 1400))
"""An order, a cancel, a margin or a sum of money that the exchange does not take."""

ACTION: Final[Errors] = by_code(
    (
        *READING,
        *SIGNING,
        *AUTHORITY,
        *ORDER,
        tree.TooManyAgents,
        tree.AgentRefused,
        *LOAD,
        tree.GateClosed,
        tree.Shed,
        tree.IntegrityError,
    )
)
"""What an action may be answered with."""

ROUND: Final[Errors] = by_code(
    (*READING, *SIGNING, tree.OracleRoundRefused, *LOAD, tree.IntegrityError)
)
"""What an oracle round may be answered with."""

EVERYWHERE: Final[Errors] = (
    tree.ForeignOrigin,
    tree.UnknownHost,
    tree.Unavailable,
    tree.Overloaded,
    tree.RateLimited,
)
"""What any REST request may be answered with."""
