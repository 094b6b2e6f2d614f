"""A nonce and what was sent under it, as far as L1's pool has said what it thinks of that."""

from collections import deque
from typing import Final

from node.codec.l1_transactions import Fees
from node.ports.chain import Sending
from node.types.units import Millis

ACCEPTED: Final = (Sending.TAKEN, Sending.KNOWN)
"""After these answers the pool holds what it was offered."""
_REFUSALS: Final = (Sending.UNFUNDED, Sending.REFUSED)
"""After these answers the pool does not hold what it was offered."""

HELD_KEPT: Final = 32
"""Transactions that a pool may hold and that are remembered, the newest: each is to replace the one
before. While answers get lost there is one for each fee of the day."""

REFUSED_KEPT: Final = 32
"""Refused transactions that are remembered all the same, the newest: some endpoint may have taken
one in spite of its words. While an account is empty there is one for each fee of the day."""


class Slot:
    """A nonce. ``fees`` is None where another process sent what waits there.

    ``fees`` are those of what was sent last, ``waiting`` those of what the pool last let stand for
    the price alone, or more where a dearer one is known to; ``answer`` is None while the last
    sending has none. ``blocks`` counts those that showed the nonce spent and not what spent it.
    """

    __slots__ = (
        "_held",
        "_refused",
        "_was_held",
        "_was_refused",
        "answer",
        "attempts",
        "blocks",
        "fees",
        "gas",
        "index",
        "priced_at",
        "sent_at",
        "waiting",
    )

    def __init__(self, index: int, now: Millis) -> None:
        """Hold the nonce for batch ``index``, of which nothing was sent yet."""
        self.index = index
        self.fees: Fees | None = None
        self.waiting: Fees | None = None
        self.answer: Sending | None = None
        self.gas = 0
        self.attempts = 0
        self.blocks = 0
        self._held: list[bytes] = []
        self._refused: deque[bytes] = deque(maxlen=REFUSED_KEPT)
        self._was_held = False
        self._was_refused = False
        self.priced_at = now
        self.sent_at = now

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Return the transactions that may have spent the nonce on the slot's batch."""
        return (*self._held, *self._refused)

    def move(self, index: int) -> None:
        """Hold the nonce for batch ``index`` from now on; what was sent was another's."""
        self.index = index
        self._held.clear()
        self._refused.clear()

    def sent(self, transaction: bytes) -> None:
        """Note a transaction that goes out now, and whose answer is still to come."""
        self._was_refused = self.refused
        self.answer = None
        self._was_held = transaction in self._held
        if not self._was_held:
            # Cut before this one joins them: refused, it leaves again, and must displace none.
            del self._held[:-HELD_KEPT]
            self._held.append(transaction)
            if transaction in self._refused:
                self._refused.remove(transaction)

    def answered(self, sending: Sending) -> None:
        """Note what the pool said to what was sent last."""
        self.answer = sending
        if sending in ACCEPTED:
            self.waiting = self.fees
            if self._was_refused:
                # What was refused until now had no chance to be mined, and is not late.
                self.priced_at = self.sent_at
        elif sending is Sending.UNDERPRICED:
            self.waiting = _dearer(self.waiting, self.fees)
        elif self.refused and not self._was_held:
            # One that was taken before, or whose answer got lost, may still wait in some pool.
            self._refused.append(self._held.pop())

    @property
    def unfunded(self) -> bool:
        """Return whether the account could not pay for what was sent last."""
        return self.answer is Sending.UNFUNDED

    @property
    def refused(self) -> bool:
        """Return whether the pool turned down what was sent last, whatever it would pay."""
        return self.answer in _REFUSALS

    def to_outbid(self, *, seen: bool) -> Fees | None:
        """Return the fees that a next transaction must exceed, None where it need not.

        ``seen``: the pool shows a transaction with this nonce. One that no pool took is no rival:
        to outbid it would be to bid against oneself, and to pay for that in the end.
        """
        if not seen or self.unfunded:
            return self.waiting
        if self.answer is None:
            return self.fees
        # An endpoint that turns everything down must not drive the price: what waits is as dear
        # as before. Where nothing is known of that, the pool may have meant the price all the same.
        return self.waiting or self.fees


def _dearer(known: Fees | None, refused: Fees | None) -> Fees | None:
    """Return what exceeds both: a pool that refuses the lower one still holds the higher."""
    if known is None or refused is None:
        return known or refused
    return Fees(max(known.max_fee, refused.max_fee), max(known.tip, refused.tip))
