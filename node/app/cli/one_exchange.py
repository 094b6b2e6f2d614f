"""A node and an L1 endpoint, held against each other before anything is signed or paid.

That finds a node that names a sequencer or rules which its rollup on L1 has not, and an endpoint of
another chain. It does not find a lookalike, whose own rollup bears out all that its node says: only
a ``--rollup`` that is known from elsewhere does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec

from node.adapters.key_signer import KeySigner
from node.adapters.l1_chain import L1Chain
from node.client.l1 import L1Account
from node.client.pinned import Pinned, pinned_on_l1
from node.client.session import Session, connect
from node.ports.chain import Chain
from node.types.errors import ChainUnavailable, PlimsollError, WrongChain
from node.types.ids import Address

POLL_S = 0.5
LOOKS: Final = 10
"""How often two endpoints are asked for one block: the one may be behind, or a reorg on its way."""

Get = Callable[[str], Awaitable[dict[str, Any]]]
"""Returns the body of a GET of that path; raises the node's error."""


class Ends(msgspec.Struct, frozen=True):
    """Where an exchange is reached, at both ends, and what is known of it."""

    node: str
    rpc: str
    pinned: Pinned


async def open_account(stack: AsyncExitStack, key: bytes, ends: Ends) -> tuple[Session, L1Account]:
    """Return the key's account at both ends of one exchange; ``stack`` closes them.

    Raises ``WrongChain`` where the node is not of the exchange that is pinned, or that L1 tells of,
    ``WrongContract`` where L1 has no rollup there, ``ChainUnavailable``, ``ConnectionLost``.
    """
    session = await stack.enter_async_context(connect(ends.node, pinned=ends.pinned))
    chain = L1Chain(ends.rpc)
    stack.push_async_callback(chain.close)
    await require_one_chain(session.get, chain)
    rollup = Address(session.domain.rollup)
    on_l1 = await pinned_on_l1(chain, rollup)
    on_l1.require(session.domain, session.sequencer, session.rules)
    account = await L1Account.open(chain, KeySigner(key), rollup, session.domain.chain_id)
    return session, account


async def require_one_chain(get: Get, chain: Chain) -> None:
    """Return where ``chain`` is the one that the node reads its deposits from.

    Two devnets have one id and the same addresses: only their blocks tell them apart. Raises
    ``WrongChain``, and ``ChainUnavailable`` where the node has not read any block itself.
    """
    refusal: PlimsollError | None = ChainUnavailable(
        detail="the node has read no block of L1 so far"
    )
    for _ in range(LOOKS):
        read = (await get("/stats"))["l1"]["inbox_block"]
        if read is not None:
            refusal = await _difference(chain, int(read["number"]), read["hash"])
            if refusal is None:
                return
        await asyncio.sleep(POLL_S)
    assert refusal is not None
    raise refusal


async def _difference(chain: Chain, number: int, expected: str) -> PlimsollError | None:
    """Return why ``chain`` does not have this block: it has another one, or has not come so far."""
    found = await chain.block(number)
    if found is None:
        return ChainUnavailable(detail=f"--rpc has no block {number}, which the node has read")
    told = "0x" + found.hash.hex()
    return None if told == expected else WrongChain(block=number, expected=expected, found=told)
