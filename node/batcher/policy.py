"""When to seal a batch. A pure decision; time is an argument.

Bytes and gas are estimates, because the data of a batch is known only once it is encoded, and that
is too dear to do block by block. The estimate is the MessagePack length of the commands, without
their blocks' ids and hashes, times a ratio: what the large ones among the last batches really came
to; small ones pack worse. A batch that comes out some percent larger is posted all the same, so
nothing is gained by aiming low, and each byte that a batch lacks is room on L1 that nobody uses.
Past the sealer's own bound (``BatcherConfig.bytes_limit``) it is parted and was encoded in vain;
the estimate then follows at once.
"""

from collections import deque
from enum import StrEnum, unique

import msgspec

from node.batcher.config import BatcherConfig
from node.codec.l1_gas import ROOT_BYTES, posting_gas_estimated
from node.types.units import part_rounded_up

RATIO_ONE = 1_000
"""The ratio of data bytes to MessagePack bytes is kept in thousandths."""

FIRST_RATIO = 500
"""Without experience: what batches of some twenty commands come to."""

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
    """What a batch holds so far: commands, their MessagePack bytes, and those of its blocks."""

    commands: int = 0
    command_bytes: int = 0
    encoded_bytes: int = 0

    def plus(self, other: "Load") -> "Load":
        """Return the load of both together."""
        return Load(
            self.commands + other.commands,
            self.command_bytes + other.command_bytes,
            self.encoded_bytes + other.encoded_bytes,
        )


class SealPolicy:
    """The limits, and what experience says of the size of a batch."""

    __slots__ = ("_config", "_root_interval", "_sizes", "ratio")

    def __init__(self, config: BatcherConfig, root_interval: int) -> None:
        """Start without experience."""
        self._config = config
        self._root_interval = root_interval
        self._sizes: deque[tuple[int, int]] = deque(maxlen=RATIO_SAMPLES)
        self.ratio = FIRST_RATIO

    @property
    def age_ms_max(self) -> int:
        """Return how long a command may wait for its batch, in milliseconds."""
        return self._config.age_ms_max

    def learn(self, load: Load, data_bytes: int) -> None:
        """Take in that ``load`` became a batch of ``data_bytes``."""
        self._sizes.append((load.command_bytes, data_bytes))
        largest = max(before for before, _ in self._sizes)
        alike = [size for size in self._sizes if 2 * size[0] >= largest]
        before, after = map(sum, zip(*alike, strict=True))
        self.ratio = part_rounded_up(after, RATIO_ONE, before)

    def learn_parted(self, whole: Load, part: Load, data_bytes: int) -> None:
        """Take in that ``whole`` came out too large, and that ``part`` of it has ``data_bytes``.

        What was seen before says nothing of what comes now, and the part may be the one that packs
        well: the whole is taken to exceed the bytes that it was parted for (less, where it was
        because no decoder takes so many columns). What is kept is a batch as full as is aimed at,
        so that those to come compare with it.
        """
        exceeded = part_rounded_up(self._config.bytes_limit, RATIO_ONE, whole.command_bytes)
        self.ratio = max(exceeded, part_rounded_up(data_bytes, RATIO_ONE, part.command_bytes))
        self._sizes.clear()
        aim = self._config.bytes_aim
        self._sizes.append((part_rounded_up(aim, RATIO_ONE, self.ratio), aim))

    def data_bytes(self, load: Load) -> int:
        """Return the estimated size of the batch's data, in bytes, rounded up."""
        return part_rounded_up(load.command_bytes, self.ratio, RATIO_ONE)

    def gas(self, load: Load) -> int:
        """Return the estimated gas of posting the batch."""
        return posting_gas_estimated(self.data_bytes(load), self._roots(load))

    def _roots(self, load: Load) -> int:
        return load.commands // self._root_interval

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
        posted = self.data_bytes(load) + ROOT_BYTES * self._roots(load)
        if posted >= config.data_bytes_max + excess:
            return SealCause.BYTES
        if self.gas(load) >= config.gas_max + excess:
            return SealCause.GAS
        return None
