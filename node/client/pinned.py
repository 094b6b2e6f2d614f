"""What a user knows of an exchange from elsewhere than its node, and holds the node to.

A node says itself which contract it settles on, who orders there and by which rules. Whoever takes
its word signs for, and pays to, whatever it names: so a user who knows better says so.
"""

from typing import Final

import msgspec

from node.codec.l1_calls import (
    INBOX,
    INBOX_ROLLUP,
    RULES_HASH,
    SEQUENCER,
    L1Function,
    address_answer,
)
from node.ports.chain import Chain
from node.types.blocks import Domain
from node.types.errors import CallReverted, ChainDisagrees, WrongChain, WrongContract
from node.types.ids import Address
from node.types.rules import Rules


class Pinned(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known of an exchange. None: not known, and what the node says is believed.

    ``rollup`` and ``chain_id`` are where it settles, ``sequencer`` is whose key signs its blocks,
    ``rules`` the digest of its rules (32 bytes, ``Rules.digest``).
    """

    rollup: Address | None = None
    chain_id: int | None = None
    sequencer: Address | None = None
    rules: bytes | None = None

    @classmethod
    def of(cls, domain: Domain, sequencer: Address) -> "Pinned":
        """Return what a hello tells: all but the rules."""
        return cls(rollup=Address(domain.rollup), chain_id=domain.chain_id, sequencer=sequencer)

    def require(self, domain: Domain, sequencer: Address, rules: Rules) -> None:
        """Return where an exchange is the one that is known.

        Raises ``WrongChain`` (``field``, ``expected``, ``found``) with the first difference.
        """
        found: dict[str, Address | bytes | int] = {
            "rollup": domain.rollup,
            "chain_id": domain.chain_id,
            "sequencer": sequencer,
            "rules": rules.digest(),
        }
        for field, there in found.items():
            known = getattr(self, field)
            if known not in (None, there):
                raise WrongChain(field=field, expected=known, found=there)


NOTHING_PINNED: Final = Pinned()


async def pinned_on_l1(chain: Chain, rollup: Address) -> Pinned:
    """Return all that L1 tells of the exchange of ``rollup``.

    It is worth what ``chain`` and ``rollup`` are: any contract can name any sequencer and rules.
    Raises ``WrongContract`` where no rollup is there, ``WrongChain`` where its inbox is another
    rollup's, ``ChainUnavailable``.
    """
    chain_id = await chain.chain_id()
    sequencer = await _address(chain, rollup, SEQUENCER)
    rules = await _ask(chain, rollup, RULES_HASH)
    paid = await _address(chain, await _address(chain, rollup, INBOX), INBOX_ROLLUP)
    if paid != rollup:
        raise WrongChain(field="inbox.rollup", expected=rollup, found=paid)
    return Pinned(rollup=rollup, chain_id=chain_id, sequencer=sequencer, rules=rules)


async def _address(chain: Chain, to: Address, function: L1Function) -> Address:
    return address_answer(function, await _ask(chain, to, function))


async def _ask(chain: Chain, to: Address, function: L1Function) -> bytes:
    """Return what a contract answers, which can be read. Raises ``WrongContract``."""
    try:
        answer = await chain.call(to, function.encode())
        function.answer(answer)
    except (CallReverted, ChainDisagrees) as error:
        raise WrongContract(address=to, detail=str(error)) from error
    return answer
