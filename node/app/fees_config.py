"""What a node is told about its price of work."""

import msgspec

from node.types.faults import out_of_ranges, raise_faults


class FeesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the node has of each resource, for pricing.

    Of the event loop and of the risk processor the milliseconds in each second that may be worked;
    of the journal bytes per second. The loop has as much less as it waits for a core, down to half.
    What L1 takes follows from its blocks and from the limits of batcher and settlement;
    ``l1_bytes`` and ``l1_gas`` are the most that the node may have of it, per second, 0 for all.
    ``unit_gas`` is what the L1 bytes of a unit of work take, ``quote_per_ether`` what an ether is
    worth in whole quote units; 0 leaves L1's cost out of the price.
    """

    loop_ms: int = 900
    risk_ms: int = 300
    journal_bytes: int = 50_000_000
    l1_bytes: int = 0
    l1_gas: int = 0
    unit_gas: int = 320
    quote_per_ether: int = 0


def check_fees_config(config: FeesConfig) -> None:
    """Raise ``ConfigInvalid`` with every fault of ``config``."""
    ranges = {
        "loop_ms": (1, 1_000),
        "risk_ms": (1, 1_000),
        "journal_bytes": (1, 10**12),
        "l1_bytes": (0, 10**9),
        "l1_gas": (0, 10**12),
        "unit_gas": (0, 1_000_000),
        "quote_per_ether": (0, 10**9),
    }
    raise_faults(out_of_ranges(config, ranges))
