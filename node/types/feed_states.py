"""What feeds may call the state of an order and of a fill: closed lists under one version.

A client may end a ``match`` over them with an assertion. A new word, or an old one with a new
meaning, makes a new ``FEED_STATES_VERSION``, which the hello greeting carries with the lists.

    order:  accepted ─┬─▶ resting ─┬─▶ partly_filled ─┬─▶ filled
               ▲      ├────────────┼──────▶───────────┴─▶ cancelled (reason)
               │      └─▶ partly_filled, filled or cancelled at once
            waiting     (an amended order may be accepted anew, and then goes on from there)

    fill:   accepted ─▶ sealed ─▶ posted ─▶ safe ─▶ final      (a reorg takes posted and safe back)
"""

from typing import Final, Literal

from node.types.events import CancelReason

FEED_STATES_VERSION: Final = 2

WAITING: Final = "waiting"
ACCEPTED: Final = "accepted"
RESTING: Final = "resting"
PARTLY_FILLED: Final = "partly_filled"
FILLED: Final = "filled"
CANCELLED: Final = "cancelled"

ORDER_STATES: Final = (WAITING, ACCEPTED, RESTING, PARTLY_FILLED, FILLED, CANCELLED)

NEXT_ORDER_STATES: Final[dict[str, frozenset[str]]] = {
    WAITING: frozenset((WAITING, ACCEPTED, CANCELLED)),
    ACCEPTED: frozenset((ACCEPTED, RESTING, PARTLY_FILLED, FILLED, CANCELLED)),
    RESTING: frozenset((ACCEPTED, RESTING, PARTLY_FILLED, FILLED, CANCELLED)),
    PARTLY_FILLED: frozenset((ACCEPTED, PARTLY_FILLED, FILLED, CANCELLED)),
    FILLED: frozenset(),
    CANCELLED: frozenset(),
}
"""What may be told of an order after each state; nothing after the last two."""

CANCEL_REASONS: Final = {reason: reason.name.lower() for reason in CancelReason}
"""How a ``CancelReason`` is called in answers and feeds."""

FillStage = Literal["accepted", "sealed", "posted", "safe", "final"]

FILL_STAGES: Final[tuple[FillStage, ...]] = ("accepted", "sealed", "posted", "safe", "final")
"""How sure a fill is: in the log; in a batch on disk; on L1; deep in L1; for ever."""
