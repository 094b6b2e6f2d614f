"""A nonce and what was sent under it, as far as L1's pool has said what it thinks of that."""

from typing import Final

from node.codec.l1_transactions import Fees
from node.ports.chain import Sending
from node.types.units import Millis

_MUST_BE_OUTBID: Final = (Sending.TAKEN, Sending.KNOWN, Sending.UNDERPRICED)
"""After these answers only a dearer transaction gets any further."""
_REFUSALS: Final = (Sending.UNFUNDED, Sending.REFUSED)
"""After these answers the pool does not hold what it was offered."""


class Slot:
    """A nonce. ``fees`` is None where another process sent what waits there.

    ``fees`` are those of what was sent last, ``waiting`` those of what the pool last let stand for
    the price alone; ``answer`` is None while the last sending has none.
    """

    __slots__ = (
        "answer",
        "attempts",
        "fees",
        "gas",
        "hashes",
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
        self.hashes: list[bytes] = []
        self.priced_at = now
        self.sent_at = now

    def sent(self, transaction: bytes) -> None:
        """Note a transaction that goes out now, and whose answer is still to come."""
        self.answer = None
        if transaction not in self.hashes:
            self.hashes.append(transaction)

    def answered(self, sending: Sending) -> None:
        """Note what the pool said to what was sent last."""
        self.answer = sending
        if sending in _MUST_BE_OUTBID:
            self.waiting = self.fees

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
        return self.fees if seen and not self.unfunded else self.waiting
