"""An L1 chain as this project needs it: what one JSON-RPC endpoint says, typed.

Amounts are wei, times are seconds since the Unix epoch, fees are wei per gas. Every method raises
``ChainUnavailable`` when the endpoint does not answer, answers with nonsense, or does not know the
block that it is asked about: all of these pass, and the same question may succeed later.
"""

from enum import Enum, IntEnum
from typing import Protocol

import msgspec

from node.types.ids import Address


class Tag(Enum):
    """A block by its standing."""

    LATEST = "latest"
    PENDING = "pending"
    SAFE = "safe"
    FINALIZED = "finalized"


At = Tag | int | bytes
"""A block: by standing, by number, or by hash. Only a hash names the same block for ever."""


class L1Block(msgspec.Struct, frozen=True, gc=False):
    """The head of a block; ``base_fee`` is what each gas of it burnt (0 before EIP-1559).

    ``gas_limit``: the gas that all its transactions may take, 0 where the endpoint does not tell.
    """

    number: int
    hash: bytes
    time_s: int
    base_fee: int
    gas_limit: int = 0


class FeeSample(msgspec.Struct, frozen=True, gc=False):
    """What blocks cost: the base fee of the next one, and the median tips of some before it."""

    base_fee: int
    tips: tuple[int, ...]


class L1Receipt(msgspec.Struct, frozen=True, gc=False):
    """A transaction in a block; ``fee`` is all that it cost its sender, value apart."""

    transaction: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    fee: int


class L1Log(msgspec.Struct, frozen=True, gc=False):
    """An event of a contract."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction: bytes


class L1Transaction(msgspec.Struct, frozen=True, gc=False):
    """What a transaction called, and with what; ``to`` is None where it created a contract."""

    to: Address | None
    input: bytes


class Sending(IntEnum):
    """What the endpoint's pool said to a signed transaction.

    KNOWN: it has this very one. SPENT: its nonce was mined with another (or the same) one.
    UNDERPRICED: another one with this nonce pays more, or the pool is too dear. UNFUNDED: the
    account cannot pay for it. REFUSED: anything else.
    """

    TAKEN = 0
    KNOWN = 1
    SPENT = 2
    UNDERPRICED = 3
    UNFUNDED = 4
    REFUSED = 5


class SendAnswer(msgspec.Struct, frozen=True, gc=False):
    """The pool's answer; ``detail`` is the endpoint's own wording, empty if it took it."""

    sending: Sending
    detail: str


class Chain(Protocol):
    """One L1 endpoint."""

    async def chain_id(self) -> int:
        """Return the id that transactions must be signed for."""
        ...

    async def block(self, at: At) -> L1Block | None:
        """Return the block, None where there is none (yet, or no longer)."""
        ...

    async def call(
        self, to: Address, data: bytes, at: At = Tag.LATEST, sender: Address | None = None
    ) -> bytes:
        """Return what the contract answers in the state after block ``at``.

        Raises ``CallReverted`` (``to``, ``error``, ``arguments``, ``data``).
        """
        ...

    async def estimate_gas(self, sender: Address, to: Address, data: bytes) -> int:
        """Return a gas limit that would suffice now. Raises ``CallReverted``."""
        ...

    async def code(self, address: Address, at: At = Tag.LATEST) -> bytes:
        """Return the code at ``address`` after block ``at``, empty where no contract is."""
        ...

    async def balance(self, account: Address) -> int:
        """Return the account's wei."""
        ...

    async def nonce(self, account: Address, at: At = Tag.LATEST) -> int:
        """Return the nonce of the account's next transaction; PENDING counts those that wait."""
        ...

    async def fees(self, blocks: int) -> FeeSample:
        """Return the next base fee, and the tips of the last ``blocks`` that held transactions."""
        ...

    async def send(self, raw: bytes) -> SendAnswer:
        """Hand over a signed transaction.

        ``ChainUnavailable`` leaves open whether it arrived; sending it again is harmless.
        """
        ...

    async def receipt(self, transaction: bytes) -> L1Receipt | None:
        """Return the receipt of a transaction, None while it is in no block."""
        ...

    async def logs(
        self, address: Address, topics: tuple[bytes, ...], first: int, last: int
    ) -> tuple[L1Log, ...]:
        """Return the logs of blocks ``first`` to ``last``, both included, in order.

        ``topics`` are what a log's topics must start with.
        """
        ...


class ChainHistory(Chain, Protocol):
    """An endpoint that also knows what transactions said."""

    async def transaction(self, transaction: bytes) -> L1Transaction | None:
        """Return a mined transaction by its hash, None where there is none."""
        ...
