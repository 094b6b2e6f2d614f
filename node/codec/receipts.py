"""Receipts: what the sequencer signs, and how anyone checks it without the exchange.

The sequencer signs each block once, as EIP-712 data under the exchange's own domain, so that a
contract can recover the signer and no other chain or rollup can be shown the same signature:

    Block(uint64 number,bytes32 hash)

The hash seals the ids of the block's commands in their order (``node.types.blocks``). A receipt
that brings the ids after its action proves the action's place; two signed blocks with one number
and different hashes prove that the sequencer lied.
"""

from node.codec.eip712 import domain_separator
from node.codec.links import block_hash, chain_ids
from node.codec.signatures import recover
from node.types.blocks import Domain
from node.types.durable import Receipt
from node.types.errors import BadSignature
from node.types.hashing import keccak256
from node.types.ids import Address

_TYPE_HASH = keccak256(b"Block(uint64 number,bytes32 hash)")


class BlockSigning:
    """The digests that the sequencer of one exchange signs. Immutable; build it once."""

    __slots__ = ("_prefix",)

    def __init__(self, domain: Domain) -> None:
        self._prefix = b"\x19\x01" + domain_separator(domain)

    def digest(self, number: int, sealed: bytes) -> bytes:
        """Return what is signed of block ``number``, whose hash is ``sealed``."""
        words = b"".join((_TYPE_HASH, number.to_bytes(32, "big"), sealed))
        return keccak256(self._prefix + keccak256(words))


def verify_receipt(receipt: Receipt, sequencer: Address, domain: Domain) -> bool:
    """Return whether ``sequencer`` signed the receipt's block, and the action stands where it says.

    Without the ids that follow, only the signature over number and hash can be checked.
    """
    digest = BlockSigning(domain).digest(receipt.number, receipt.hash)
    try:
        if recover(digest, receipt.signature) != sequencer:
            return False
    except BadSignature:
        return False
    return receipt.following is None or _stands(receipt, receipt.following)


def _stands(receipt: Receipt, following: tuple[bytes, ...]) -> bool:
    """Return whether the receipt's place and ids lead to its hash."""
    index = receipt.sequence - receipt.first_sequence
    if not index >= 0 or index + 1 + len(following) != receipt.count:
        return False
    # Only ids of one width chain unambiguously.
    if any(len(command_id) != 32 for command_id in (receipt.action, *following)):
        return False
    last = chain_ids(receipt.link, (receipt.action, *following))[-1]
    sealed = block_hash(receipt.number, receipt.time, receipt.first_sequence, receipt.count, last)
    return sealed == receipt.hash
