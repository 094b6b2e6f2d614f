"""How much the publisher keeps and does at once: keys with their ranges, all faults in one go."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[int, int]] = {
    "history_commands": (1, 100_000_000),
    "blocks_per_turn": (1, 10_000),
    "channels_per_subscriber": (1, 10_000),
    "resume_messages": (1, 1_000_000),
    "resume_bytes": (1_024, 1 << 30),
    "resume_bytes_all": (1_024, 1 << 36),
    "trades_kept": (1, 1_000_000),
    "candles_kept": (1, 100_000),
}
"""Lowest and highest value of each key, both allowed."""


class PublisherConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the publisher; the allowed ranges stand in ``_RANGES``."""

    history_commands: int = 200_000
    """Commands whose receipts can be asked for (about 500 bytes each); older blocks are let go."""
    blocks_per_turn: int = 16
    """The most blocks told of before other tasks get their turn."""
    channels_per_subscriber: int = 256
    """The most channels that one connection may listen to."""
    resume_messages: int = 1_024
    """The last messages of a channel that a reader who comes back may still be told."""
    resume_bytes: int = 1 << 20
    """What these may take, of one channel."""
    resume_bytes_all: int = 64 << 20
    """What these may take, of all channels together; past it the quietest channel forgets its."""
    trades_kept: int = 1_000
    """The last trades of a market that can be asked for (about 500 bytes each)."""
    candles_kept: int = 500
    """The last candles of a market and interval that can be asked for (about 150 bytes each)."""


def check_publisher_config(config: PublisherConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    raise_faults(out_of_ranges(config, _RANGES))
