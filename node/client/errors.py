"""The server's errors, as the same types that the server raised, and what befalls a connection."""

from typing import Any

from node.types import errors
from node.types.errors import CommandRejected, PlimsollError, Unavailable

# What reading a message raises that does not have the form it should have.
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    CommandRejected,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class ConnectionLost(Unavailable):
    """The connection broke before the answer came, or there is none at the moment."""

    code = 2100


class SubscriptionEnded(Unavailable):
    """The server refused to renew a subscription (``channel``, ``market``, ``refusal`` its code).

    Or its handler raised (``fault``). Nothing more is told there; all other subscriptions go on.
    Or the session ended while somebody waited for a first message (neither value).
    ``__cause__`` is what the server said, the handler raised, or a ``ConnectionLost``.
    """

    code = 2105


class ClockApart(Unavailable):
    """The node's clock is ahead of this machine's by ``ahead_ms``, more than ``limit``.

    Nothing is signed: it would be good for that much longer. One of the two clocks is wrong.
    """

    code = 2106


class NotTakenIn(Unavailable):
    """A deposit is paid on L1 (``block``), and in ``waited_s`` the node came no nearer to it.

    Or L1 did not tell its number. Who deposits again pays again.
    """

    code = 2111


def _types_by_code() -> dict[int, type[PlimsollError]]:
    found: dict[int, type[PlimsollError]] = {}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, PlimsollError):
            found.setdefault(kind.code, kind)
    return found


_TYPES = _types_by_code()


def error_from_body(body: dict[str, Any]) -> PlimsollError:
    """Return the error in an answer's ``error`` object.

    A code that this client does not know yet becomes a plain ``PlimsollError`` with the code and
    the name among its values: a newer server must not crash an older client.
    """
    kind = _TYPES.get(body["code"])
    values = body.get("values", {})
    if kind is None:
        return PlimsollError(code=body["code"], name=body.get("name", ""), **values)
    return kind(**values)


def refusals(told: dict[str, Any] | PlimsollError) -> list[PlimsollError]:
    """Return what an answer refuses: each item of an action with its own error, or all with one."""
    if isinstance(told, errors.EveryItemRejected):
        return [error_from_body(body) for body in told.values.get("errors", ())]
    if isinstance(told, PlimsollError):
        return [told]
    return [error_from_body(item["error"]) for item in told.get("results", ()) if "error" in item]


def applied(result: dict[str, Any]) -> dict[str, Any]:
    """Return ``result``; raise what its only item was refused with, if it has only one.

    Such as an order that can only be filled whole, and was not: its work is paid for, so the action
    stands in the log and is answered like one that applied.
    """
    if len(result.get("results", ())) == 1:
        for refusal in refusals(result):
            raise refusal
    return result
