"""A key that signs, wherever it is kept."""

from typing import Protocol

from node.types.ids import Address


class Signer(Protocol):
    """Signs digests with one secp256k1 key."""

    @property
    def address(self) -> Address:
        """Return the address that signatures recover to."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Return r (32 bytes), s (32, the lower half), parity (1: 0 or 1) over a 32-byte digest."""
        ...
