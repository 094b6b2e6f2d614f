"""Keys for a devnet, derived from public words: anyone can make them, so never hold value there."""

from node.codec.signatures import address_of_private
from node.types.hashing import keccak256
from node.types.ids import Address


class DevKey:
    """A private key and its address."""

    __slots__ = ("address", "secret")

    def __init__(self, role: str, number: int) -> None:
        """Derive the key of ``role`` (``"trader"``, ``"reporter"`` …) number ``number``."""
        self.secret = keccak256(f"plimsoll devnet {role} {number}".encode())
        self.address: Address = address_of_private(self.secret)


def dev_keys(role: str, count: int) -> list[DevKey]:
    """Return the first ``count`` keys of ``role``."""
    return [DevKey(role, number) for number in range(count)]
