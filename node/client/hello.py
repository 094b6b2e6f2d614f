"""What a server says of itself when a connection opens."""

import asyncio
from collections.abc import Awaitable
from urllib.parse import urlsplit

import aiohttp
import msgspec

from node.client.channels import ANSWER_S
from node.client.errors import UNREADABLE, ConnectionLost
from node.client.pinned import Pinned
from node.client.rest_calls import call
from node.client.subscription import Message
from node.types.blocks import Domain
from node.types.errors import ConfigInvalid, PlimsollError
from node.types.ids import Address, address_from_hex
from node.types.rules import Rules, decode_rules

MESSAGE_BYTES_MAX = 16 * 1024 * 1024


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


async def greeted(socket: aiohttp.ClientWebSocketResponse) -> Hello | None:
    """Return what the server says first; None if it went away before it said so.

    Raises ``ConnectionLost`` for what is no hello, ``TimeoutError`` for silence.
    """
    greeting = await socket.receive(ANSWER_S)
    if greeting.type is not aiohttp.WSMsgType.TEXT:
        return None
    try:
        return hello_from(greeting.data)
    except UNREADABLE as fault:
        raise ConnectionLost(detail=repr(fault)) from fault


async def introduction(
    http: aiohttp.ClientSession, url: str, pinned: Pinned
) -> tuple[Rules, Hello]:
    """Return the exchange's rules and its hello.

    Raises ``ConnectionLost`` if no node is there, or none that answers within ``ANSWER_S``, and
    ``WrongChain`` if it is of another exchange than the one that is ``pinned``.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            rules = _rules_in(await call(http, url, "/rules"))
            async with http.ws_connect(url + "/ws", max_msg_size=MESSAGE_BYTES_MAX) as greeting:
                hello = hello_from(await greeting.receive_str())
                pinned.require(hello.domain, hello.sequencer, rules)
                return rules, hello
    except TimeoutError as silence:
        raise _silent(url) from silence
    except ConnectionLost as error:
        raise ConnectionLost(node=url, detail=error.values["detail"]) from error
    except PlimsollError:
        # A node that refuses is a node.
        raise
    # Something else may answer there: then it is no JSON, or not this one.
    except (aiohttp.ClientError, OSError, *UNREADABLE) as error:
        raise ConnectionLost(node=url, detail=str(error)) from error


def _rules_in(shown: Message) -> Rules:
    if "canonical" not in shown:
        raise ConnectionLost(detail="what answers there is no node")
    return decode_rules(shown["canonical"].encode())


async def in_time(awaited: Awaitable[None], url: str) -> None:
    """Wait for what the node makes come. Raises ``ConnectionLost`` behind ``ANSWER_S``."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await awaited
    except TimeoutError as silence:
        raise _silent(url) from silence


def _silent(url: str) -> ConnectionLost:
    """Return the error for a node that takes connections and says nothing."""
    return ConnectionLost(node=url, detail=f"it does not answer within {ANSWER_S:g} s")


def node_url(text: str) -> str:
    """Return where a node is, without a slash at its end. Raises ``ConfigInvalid``."""
    try:
        parts = urlsplit(text)
        named = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ConfigInvalid(faults=(f"node: {text}: http://host:port allowed",))
    return text.rstrip("/")
