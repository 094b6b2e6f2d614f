"""Before anything is sent: whether chain and contracts are those that this node was made for."""

import asyncio
from typing import Final

import msgspec

from node.codec.l1_calls import (
    BATCH_COUNT,
    FINALITY_BLOCKS,
    GENESIS_ROOT,
    INBOX,
    INBOX_ROLLUP,
    INBOX_TOKEN,
    LATEST_ROOT,
    RULES_HASH,
    SEQUENCER,
    L1Function,
    address_answer,
)
from node.ports.chain import At, Chain, Tag
from node.types.blocks import Domain
from node.types.errors import (
    CallReverted,
    ChainDisagrees,
    ChainUnavailable,
    WrongChain,
    WrongContract,
    WrongLog,
)
from node.types.ids import Address

LOG_TRIES: Final = 3
LOG_RETRY_S: Final = 2.0
"""Behind one address a second endpoint may be a block behind the one that told of the head."""


class Contracts(msgspec.Struct, frozen=True, gc=False):
    """Where the contracts of one exchange are. ``finality_blocks`` is the rollup's own rule."""

    chain_id: int
    rollup: Address
    inbox: Address
    token: Address
    finality_blocks: int


async def check_contracts(
    chain: Chain, domain: Domain, *, sequencer: Address, rules: bytes, genesis_root: bytes
) -> Contracts:
    """Return the contracts of ``domain``, whose rollup must have been made for us.

    ``rules`` is their digest. Raises ``WrongChain`` (``expected``, ``found``), ``WrongContract``
    (``address``, ``detail``, ``expected``, ``found``), ``ChainUnavailable``.
    """
    found = await chain.chain_id()
    if found != domain.chain_id:
        raise WrongChain(expected=domain.chain_id, found=found)
    rollup = Address(domain.rollup)
    if not await chain.code(rollup):
        raise WrongContract(address=rollup, detail="no code")
    inbox = address_answer(INBOX, await _ask(chain, rollup, INBOX))
    expected = (
        (rollup, RULES_HASH, rules),
        (rollup, GENESIS_ROOT, genesis_root),
        (rollup, SEQUENCER, sequencer),
        (inbox, INBOX_ROLLUP, rollup),
    )
    for address, function, value in expected:
        answer = await _ask(chain, address, function)
        # An address answers as 32 bytes, too, the first twelve of them zero.
        if answer != value.rjust(32, b"\0"):
            raise WrongContract(
                address=address, detail=function.signature, expected=value, found=answer
            )
    return Contracts(
        chain_id=found,
        rollup=rollup,
        inbox=inbox,
        token=address_answer(INBOX_TOKEN, await _ask(chain, inbox, INBOX_TOKEN)),
        finality_blocks=int.from_bytes(await _ask(chain, rollup, FINALITY_BLOCKS), "big"),
    )


async def check_log(chain: Chain, rollup: Address, *, sealed: int, root: bytes, where: str) -> int:
    """Require that L1 has no batch of ``rollup`` but the ``sealed`` ones at ``where``.

    Returns how many of them it has.
    ``root`` is the one after the last of them. It is asked before anything is signed: a log that
    begins anew would put other blocks under numbers that receipts name already. L1 may have fewer:
    the others are on their way, or a reorg took them. Raises ``WrongLog`` (``where``, ``posted``,
    ``sealed``, and where the number is the same ``expected``, ``found``), ``ChainUnavailable``.
    """
    for _ in range(LOG_TRIES - 1):
        try:
            return await _check_log(chain, rollup, sealed, root, where)
        except ChainUnavailable:
            # The start has replayed the journal by now, and would have to do so again.
            await asyncio.sleep(LOG_RETRY_S)
    return await _check_log(chain, rollup, sealed, root, where)


async def _check_log(chain: Chain, rollup: Address, sealed: int, root: bytes, where: str) -> int:
    head = await chain.block(Tag.LATEST)
    if head is None:
        raise ChainUnavailable(detail="the endpoint has no latest block")
    posted = int.from_bytes(await _ask(chain, rollup, BATCH_COUNT, head.hash), "big")
    if posted > sealed:
        raise WrongLog(where=where, posted=posted, sealed=sealed)
    if posted == sealed:
        found = await _ask(chain, rollup, LATEST_ROOT, head.hash)
        if found != root:
            raise WrongLog(where=where, posted=posted, sealed=sealed, expected=root, found=found)
    return posted


async def _ask(chain: Chain, address: Address, function: L1Function, at: At = Tag.LATEST) -> bytes:
    """Return the answer of a getter. Raises ``WrongContract`` where there is no such getter."""
    try:
        answer = await chain.call(address, function.encode(), at)
        function.answer(answer)
    except (CallReverted, ChainDisagrees) as error:
        raise WrongContract(address=address, detail=f"{function.signature}: {error}") from error
    return answer
