"""How the clocks of orders behave: keys with their ranges."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[float, float]] = {
    "proposals_per_turn": (1, 100_000),
    "blocks_per_turn": (1, 100_000),
    "reconnect_grace_ms": (0, 600_000),
    "retry_ms": (10, 60_000),
}
"""Lowest and highest value of each number, both allowed."""


class TriggersConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the clocks; the allowed ranges stand in ``_RANGES``."""

    proposals_per_turn: int = 256
    """What is proposed in one turn; the rest of a cascade waits for the next turns."""
    blocks_per_turn: int = 64
    reconnect_grace_ms: int = 2_000
    """How long an account may be gone before its switch counts it as disconnected."""
    retry_ms: int = 100
    """After so long what could not be queued is proposed again."""


def check_triggers_config(config: TriggersConfig) -> None:
    """Raise ``ConfigInvalid`` with every fault."""
    raise_faults(out_of_ranges(config, _RANGES))
