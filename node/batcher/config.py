"""How the batcher behaves; every key has a documented range, and one check tells all faults."""

import msgspec

from node.codec.l1_gas import AIMED_BYTES_MAX, GAS_MAX, POSTABLE_BYTES, data_bytes_within
from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[int, int]] = {
    "commands_max": (1, 200_000),
    "data_bytes_max": (1_000, AIMED_BYTES_MAX),
    "age_ms_max": (1, 3_600_000),
    "gas_max": (250_000, GAS_MAX),
    "backlog_batches_max": (1, 100_000),
    "backlog_bytes_max": (1_000, 10_000_000_000),
    "waiting_batches_max": (1, 1_000),
    "blocks_per_turn": (1, 100_000),
    "snapshot_every_batches": (0, 1_000_000),
    "final_batches_kept": (0, 1_000_000),
}
"""Lowest and highest value of each key, both allowed."""


class BatcherConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the batcher. A batch holds whole blocks, at least one, whatever the limits say."""

    commands_max: int = 5_000
    """The most commands of one batch."""
    data_bytes_max: int = 100_000
    """The most bytes of a batch's data and intermediate roots, as estimated: L1 nodes refuse
    transactions past 128 KiB. Up to a quarter more is posted where the estimate was too low, and a
    single block whole."""
    age_ms_max: int = 2_000
    """How long a command waits at most until its batch is sealed, in milliseconds, unless as many
    batches as settlement has on their way at once are unposted, and one more: it then fills."""
    gas_max: int = 8_000_000
    """The most gas that posting a batch may take, as estimated, and a quarter more for its bytes
    where the estimate was too low; no transaction may take more than 2**24 (EIP-7825)."""
    backlog_batches_max: int = 64
    """Batches that are sealed, or about to be, but not posted: at so many the gate closes."""
    backlog_bytes_max: int = 8_000_000
    """The bytes of those batches: at so many the gate closes."""
    waiting_batches_max: int = 8
    """Batches that wait to be re-executed; past that, no more blocks are taken in."""
    blocks_per_turn: int = 256
    """The most blocks taken from the mailbox at once."""
    snapshot_every_batches: int = 50
    """A snapshot is written each time so many more batches are final; 0 is never."""
    final_batches_kept: int = 0
    """How many final batches stay on disk beyond those that a restart needs."""

    @property
    def bytes_aim(self) -> int:
        """Return how many bytes of data a full batch has: what the first limit on them admits."""
        return min(self.data_bytes_max, data_bytes_within(self.gas_max))

    @property
    def bytes_limit(self) -> int:
        """Return the most bytes that data and roots of a batch of several blocks have in truth.

        A quarter above what the estimate aims at, as far as one transaction takes it, so that few
        batches are encoded twice.
        """
        return min(self.bytes_aim * 5 // 4, POSTABLE_BYTES)


def check_batcher_config(config: BatcherConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    raise_faults(out_of_ranges(config, _RANGES))
