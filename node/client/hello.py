"""What a server says of itself when a connection opens."""

import aiohttp
import msgspec

from node.client.errors import ConnectionLost
from node.types.blocks import Domain
from node.types.errors import CommandRejected
from node.types.ids import Address, address_from_hex
from node.types.rules import Rules, decode_rules

MESSAGE_BYTES_MAX = 16 * 1024 * 1024

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


async def introduction(http: aiohttp.ClientSession, url: str) -> tuple[Rules, Hello]:
    """Return the exchange's rules and its hello. Raises ``ConnectionLost`` if no node is there."""
    try:
        async with http.get(url + "/rules") as response:
            rules = decode_rules(msgspec.json.decode(await response.read())["canonical"].encode())
        async with http.ws_connect(url + "/ws", max_msg_size=MESSAGE_BYTES_MAX) as greeting:
            return rules, hello_from(await greeting.receive_str())
    # Something else may answer there: then it is no JSON, or not this one.
    except (aiohttp.ClientError, OSError, *UNREADABLE) as error:
        raise ConnectionLost(node=url, detail=str(error)) from error
