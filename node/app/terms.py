"""What the next block opens with: its price of work, and how far finality lags behind it."""

from collections.abc import Callable

from node.ports.terms import Terms
from node.transition.open_block import next_fees
from node.transition.state import State
from node.types.units import LAG_MAX, Millis, Money


class BlockTerms:
    """Asked by the sequencer at each block. What the rules allow bounds what is wished for."""

    def __init__(
        self,
        state: State,
        wished: Callable[[], Money],
        lag: Callable[[Millis], Millis],
    ) -> None:
        """``wished`` is the price that the load asks for, ``lag`` the age at a block's time."""
        self._state = state
        self._wished = wished
        self._lag = lag

    def __call__(self, time: Millis) -> Terms:
        """Return the terms of a block at ``time``."""
        low, high = next_fees(self._state, time)
        fee = Money(min(max(self._wished(), low), high))
        return Terms(fee, Millis(min(self._lag(time), LAG_MAX)))
