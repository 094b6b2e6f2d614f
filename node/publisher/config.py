"""How much the publisher keeps and does at once: keys with their ranges, all faults in one go."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[int, int]] = {
    "history_commands": (1, 100_000_000),
    "blocks_per_turn": (1, 10_000),
    "channels_per_subscriber": (1, 10_000),
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


def check_publisher_config(config: PublisherConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    raise_faults(out_of_ranges(config, _RANGES))
