"""How settlement behaves; every key has a documented range, and one check tells all faults."""

import msgspec

from node.settlement.fees import FeePolicy
from node.types.faults import out_of, out_of_ranges, raise_faults

_RANGES: dict[str, tuple[int, int]] = {
    "poll_ms": (10, 60_000),
    "in_flight_max": (1, 64),
    "stuck_after_ms": (100, 3_600_000),
    "resend_after_ms": (100, 3_600_000),
    "failures_max": (0, 100),
    "held_max": (1, 100_000),
    "safe_depth": (0, 10_000),
    "final_depth": (0, 10_000),
    "backoff_max_ms": (100, 600_000),
    "inbox_confirmations": (0, 10_000),
    "inbox_blocks_per_query": (1, 100_000),
}
"""Lowest and highest value of each key, both allowed."""

_FEE_MAX = 10**15
"""A million gwei: more is a slip of the keyboard."""


class SettlementConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How settlement behaves towards L1."""

    poll_ms: int = 1_000
    """How often L1 is looked at; a fraction of its block time."""
    in_flight_max: int = 4
    """Transactions that wait in L1's pool at most."""
    stuck_after_ms: int = 48_000
    """A transaction whose turn it is and that is not mined for so long pays more."""
    resend_after_ms: int = 6_000
    """A transaction that the pool does not show is sent again after so long."""
    failures_max: int = 3
    """So many transactions of one batch may be mined and fail; one more stops the node."""
    held_max: int = 4_096
    """Batches that are not posted; past it the outbox is no longer emptied."""
    safe_depth: int | None = None
    """A batch is safe so many blocks below the head; None asks L1 for its own ``safe`` block."""
    final_depth: int | None = None
    """The same for ``finalized``."""
    backoff_max_ms: int = 30_000
    """While L1 does not answer it is asked ever more rarely, but at least so often."""
    inbox_confirmations: int = 4
    """A deposit enters the log when so many blocks stand on its own."""
    inbox_blocks_per_query: int = 2_000
    """Blocks that one question for deposits spans; halved while the endpoint refuses."""
    fees: FeePolicy = FeePolicy()
    """Bounds of what is paid."""


def check_settlement_config(config: SettlementConfig) -> None:
    """Raise ``ConfigInvalid`` with *all* faults of ``config``, each with its key and range."""
    policy = config.fees
    faults = [
        *out_of_ranges(config, _RANGES),
        *out_of("fees.max_fee_cap", policy.max_fee_cap, 1, _FEE_MAX),
        *out_of("fees.tip_max", policy.tip_max, 0, policy.max_fee_cap),
        # A tip of zero could never be raised by a tenth, so nothing sent with it could be replaced.
        *out_of("fees.tip_min", policy.tip_min, 1, policy.tip_max),
    ]
    if (config.safe_depth or 0) > (config.final_depth or config.safe_depth or 0):
        faults.append(f"final_depth: {config.final_depth}, at least safe_depth")
    raise_faults(faults)
