"""The one hash of the protocol: Keccak-256, as the EVM computes it."""

from sha3 import keccak_256


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of ``data`` (the EVM's, not NIST SHA3-256)."""
    return keccak_256(data).digest()  # type: ignore[no-any-return]
