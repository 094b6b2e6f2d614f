"""A window over the nonces that a signer has used: each is good once, in any order.

Lanes reorder actions, and clients send concurrently, so "must be larger than the last" would
refuse honest traffic. A window of the last N nonces below the highest accepts each of them once.
"""

from node.types.errors import NonceTooFar, NonceUsed
from node.types.rules import Limits


class NonceWindow:
    """``top`` is the highest nonce used; bit i of ``bits`` says that ``top - i`` was used."""

    __slots__ = ("bits", "top")

    def __init__(self, top: int = 0, bits: int = 1) -> None:
        self.top = top
        self.bits = bits

    def check(self, nonce: int, limits: Limits) -> None:
        """Raise ``NonceUsed`` or ``NonceTooFar`` unless ``nonce`` may be used now."""
        behind = self.top - nonce
        if behind < 0:
            if -behind > limits.nonce_jump:
                raise NonceTooFar(nonce=nonce, highest=self.top, limit=limits.nonce_jump)
        elif behind >= limits.nonce_window or self.bits >> behind & 1:
            lowest = max(0, self.top - limits.nonce_window + 1)
            raise NonceUsed(nonce=nonce, highest=self.top, lowest=lowest)

    def use(self, nonce: int, limits: Limits) -> None:
        """Mark ``nonce`` as used; it must have passed ``check``."""
        ahead = nonce - self.top
        if ahead > 0:
            kept = self.bits << ahead if ahead < limits.nonce_window else 0
            self.bits = (kept | 1) & ((1 << limits.nonce_window) - 1)
            self.top = nonce
        else:
            self.bits |= 1 << -ahead
