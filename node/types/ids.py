"""Names of things: who, where, which."""

from typing import NewType

from node.types.errors import MalformedAddress

Address = NewType("Address", bytes)
"""20 bytes: an Ethereum address. It names an account, an agent key or an oracle reporter."""

MarketId = NewType("MarketId", int)
"""1, 2, 3, … in the order of the rules; 0 is no market (or, in a cancel-all, every market)."""

OrderId = NewType("OrderId", int)
"""Given by the transition to each accepted order, counting up from 1; not each number is an id."""

ClientOrderId = NewType("ClientOrderId", int)
"""Chosen by the client, unique among the account's open orders; 0 is none."""

Sequence = NewType("Sequence", int)
"""The place of a command in the log, counting up from 1."""

EVERY_MARKET = MarketId(0)
NO_CLIENT_ID = ClientOrderId(0)
NO_ADDRESS = Address(bytes(20))
NO_HASH = bytes(32)


def address_from_hex(text: str) -> Address:
    """Return the address written as ``0x`` and 40 hexadecimal digits, in any case.

    Raises ``MalformedAddress``.
    """
    if len(text) == 42 and text[:2] in ("0x", "0X"):
        try:
            address = bytes.fromhex(text[2:])
        except ValueError:
            address = b""
        # ``fromhex`` skips blanks, so 42 characters need not be 20 bytes.
        if len(address) == 20:
            return Address(address)
    raise MalformedAddress(text=text[:64])


def hex_from_address(address: Address) -> str:
    """Return ``0x`` and 40 lower-case hexadecimal digits."""
    return "0x" + address.hex()
