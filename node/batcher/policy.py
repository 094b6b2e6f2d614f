"""When to seal a batch. A pure decision; time is an argument.

Bytes and gas are estimates, because the data of a batch is known only once it is encoded, and that
is too dear to do block by block. The estimate is the blocks' MessagePack length times a ratio, and
the ratio is what the last batches really came to, the worst of them: a batch too small costs a
little, one past a limit of L1 cannot be posted at all.
"""

from collections import deque
from enum import StrEnum, unique

import msgspec

from node.batcher.config import BatcherConfig
from node.types.units import part_rounded_up

GAS_TRANSACTION = 21_000
GAS_EXECUTION = 160_000
"""Posting an empty batch, at most: five cold storage slots, a call, an event, the checks."""

GAS_PER_BYTE = 16
"""A byte of calldata that is not zero (EIP-2028)."""

GAS_FLOOR_PER_BYTE = 40
"""Since Prague calldata costs at least this, whatever else is executed (EIP-7623)."""

GAS_PER_WORD = 24
"""Copying and hashing 32 bytes, and the memory for them, each at most twice."""

HEADER_BYTES = 4 + 12 * 32
"""The rest of the calldata: the selector, the header's words, offsets, lengths and padding."""

RATIO_ONE = 1_000
"""The ratio of data bytes to MessagePack bytes is kept in thousandths."""

RATIO_SAMPLES = 16


@unique
class SealCause(StrEnum):
    """What sealed a batch."""

    COMMANDS = "commands"
    BYTES = "bytes"
    GAS = "gas"
    AGE = "age"
    REQUEST = "request"


class Load(msgspec.Struct, frozen=True, gc=False):
    """What a batch holds so far: commands, and the MessagePack bytes of its blocks."""

    commands: int = 0
    encoded_bytes: int = 0

    def plus(self, other: "Load") -> "Load":
        """Return the load of both together."""
        return Load(self.commands + other.commands, self.encoded_bytes + other.encoded_bytes)


def gas_estimate(data_bytes: int, roots: int) -> int:
    """Return the gas of posting ``data_bytes`` with so many intermediate roots, never too low.

    The dearer of the two ways in which Prague counts it, every byte taken as not zero.
    """
    calldata = data_bytes + HEADER_BYTES + 32 * roots
    words = part_rounded_up(calldata, 1, 32)
    memory = part_rounded_up(words, words, 512)
    execution = GAS_EXECUTION + words * GAS_PER_WORD + memory
    return GAS_TRANSACTION + max(calldata * GAS_PER_BYTE + execution, calldata * GAS_FLOOR_PER_BYTE)


class SealPolicy:
    """The limits, and what experience says of the size of a batch."""

    __slots__ = ("_config", "_ratios", "_root_interval", "ratio")

    def __init__(self, config: BatcherConfig, root_interval: int) -> None:
        """Start without experience: data is then taken to be no smaller than MessagePack."""
        self._config = config
        self._root_interval = root_interval
        self._ratios: deque[int] = deque(maxlen=RATIO_SAMPLES)
        self.ratio = RATIO_ONE

    @property
    def age_ms_max(self) -> int:
        """Return how long a command may wait for its batch, in milliseconds."""
        return self._config.age_ms_max

    def learn(self, encoded_bytes: int, data_bytes: int) -> None:
        """Take in that blocks of ``encoded_bytes`` became a batch of ``data_bytes``."""
        self._ratios.append(part_rounded_up(data_bytes, RATIO_ONE, max(1, encoded_bytes)))
        self.ratio = max(self._ratios)

    def data_bytes(self, load: Load) -> int:
        """Return the estimated size of the batch's data, in bytes, rounded up."""
        return part_rounded_up(load.encoded_bytes, self.ratio, RATIO_ONE)

    def gas(self, load: Load) -> int:
        """Return the estimated gas of posting the batch."""
        return gas_estimate(self.data_bytes(load), load.commands // self._root_interval)

    def full(self, load: Load) -> SealCause | None:
        """Return the limit that ``load`` has reached, if any."""
        return self._beyond(load, 0)

    def overfull(self, load: Load) -> SealCause | None:
        """Return the limit that ``load`` exceeds, if any."""
        return self._beyond(load, 1)

    def aged(self, age_ms: int) -> SealCause | None:
        """Return the cause of sealing a batch whose oldest command is ``age_ms`` old, if any."""
        return SealCause.AGE if age_ms >= self.age_ms_max else None

    def _beyond(self, load: Load, excess: int) -> SealCause | None:
        config = self._config
        if load.commands >= config.commands_max + excess:
            return SealCause.COMMANDS
        if self.data_bytes(load) >= config.data_bytes_max + excess:
            return SealCause.BYTES
        if self.gas(load) >= config.gas_max + excess:
            return SealCause.GAS
        return None
