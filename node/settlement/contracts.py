"""Before anything is sent: whether chain and contracts are those that this node was made for."""

import msgspec

from node.codec.l1_calls import (
    FINALITY_BLOCKS,
    GENESIS_ROOT,
    INBOX,
    INBOX_ROLLUP,
    INBOX_TOKEN,
    RULES_HASH,
    SEQUENCER,
    L1Function,
    address_answer,
)
from node.ports.chain import Chain
from node.types.blocks import Domain
from node.types.errors import CallReverted, ChainDisagrees, WrongChain, WrongContract
from node.types.ids import Address


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


async def _ask(chain: Chain, address: Address, function: L1Function) -> bytes:
    """Return the answer of a getter. Raises ``WrongContract`` where there is no such getter."""
    try:
        answer = await chain.call(address, function.encode())
        function.answer(answer)
    except (CallReverted, ChainDisagrees) as error:
        raise WrongContract(address=address, detail=f"{function.signature}: {error}") from error
    return answer
