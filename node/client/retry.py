"""Whether a refused action is sent again, how often, after which pause; so for connections.

Only the very same signed action is ever sent again: its nonce lets it happen once, so a retry can
come too late but never twice.
"""

import msgspec

from node.types.commands import CancelAll, PlaceOrders, SetSwitch, SignedAction
from node.types.errors import (
    GateClosed,
    Overloaded,
    PlimsollError,
    RateLimited,
    Shed,
    ShuttingDown,
)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""The pause after the first lost connection, and the longest, chance apart."""

_DOUBLINGS_MAX = 32
_PASSES = (GateClosed, Overloaded, RateLimited, Shed, ShuttingDown)
"""What the node says of itself and not of the action: the same one may be taken on later.

``DeadlineExceeded`` is not among them: whoever names a deadline has no use for the action after it.
"""


def retry_after_s(error: PlimsollError) -> float:
    """Return after how many seconds the node asks to come back; 0 if it does not say."""
    asked = error.values.get("retry_after_ms")
    return asked / 1_000 if isinstance(asked, int | float) and asked > 0 else 0.0


class RetryPolicy(msgspec.Struct, frozen=True, gc=False):
    """At most ``attempts`` in all, begun within ``within_s`` seconds of the first.

    Between two of them lies what the node asks for (``retry_after_ms``), and at least ``pause_s``,
    which doubles up to ``pause_max_s``: the node tells everybody the same moment, and who came too
    late for it once more stays away longer. Up to half of it is added by chance, so that clients
    that were refused together do not come back together.
    """

    attempts: int = 6
    within_s: float = 10.0
    pause_s: float = 0.05
    pause_max_s: float = 2.0

    def pause(self, error: PlimsollError, made: int, chance: float) -> float:
        """Return how many seconds to wait after attempt ``made`` (from 1) failed with ``error``.

        ``chance`` is drawn from 0 … 1 by the caller.
        """
        usual = min(self.pause_s * 2.0 ** min(made - 1, _DOUBLINGS_MAX), self.pause_max_s)
        return max(retry_after_s(error), usual) * (1 + chance / 2)


NEVER = RetryPolicy(attempts=1)
"""Every refusal goes to the caller."""

PATIENT = RetryPolicy()


def reconnect_pause_s(lost: int, chance: float) -> float:
    """Return how long to wait after the ``lost``-th connection in a row (from 1) that failed.

    Up to its whole length is added by ``chance`` (0 … 1): a server that restarts would otherwise
    meet all its clients at once, again and again.
    """
    doubled = FIRST_PAUSE_S * 2.0 ** min(lost - 1, _DOUBLINGS_MAX)
    return min(doubled, LONGEST_PAUSE_S) * (1 + chance)


def passes(error: PlimsollError) -> bool:
    """Return whether ``error`` is about the node's load or its restart, and may pass."""
    return isinstance(error, _PASSES)


def adds_risk(action: SignedAction) -> bool:
    """Return whether ``action`` holds an amend, or an order that is not reduce-only.

    Its price was right when it was signed; sent again seconds later it may be a gift to others.
    Whether an amend only reduces, its order tells and not the action.
    """
    return isinstance(action, PlaceOrders) and (
        bool(action.amends) or any(not new.reduce_only for new in action.orders)
    )


def usual_policy(action: SignedAction) -> RetryPolicy:
    """Return what is used where a caller says nothing.

    Cancels, orders that only reduce, and the dead man's switch are sent again: a trader wants them
    to arrive, late rather than not at all. Everything else is sent once.
    """
    if isinstance(action, CancelAll | SetSwitch):
        return PATIENT
    if isinstance(action, PlaceOrders) and not adds_risk(action):
        return PATIENT
    return NEVER
