"""A key that this process holds in memory."""

from coincurve import PrivateKey

from node.codec.signatures import address_of
from node.types.ids import Address


class KeySigner:
    """A ``Signer`` with a 32-byte secp256k1 key, which it never shows."""

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        """Hold ``private_key``. Raises ``ValueError`` when it is none."""
        self._key = PrivateKey(private_key)
        self.address: Address = address_of(self._key.public_key)

    def sign(self, digest: bytes) -> bytes:
        """Return r (32 bytes), s (32, the lower half), parity (1) over ``digest``. About 30 µs."""
        return self._key.sign_recoverable(digest, hasher=None)
