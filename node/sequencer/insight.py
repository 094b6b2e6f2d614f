"""What the node tells its sequencer, which orders commands without knowing what they mean."""

from collections.abc import Callable

import msgspec

from node.types.commands import Action


def everyone_may_act(_action: Action) -> bool:
    """Return True: for a log whose accounts nobody knows before they are in it."""
    return True


def nothing_reserved() -> int:
    """Return 0: for a log that liquidates nothing."""
    return 0


class Insight(msgspec.Struct, frozen=True):
    """What the sequencer cannot know, since it orders commands without knowing what they mean.

    ``may_act`` tells whether an action's signer may act for its account. Those who may not wait in
    the last lane and share one place in it, so that keys that cost nothing gain nothing.
    ``reserve_work`` is the work of the liquidations that may come up while a block is built.
    ``busy_ns`` tells how long the loop's thread has worked; without it the clock is taken for it.
    """

    may_act: Callable[[Action], bool] = everyone_may_act
    reserve_work: Callable[[], int] = nothing_reserved
    busy_ns: Callable[[], int] | None = None


NO_INSIGHT = Insight()
