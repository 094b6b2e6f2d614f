"""What L1 holds of an exchange: all that a verifier with an empty disk has."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from node.types.blocks import BatchHeader, Domain
from node.types.ids import Address
from node.types.units import Millis, Money


class RollupTerms(msgspec.Struct, frozen=True, gc=False):
    """What the rollup was created with: whose log this is, what it starts from, and who holds what.

    ``sequencer`` alone posts batches; each is final ``finality_blocks`` L1 blocks later. ``token``
    is the quote asset, which ``inbox`` takes and pays. ``foreign``: the contracts whose code is not
    that of contracts/src, whatever they answer.
    """

    domain: Domain
    rules: bytes
    genesis_root: bytes
    sequencer: Address
    finality_blocks: int
    inbox: Address
    token: Address
    foreign: tuple[str, ...] = ()


class RollupTip(msgspec.Struct, frozen=True, gc=False):
    """How many batches the contract has accepted, and the root after the last of them."""

    batches: int
    root: bytes


class InboxEntry(msgspec.Struct, frozen=True, gc=False):
    """A deposit as the inbox contract recorded it, in millionths."""

    index: int
    account: Address
    amount: Money


class PostedBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch as it stands in the calldata of ``transaction``, mined in L1 block ``block``.

    ``data_hash`` is what the contract saw: keccak256 of the data. ``time_ms`` is the L1 block's
    own time, in whole seconds.
    """

    header: BatchHeader
    data: bytes
    data_hash: bytes
    block: int
    transaction: bytes
    time_ms: Millis


class ChainReader(Protocol):
    """Reads one rollup as of one L1 block, the same in every answer.

    All raise ``ChainUnavailable`` when the endpoint does not answer, ``ChainDisagrees`` when its
    answers contradict each other, ``WrongContract`` where there is no rollup.
    """

    async def terms(self) -> RollupTerms:
        """Return what the rollup was created with."""
        ...

    async def deposits(self) -> tuple[InboxEntry, ...]:
        """Return every deposit, in the order of the inbox."""
        ...

    async def tip(self) -> RollupTip:
        """Return how far the contract says that the log goes."""
        ...

    def batches(self) -> AsyncGenerator[PostedBatch, None]:
        """Yield what was posted, in the order of the chain."""
        ...
