"""What a server says of itself when a connection opens."""

import msgspec

from node.types.blocks import Domain
from node.types.errors import CommandRejected
from node.types.ids import Address, address_from_hex

# What reading a message raises that does not have the form it should have.
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    CommandRejected,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class Hello(msgspec.Struct, frozen=True, gc=False):
    """Which exchange it is, who orders there, and what a log-in signs."""

    domain: Domain
    sequencer: Address
    challenge: bytes


def hello_from(text: str) -> Hello:
    """Return what the server says of itself. Raises one of ``UNREADABLE`` if that is no hello."""
    body = msgspec.json.decode(text)
    challenge = bytes.fromhex(body["challenge"].removeprefix("0x"))
    if len(challenge) != 32:
        raise ValueError(body["challenge"])
    domain = Domain(body["chain_id"], address_from_hex(body["rollup"]))
    return Hello(domain, address_from_hex(body["sequencer"]), challenge)
