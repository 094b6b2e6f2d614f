"""A key that this process holds in memory, and the file that it comes from."""

from pathlib import Path

from coincurve import PrivateKey

from node.codec.signatures import address_of
from node.types.errors import ConfigInvalid
from node.types.ids import Address

KEY_BYTES = 32


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


def read_key_file(path: Path, name: str) -> bytes:
    """Return the private key in the file at ``path``, 64 hexadecimal digits.

    Raises ``ConfigInvalid`` under ``name`` where it cannot be read, others can read it too, or it
    holds no key of secp256k1.
    """
    path = path.expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigInvalid(faults=(f"{name}: {path}: others can read it; chmod 600",))
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip().removeprefix("0x"))
    except OSError as error:
        raise ConfigInvalid(faults=(f"{name}: {path}: {error.strerror}",)) from None
    except ValueError:
        secret = b""
    if not is_key(secret):
        # The file's content goes into no message: it may be a key with a digit too many.
        fault = f"{name}: {path}: a private key of 64 hexadecimal digits allowed"
        raise ConfigInvalid(faults=(fault,))
    return secret


def is_key(secret: bytes) -> bool:
    """Return whether ``secret`` is a number between 0 and the order of the curve, in 32 bytes."""
    try:
        return len(secret) == KEY_BYTES and PrivateKey(secret) is not None
    except ValueError:
        return False
