"""What surrounds a sequencer in its tests: a clock to turn by hand, a key, a journal in memory."""

from collections.abc import Iterator

from node.codec.signatures import address_of_private, sign
from node.ports.snapshots import Snapshot
from node.types.blocks import Block
from node.types.ids import Address, Sequence
from node.types.units import Millis


class HandClock:
    """Time stands still until someone moves it."""

    def __init__(self) -> None:
        self.ns = 0
        self.ms = Millis(1_700_000_000_000)

    def now_ns(self) -> int:
        self.ns += 1
        return self.ns

    def now_ms(self) -> Millis:
        return self.ms


class TestKey:
    """A ``Signer`` whose key everyone knows."""

    __test__ = False

    def __init__(self, private_key: bytes = b"\x07" * 32) -> None:
        self._private_key = private_key

    @property
    def address(self) -> Address:
        return address_of_private(self._private_key)

    def sign(self, digest: bytes) -> bytes:
        return sign(self._private_key, digest)


class MemoryJournal:
    """A ``Journal`` whose disk cannot fail."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []

    @property
    def first_sequence(self) -> Sequence:
        return self.blocks[0].first_sequence if self.blocks else Sequence(1)

    @property
    def last_sequence(self) -> Sequence:
        return self.blocks[-1].last_sequence if self.blocks else Sequence(0)

    async def append(self, block: Block) -> None:
        self.blocks.append(block)

    def read(self, from_sequence: Sequence) -> Iterator[Block]:
        return (block for block in self.blocks if block.last_sequence >= from_sequence)

    async def prune(self, below: Sequence) -> None:
        self.blocks = [block for block in self.blocks if block.last_sequence >= below]

    async def close(self) -> None:
        """Nothing is open."""


class MemorySnapshots:
    """A ``SnapshotStore`` that keeps the last one."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.snapshot = snapshot

    def save(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def latest(self) -> Snapshot | None:
        return self.snapshot
