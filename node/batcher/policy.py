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
from node.codec.l1_gas import posting_gas_estimated
from node.types.units import part_rounded_up

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
        return posting_gas_estimated(self.data_bytes(load), load.commands // self._root_interval)

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
