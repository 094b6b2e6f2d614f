"""What one client may ask of the node: keys with their ranges, all faults in one go."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults

_RANGES: dict[str, tuple[int, int]] = {
    "messages_per_s": (1, 1_000_000),
    "message_burst": (1, 1_000_000),
    "flood_factor": (1, 1_000),
    "costly_per_s": (1, 10_000),
    "in_flight": (1, 100_000),
    "in_flight_bytes": (65_536, 1 << 30),
    "distrust_ms": (0, 3_600_000),
    "adding_per_s": (1, 1_000_000),
    "adding_burst": (1_100, 100_000_000),
    "reducing_per_s": (1, 1_000_000),
    "reducing_burst": (1_100, 100_000_000),
}
"""Lowest and highest value of each key, both allowed."""


class IngressConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of the ingress; the allowed ranges stand in ``_RANGES``.

    Every limit is that of one WebSocket connection, unless it says otherwise. All requests over
    plain HTTP from one address count as one connection; what is costly is counted for each address,
    whatever it comes by.
    """

    messages_per_s: int = 10_000
    """Messages that are taken on; more of them are refused (``RateLimited``)."""
    message_burst: int = 20_000
    """Messages that may come at once, after a silence."""
    flood_factor: int = 4
    """A connection that sends so many times as much as it may, refused or not, is closed."""
    costly_per_s: int = 100
    """Log-ins and oracle rounds, whose signatures are recovered on the node's own loop; previews
    and proofs of withdrawals."""
    in_flight: int = 1_024
    """Actions and rounds that may wait for their answer, a fraction of what the gate holds."""
    in_flight_bytes: int = 8 << 20
    """Bytes of those."""
    distrust_ms: int = 10_000
    """How long a connection's claims to reduce risk count for nothing after a false one."""
    adding_per_s: int = 10_000
    """Weight that one account may use of what adds risk, in a second; each item is 1, and what
    ``account_limits`` names weighs more."""
    adding_burst: int = 100_000
    """Weight of it that may come at once, after a silence; the heaviest action must fit."""
    reducing_per_s: int = 40_000
    """The same for what only reduces risk: a budget of its own, never the smaller one."""
    reducing_burst: int = 400_000


def check_ingress_config(config: IngressConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    faults = out_of_ranges(config, _RANGES)
    for reducing, adding in (
        ("reducing_per_s", "adding_per_s"),
        ("reducing_burst", "adding_burst"),
    ):
        if getattr(config, reducing) < getattr(config, adding):
            faults.append(f"{reducing}: {getattr(config, reducing)}, at least {adding} allowed")
    raise_faults(faults)
