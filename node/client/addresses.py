"""Addresses in mixed case, as wallets and explorers show them."""

from node.types.hashing import keccak256
from node.types.ids import Address


def checksummed(address: Address) -> str:
    """Return the address with its checksum (EIP-55).

    A letter is upper case where the hash of the lower-case digits has 8 or more in its place.
    """
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    cased = (
        digit.upper() if int(mark, 16) >= 8 else digit
        for digit, mark in zip(digits, marks, strict=False)
    )
    return "0x" + "".join(cased)
